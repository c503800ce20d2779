"""The SavedModel: its signatures, its labels, and what happens if it cannot be written."""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.damage import damaged
from tests.reports.made_up_run import COLOURS, SIZE, classifier, reference, write_models
from transfer.config import DataConfig
from transfer.data.pipeline import ImageSpec
from transfer.errors import ExportError, RunError, TransferError
from transfer.exporters import foreign, saved_model
from transfer.exporters.formats import graph
from transfer.exporters.served import Served
from transfer.models import joined


def encoded(colour: tuple[int, int, int], size: tuple[int, int] = (SIZE, SIZE), kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


RED, GREEN, BLUE = encoded((200, 0, 0)), encoded((0, 200, 0), (50, 20), "JPEG"), encoded((0, 0, 200), (7, 90), "BMP")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_models(folder, COLOURS)
    return folder / "export" / "1"


@pytest.fixture(scope="module")
def loaded(export: Path) -> object:
    return tf.saved_model.load(str(export))


def outputs(loaded: object, signature: str, **inputs: tf.Tensor) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in loaded.signatures[signature](**inputs).items()}  # type: ignore[attr-defined]


def test_the_folder_is_what_a_server_expects(export: Path) -> None:
    assert {"saved_model.pb", "variables", "assets"} <= {path.name for path in export.iterdir()}
    assert (export / "assets" / "labels.txt").read_text() == "red\ngreen\nblue\n"


@pytest.mark.parametrize(
    ("signature", "name", "dtype", "shape"),
    [("serving_default", "image_bytes", tf.string, [None]), ("images", "images", tf.float32, [None, SIZE, SIZE, 3])],
)
def test_the_signatures_have_the_named_inputs_and_outputs(
    loaded: object, signature: str, name: str, dtype: tf.DType, shape: list[int | None]
) -> None:
    function = loaded.signatures[signature]  # type: ignore[attr-defined]
    (received,) = function.structured_input_signature[1].values()
    assert (received.name, received.dtype, received.shape.as_list()) == (name, dtype, shape)
    found = {key: (spec.dtype, spec.shape.rank) for key, spec in function.structured_outputs.items()}
    assert found == {
        "probabilities": (tf.float32, 2),
        "classes": (tf.string, 2),
        "label": (tf.string, 1),
        "score": (tf.float32, 1),
        "ood_score": (tf.float32, 1),
        "is_ood": (tf.bool, 1),
    }


def test_bytes_of_any_mix_of_formats_and_sizes_are_classified(loaded: object) -> None:
    result = outputs(loaded, "serving_default", image_bytes=tf.constant([GREEN, RED, BLUE, RED]))
    assert [label.decode() for label in result["label"]] == ["green", "red", "blue", "red"]
    np.testing.assert_allclose(result["probabilities"].sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(result["score"], result["probabilities"].max(1))
    assert result["classes"].tolist() == [[b"red", b"green", b"blue"]] * 4


def test_one_image_alone_gets_what_it_gets_in_a_batch(loaded: object) -> None:
    images = [RED, GREEN, BLUE]
    together = outputs(loaded, "serving_default", image_bytes=tf.constant(images))["probabilities"]
    alone = [outputs(loaded, "serving_default", image_bytes=tf.constant([one]))["probabilities"][0] for one in images]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_the_signature_of_pixels_agrees_with_the_one_of_bytes(loaded: object) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3)).astype(np.uint8)
    by_bytes = outputs(loaded, "serving_default", image_bytes=tf.stack([tf.io.encode_png(one) for one in pixels]))
    by_pixels = outputs(loaded, "images", images=tf.constant(pixels, tf.float32))
    for name, values in by_bytes.items():
        np.testing.assert_array_equal(values, by_pixels[name], err_msg=name)


def test_an_image_unlike_all_training_images_is_out_of_distribution(export: Path) -> None:
    answers = Served(export).answer([RED, GREEN, encoded((200, 200, 200)), encoded((0, 0, 0))])
    assert answers.is_ood.tolist() == [False, False, True, True]
    np.testing.assert_allclose(answers.ood_score[:3], [0, 0, (1 - 3**-0.5) / 0.25], atol=2e-3)


def test_an_export_of_an_earlier_version_is_named_as_such(tmp_path: Path) -> None:
    old = tf.Module()
    signature = tf.TensorSpec([None], tf.string, name="image_bytes")
    function = tf.function(lambda image_bytes: {"probabilities": tf.zeros([1, 3])}, input_signature=[signature])
    tf.saved_model.save(old, str(tmp_path / "1"), signatures={"serving_default": function})
    with pytest.raises(RunError, match=r"'explain': it was made by an earlier version\. Fit again"):
        Served(tmp_path / "1")


@pytest.mark.parametrize("damaged", [b"", b"no image", RED[:60]])
def test_bytes_that_are_not_an_image_are_an_error(loaded: object, damaged: bytes) -> None:
    with pytest.raises(tf.errors.OpError):
        outputs(loaded, "serving_default", image_bytes=tf.constant([RED, damaged]))


def test_the_limit_of_pixels_is_part_of_the_graph(tmp_path: Path) -> None:
    saved_model.write(classifier(), list(COLOURS), ImageSpec(SIZE, DataConfig(max_megapixels=0.001)), reference(), tmp_path / "1")
    served = Served(tmp_path / "1")
    assert served.probabilities([RED]).shape == (1, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="more pixels"):
        served.probabilities([encoded((1, 2, 3), (40, 40))])


def test_class_names_of_any_bytes_come_back(tmp_path: Path) -> None:
    labels = ['<b>&"', "日本 x", os.fsdecode(b"caf\xe9")]
    write_models(tmp_path, labels)
    served = Served(tmp_path / "export" / "1")
    assert served.labels == labels


def test_a_folder_that_is_no_export_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="could not be loaded"):
        Served(tmp_path)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "{{node x}} /a/b; No space left on device [Op:SaveV2]"), ExportError),
        (OSError(28, "No space left on device"), OSError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failed_write_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException, expected: type[BaseException]
) -> None:
    def save(servable: object, folder: str, signatures: object) -> None:
        Path(folder, "variables").mkdir(parents=True)
        raise raised

    monkeypatch.setattr(tf.saved_model, "save", save)
    with pytest.raises(expected, match="No space left on device" if expected is not KeyboardInterrupt else None):
        saved_model.write(classifier(), list(COLOURS), ImageSpec(SIZE), reference(), tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


def trunk_and_head() -> tuple[keras.Model, keras.Model, keras.Model]:
    images = keras.Input((SIZE, SIZE, 3))
    trunk = keras.Model(images, keras.layers.Conv2D(4, 3)(images))
    features = keras.Input((4,))
    head = keras.Model(features, keras.layers.Dense(2)(features))
    pooled = keras.layers.GlobalAveragePooling2D()(trunk(images))
    return trunk, head, keras.Model(images, head(pooled))


def test_a_frozen_backbone_passes_and_its_share_is_counted() -> None:
    trunk, head, model = trunk_and_head()
    trunk.trainable = False
    assert joined.require_frozen(model, head) == {"trained": 10, "total": 122, "share": 10 / 122}


@pytest.mark.parametrize("mistake", ["the backbone trains", "nothing trains", "another head trains"])
def test_a_wrong_set_of_trained_weights_stops_the_run(mistake: str) -> None:
    trunk, head, model = trunk_and_head()
    trunk.trainable = mistake == "the backbone trains"
    if mistake == "nothing trains":
        head.trainable = False
    if mistake == "another head trains":
        head = trunk_and_head()[1]
    with pytest.raises(TransferError, match="Only the trained part may be trainable"):
        joined.require_frozen(model, head)


@pytest.fixture(scope="module")
def copied(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copied") / "1"
    shutil.copytree(export, folder)
    return folder


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_an_export_damaged_at_random_is_refused_by_name(copied: Path, data: st.DataObject) -> None:
    files = sorted(path for path in copied.rglob("*") if path.is_file() and path.stat().st_size)
    assert {"saved_model.pb", "variables.index", "labels.txt", "checksums.json"} <= {path.name for path in files}
    file = data.draw(st.sampled_from(files))
    content = file.read_bytes()
    file.write_bytes(spoiled := damaged(data, content))
    try:
        foreign.require_whole(copied)
        assert spoiled == content or file.name == "checksums.json"
    except RunError as error:
        assert str(file) in str(error) and "\n" not in str(error)
    finally:
        file.write_bytes(content)


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index", "assets/labels.txt"])
@pytest.mark.parametrize("load", [Served, graph.read])
def test_a_damaged_export_is_not_loaded(copied: Path, name: str, load: Callable[[Path], object]) -> None:
    content = (copied / name).read_bytes()
    (copied / name).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(RunError, match=f"A file is damaged.*{name}"):
        load(copied)
    (copied / name).write_bytes(content)
    load(copied)


@pytest.mark.parametrize("content", [b"", b"\xff" * 50])
def test_an_export_without_checksums_that_cannot_be_read_is_one_line(copied: Path, content: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "1"
    shutil.copytree(copied, folder)
    shutil.rmtree(folder / "assets.extra")
    (folder / "saved_model.pb").write_bytes(content)
    for load in (Served, graph.read):
        with pytest.raises(RunError, match="could not be loaded") as caught:
            load(folder)
        assert "\n" not in str(caught.value)
