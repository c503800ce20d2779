"""Feature extractors: their outputs, and a name in the store for everything that determines them."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from transfer.config import DataConfig
from transfer.data import pipeline
from transfer.data.pipeline import ImageSpec
from transfer.errors import WeightsError
from transfer.features import extractor
from transfer.features.extractor import BackboneExtractor
from transfer.features.pixels import PixelExtractor
from transfer.models import openvino_engine
from transfer.models.pretrained import FeatureSpec, Pretrained
from transfer.models.registry import BACKBONES
from transfer.system.progress import Silent

# The name of a set needs no network: none is built.
PRETRAINED = Pretrained(BACKBONES["vgg16"], None, "random", "ab" * 32, 32, "float32")
SPECS = [FeatureSpec("block1_pool", "avg")]


def set_id(pretrained: Pretrained = PRETRAINED, image_spec: ImageSpec = ImageSpec(32)) -> str:  # noqa: B008
    return BackboneExtractor(pretrained, image_spec, SPECS, 4).feature_set.id


@pytest.mark.parametrize(
    "change",
    [{"backbone": BACKBONES["vgg19"]}, {"weights_digest": "cd" * 32}, {"size": 64}, {"precision": "bfloat16"}, {"engine": "openvino"}],
    ids=lambda change: next(iter(change)),
)
def test_another_network_has_another_set(change: dict[str, object]) -> None:
    assert set_id(dataclasses.replace(PRETRAINED, **change)) != set_id()


@pytest.mark.parametrize(("version", "same"), [("2026.4", True), ("2026.5", False)])
def test_another_release_of_openvino_has_another_set(monkeypatch: pytest.MonkeyPatch, version: str, same: bool) -> None:
    monkeypatch.setattr(openvino_engine, "version", lambda: "2026.4")
    before = set_id(PRETRAINED.with_engine("openvino"))
    monkeypatch.setattr(openvino_engine, "version", lambda: version)
    assert (set_id(PRETRAINED.with_engine("openvino")) == before) is same


def test_what_tensorflow_computed_before_there_were_other_engines_stays_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf, "__version__", "2.21.0")
    assert set_id() == "aa38cdb76260f83f" and PixelExtractor(ImageSpec(32)).feature_set.id == "c5bb5685887c2dae"


def test_the_same_network_has_the_same_set_wherever_its_weights_came_from() -> None:
    assert set_id(dataclasses.replace(PRETRAINED, weights="a/copy.h5")) == set_id()


@pytest.mark.parametrize("of", ["prefix", "pixels"])
def test_another_way_of_making_images_square_has_another_set(of: str) -> None:
    def made(resize: str) -> str:
        image_spec = ImageSpec(32, DataConfig(resize=resize))
        return set_id(image_spec=image_spec) if of == "prefix" else PixelExtractor(image_spec).feature_set.id

    assert len({made("stretch"), made("pad"), made("crop")}) == 3


@pytest.mark.parametrize("change", ["decoder", "tensorflow"])
def test_another_decoder_has_another_set(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    before = {set_id(), PixelExtractor(ImageSpec(32)).feature_set.id}
    if change == "decoder":
        monkeypatch.setattr(pipeline, "DECODER_VERSION", pipeline.DECODER_VERSION + 1)
    else:
        monkeypatch.setattr(tf, "__version__", "99.1.0")
    assert before.isdisjoint({set_id(), PixelExtractor(ImageSpec(32)).feature_set.id})


def test_a_patch_release_of_tensorflow_keeps_the_set(monkeypatch: pytest.MonkeyPatch) -> None:
    before = set_id()
    monkeypatch.setattr(tf, "__version__", ".".join([*tf.__version__.split(".")[:2], "99"]))
    assert set_id() == before


def test_each_cut_and_pooling_is_an_output_of_its_own() -> None:
    specs = [FeatureSpec("block1_pool", "avg"), FeatureSpec("block1_pool", "max"), FeatureSpec("block2_pool", "avg")]
    assert BackboneExtractor(PRETRAINED, ImageSpec(32), specs, 4).outputs == ["block1_pool:avg", "block1_pool:max", "block2_pool:avg"]


def test_outputs_have_the_width_and_dtype_that_are_stated() -> None:
    loaded = Pretrained.load(BACKBONES["vgg16"], "random", 32, "bfloat16", 0, Silent())
    prefix = BackboneExtractor(loaded, ImageSpec(32), [FeatureSpec("block1_pool", "max"), FeatureSpec("block2_pool", "flatten")], 2)
    arrays = prefix(tf.zeros([2, 32, 32, 3], tf.uint8))
    for output, array in zip(prefix.outputs, arrays, strict=True):
        assert array.shape == (2, prefix.width(output)) and array.dtype == prefix.dtype(output)


def test_pixels_pass_unchanged() -> None:
    pixels = PixelExtractor(ImageSpec(8))
    batch = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    (array,) = pixels(tf.constant(batch))
    assert pixels.outputs == ["pixels"] and array.dtype == pixels.dtype("pixels") == np.uint8
    assert np.array_equal(array, batch.reshape(3, pixels.width("pixels")))


class Overflown:
    """Stands for a compiled prefix whose features are not finite."""

    def __init__(self, value: float, dtype: str) -> None:
        self.features = np.array([[1.0], [value]]).astype(tf.as_dtype(dtype).as_numpy_dtype)

    def prepare(self) -> None:
        pass

    def __call__(self, batch: tf.Tensor) -> list[np.ndarray]:
        return [self.features]


@pytest.mark.parametrize(
    ("precision", "value", "expected"),
    [
        ("float32", np.nan, "in float32: the weights are too large, or a variance is negative"),
        ("bfloat16", np.inf, "in bfloat16: the weights are too large"),
        ("float16", -np.inf, r"in float16: float16 ends at 65,504\. Use --set precision=float32"),
    ],
)
def test_features_that_are_not_finite_are_refused(monkeypatch: pytest.MonkeyPatch, precision: str, value: float, expected: str) -> None:
    monkeypatch.setattr(extractor, "FrozenPass", lambda *given: Overflown(value, precision))
    prefix = BackboneExtractor(dataclasses.replace(PRETRAINED, precision=precision), ImageSpec(32), tuple(SPECS), 4)
    with pytest.raises(WeightsError, match=f"features of vgg16 at block1_pool are NaN or infinite {expected}.* Received weights=random"):
        prefix(tf.zeros([2, 32, 32, 3], tf.uint8))
