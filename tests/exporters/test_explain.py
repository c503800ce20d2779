"""Grad-CAM in the export: high where the class is, zero elsewhere, separately for each class."""

import io
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.reports.made_up_run import reference
from transfer.config import NetworkConfig
from transfer.data.decoding.decode import decode_batch
from transfer.data.pipeline import ImageSpec
from transfer.exporters import saved_model
from transfer.exporters.served import Explained, Served
from transfer.models import joined, scratch
from transfer.models.registry import SCRATCH

SIZE = 32
CORNERS = [(0, 0), (0, 16), (16, 0), (16, 16)]
RED, GREEN = (220, 20, 20), (20, 200, 20)
CLASSES = ["red", "green"]


def image(patches: dict[tuple[int, int], tuple[int, int, int]], seed: int = 0) -> np.ndarray:
    """Return grey noise with coloured patches of 12 x 12 in some corners, uint8."""
    pixels = np.random.default_rng(seed).integers(100, 150, (SIZE, SIZE, 1)).repeat(3, 2).astype(np.uint8)
    for (top, left), colour in patches.items():
        pixels[top + 2 : top + 14, left + 2 : left + 14] = colour
    return pixels


def encoded(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def exported(model: keras.Model, folder: Path, width: int) -> Served:
    saved_model.write(model, CLASSES, ImageSpec(SIZE), reference(width), folder)
    return Served(folder)


def share(heat: np.ndarray, corner: tuple[int, int]) -> float:
    """Return the share of a heat map that lies in a quarter of the image."""
    enlarged = np.asarray(Image.fromarray(heat).resize((SIZE, SIZE), Image.Resampling.NEAREST))
    top, left = corner
    return float(enlarged[top : top + 16, left : left + 16].sum() / enlarged.sum())


@pytest.fixture(scope="module", params=["avg", "flatten"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A small network that has learned, from noisy images, to tell a red patch from a green one in any corner."""
    keras.utils.set_random_seed(0)
    options = NetworkConfig(filters=(8, 8), dense=(), padding="same")
    network = scratch.build(SCRATCH["tiny_vgg"], SIZE, 2, 127.0, 900.0, 0, options, "float32")
    if request.param == "avg":
        maps = network.get_layer("flatten").input
        vector = keras.layers.GlobalAveragePooling2D()(maps)
        network = keras.Model(network.input, keras.layers.Dense(2, name="scores")(vector))
    labels = np.arange(160) % 2
    pixels = np.stack([image({CORNERS[n // 2 % 4]: (RED, GREEN)[n % 2]}, n) for n in range(160)]).astype(np.float32)
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    network.optimizer.learning_rate = 0.01
    network.fit(pixels, labels, batch_size=16, epochs=6, verbose=0)
    assert (np.asarray(network(pixels)).argmax(1) == labels).all()
    width = network.layers[-1].input.shape[-1]
    return exported(joined.from_scratch(network), tmp_path_factory.mktemp("export") / "1", width)


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("number", [0, 1])
def test_the_heat_is_in_the_corner_with_the_evidence(trained: Served, corner: tuple[int, int], number: int) -> None:
    found = trained.explain([encoded(image({corner: (RED, GREEN)[number]}, 1000))], [number])
    assert found.answers.probabilities[0].argmax() == number
    assert share(found.heat[0], corner) > 0.5 and found.heat.max() == pytest.approx(1.0)
    assert share((found.heat[0] > 0.9).astype(np.float32), corner) == 1, "the highest values"


def test_each_class_has_its_own_corner_in_an_image_of_both(trained: Served) -> None:
    both = encoded(image({(0, 0): RED, (16, 16): GREEN}, 2000))
    found = trained.explain([both, both], [0, 1])
    assert share(found.heat[0], (0, 0)) > 0.5
    assert share(found.heat[1], (16, 16)) > 0.5


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Flattened maps: the first class depends on the upper left corner alone, the second on nothing."""
    images = keras.Input((SIZE, SIZE, 3), name="images")
    maps = keras.layers.AveragePooling2D(8)(images)
    kernel = np.zeros((4, 4, 3, 2), np.float32)
    kernel[0, 0, 0, 0] = 0.01
    logits = keras.layers.Dense(2, use_bias=False, kernel_initializer=keras.initializers.Constant(kernel.reshape(48, 2)))
    model = joined.from_scratch(keras.Model(images, logits(keras.layers.Flatten()(maps))))
    return exported(model, tmp_path_factory.mktemp("by hand") / "1", 48)


def test_pixels_without_influence_on_the_class_have_no_heat(by_hand: Served) -> None:
    red = encoded(np.full((SIZE, SIZE, 3), RED, np.uint8))
    heat = by_hand.explain([red], [0]).heat[0]
    assert heat[0, 0] == 1.0 and heat.sum() == 1.0, "everything is red, but only one position is evidence for the class"


def test_a_class_without_evidence_has_no_heat_at_all(by_hand: Served) -> None:
    heat = by_hand.explain([encoded(image({}))], [1]).heat
    assert not heat.any() and np.isfinite(heat).all()


@pytest.fixture(scope="module")
def two_maps(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """Means of two maps, of 8 x 8 and 4 x 4 places: the class gains by red in the first, and by half of the green in the second."""
    images = keras.Input((SIZE, SIZE, 3), name="images")
    fine = keras.layers.AveragePooling2D(4)(images)
    coarse = keras.layers.AveragePooling2D(2)(fine)
    vector = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(maps) for maps in (fine, coarse)])
    kernel = np.zeros((6, 2), np.float32)
    kernel[0, 0], kernel[4, 0] = 0.01, 0.005
    logits = keras.layers.Dense(2, use_bias=False, kernel_initializer=keras.initializers.Constant(kernel))
    return exported(joined.from_scratch(keras.Model(images, logits(vector))), tmp_path_factory.mktemp("two maps") / "1", 6)


@pytest.mark.parametrize("corner", CORNERS)
def test_the_evidence_of_several_maps_is_added_up_at_the_places_of_the_deepest(two_maps: Served, corner: tuple[int, int]) -> None:
    """With means and a linear head, it is what the logit is made of."""
    pixels = image({corner: RED, CORNERS[0]: GREEN}, 5).astype(np.float64)
    at_place = pixels.reshape(4, 8, 4, 8, 3).mean((1, 3))
    expected = 0.01 * at_place[..., 0] + 0.005 * at_place[..., 1]
    found = two_maps.explain([encoded(pixels.astype(np.uint8))], [0])
    np.testing.assert_allclose(found.heat[0], expected / expected.max(), rtol=1e-4)


def test_minus_one_means_the_most_probable_class_of_each_image(trained: Served) -> None:
    files = [encoded(image({(0, 0): RED, (16, 16): GREEN}, seed)) for seed in range(3)] + [encoded(image({(0, 0): GREEN}))]
    found = trained.explain(files, [-1] * 4)
    best = found.answers.probabilities.argmax(1)
    np.testing.assert_array_equal(found.heat, trained.explain(files, [int(number) for number in best]).heat)


def test_an_explanation_has_the_same_answers_and_the_input_of_the_network(trained: Served) -> None:
    pixels = [image({corner: RED}, 7) for corner in CORNERS]
    found: Explained = trained.explain([encoded(one) for one in pixels], [-1] * 4)
    plain = trained.answer([encoded(one) for one in pixels])
    for name in ("probabilities", "ood_score", "is_ood"):
        np.testing.assert_array_equal(getattr(found.answers, name), getattr(plain, name))
    np.testing.assert_array_equal(found.images, pixels)
    np.testing.assert_allclose(np.linalg.norm(found.embeddings, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
def test_how_images_become_squares_is_seen_by_the_decoder_of_the_export(resize: str) -> None:
    class Decoder(Served):
        def __init__(self) -> None:
            self.size = 32

        def decode(self, images: Sequence[bytes]) -> np.ndarray:
            return decode_batch(tf.constant(list(images)), self.size, resize).numpy().round().astype(np.uint8)

    assert Decoder().resize == resize
