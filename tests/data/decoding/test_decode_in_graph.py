"""The decoder as part of a graph: limits, the same pixels everywhere, and damaged bytes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.decoding import encoders as e
from tests.data.samples import CLOSE, EXACT, RGB, SIDE
from transfer.config import DataConfig
from transfer.data import pipeline
from transfer.data.decoding.decode import decode, decode_batch
from transfer.data.decoding.resize import MODES

ALL = {**EXACT, **CLOSE}
SIGNATURE = [tf.TensorSpec([], tf.string)]


def _patched(data: bytes, position: int, new: bytes) -> bytes:
    return data[:position] + new + data[position + len(new) :]


def _large_jpeg() -> bytes:
    data = CLOSE["JPEG"]
    return _patched(data, data.index(b"\xff\xc0") + 5, b"\x80\0\x80\0")


BOMBS = {
    "PNG": e.png_header(20000, 31000) + e.chunk(b"IDAT", bytes(9)),
    "JPEG": _large_jpeg(),
    "GIF": e.gif_on_canvas(RGB, (20000, 31000), 0, 0),
    "GIF with a large frame": _patched(EXACT["GIF"], EXACT["GIF"].index(b",\0\0\0\0") + 5, b"\xff\xff\xff\xff"),
    "BMP": _patched(EXACT["BMP"], 18, b"\0\0\2\0\0\0\2\0"),
    "BMP from the top": _patched(EXACT["BMP"], 18, b"\0\0\2\0\0\0\xfe\xff"),
    "lossless WebP": _patched(EXACT["lossless WebP"], 21, b"\xff\xff\xff\x0f"),
    "lossy WebP": _patched(CLOSE["lossy WebP"], 26, b"\xff\x3f\xff\x3f"),
    "WebP with alpha": _patched(CLOSE["lossy WebP with alpha"], 24, b"\xff\xff\0\xff\xff\0"),
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS.keys())
def test_a_header_of_too_many_pixels_is_refused_before_they_are_decoded(data: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="more pixels"):
        decode(tf.constant(data), SIDE)


def test_the_limit_is_in_the_graph_and_can_be_set() -> None:
    accepts = tf.function(lambda text: decode(text, 8, max_megapixels=SIDE * SIDE / 1e6), input_signature=SIGNATURE)
    refuses = tf.function(lambda text: decode(text, 8, max_megapixels=(SIDE * SIDE - 1) / 1e6), input_signature=SIGNATURE)
    for format in e.FORMATS:
        data = tf.constant(e.saved(RGB.copy(), format))
        assert accepts(data).shape == (8, 8, 3)
        with pytest.raises(tf.errors.InvalidArgumentError, match="more pixels"):
            refuses(data)


@pytest.fixture(scope="module")
def in_graph() -> Callable[[tf.Tensor], tf.Tensor]:
    return tf.function(lambda text: decode(text, 30, "crop", 1.0), input_signature=SIGNATURE)


WAYS = {"tf.data": (0, 0), "the graph, on threads": (256, 0), "one operation after the other": (256, 256)}
"""How `batches` decodes up to how many images: without tf.data, and without a graph."""


def test_eager_graph_batch_and_dataset_give_the_same_pixels(
    in_graph: Callable[[tf.Tensor], tf.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager = np.stack([decode(tf.constant(data), 30, "crop", 1.0) for data in ALL.values()])
    assert (np.stack([in_graph(tf.constant(data)) for data in ALL.values()]) == eager).all()
    batch = tf.function(lambda texts: decode_batch(texts, 30, "crop", 1.0), input_signature=[tf.TensorSpec([None], tf.string)])
    mixed = batch(tf.constant(list(ALL.values())))
    assert mixed.dtype == tf.float32
    assert (mixed.numpy() == eager).all()
    assert batch(tf.constant([], tf.string)).shape == (0, 30, 30, 3)
    for number, data in enumerate(ALL.values()):
        (tmp_path / f"{number:03d}").write_bytes(data)
    files = [str(path).encode() for path in sorted(tmp_path.iterdir())]
    image_spec = pipeline.ImageSpec(30, DataConfig(resize="crop", max_megapixels=1.0))
    for few, one_by_one in WAYS.values():
        monkeypatch.setattr(pipeline, "_FEW", few)
        monkeypatch.setattr(pipeline, "_ONE_BY_ONE", one_by_one)
        positions, images = zip(*pipeline.batches(files, image_spec, 7), strict=True)
        assert list(np.concatenate(positions)) == list(range(len(ALL)))
        assert (np.concatenate(images) == eager).all()


@pytest.mark.parametrize("resize", MODES)
def test_one_graph_decodes_to_every_size_and_shape(resize: Literal["stretch", "pad", "crop"]) -> None:
    pipeline._decoder(100.0, None)
    traced = pipeline._decoder.cache_info().misses
    for size in (8, 30, 50):
        decoder = pipeline.decoder_of(pipeline.ImageSpec(size, DataConfig(resize=resize)))
        for data in (EXACT["PNG"], CLOSE["JPEG"], e.saved(RGB.crop((0, 0, 21, 50)), "PNG"), e.saved(RGB.crop((0, 0, 50, 20)), "PNG")):
            found = decoder(tf.constant(data))
            assert found.shape == (size, size, 3)
            assert (found.numpy() == decode(tf.constant(data), size, resize).numpy()).all()
    assert pipeline._decoder.cache_info().misses == traced


def test_files_that_cannot_be_decoded_are_missing_from_the_batches_and_have_a_reason(tmp_path: Path) -> None:
    content = {"a": EXACT["PNG"], "b": e.cut(CLOSE["JPEG"], 0.5), "c": EXACT["GIF"], "e": BOMBS["PNG"], "f": b"text", "g": EXACT["BMP"]}
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    files = [os.fsencode(tmp_path / name) for name in "abcdefg"] + [os.fsencode(tmp_path) + b"/gone\xe9"]
    image_spec = pipeline.ImageSpec(16)
    batches = pipeline.batches(files, image_spec, 2)
    found = {int(position): image for batch in batches for position, image in zip(*batch, strict=True)}
    assert sorted(found) == [0, 2, 6]
    assert (found[6].numpy() == decode(tf.constant(EXACT["BMP"]), 16).numpy()).all()
    assert [pipeline.why_undecodable(file, image_spec) for file in files] == [
        "",
        "damaged: not a whole JPEG (truncated or broken)",
        "",
        "vanished while the folder was read",
        "damaged: its header hides how large it is",
        "damaged: truncated or broken",
        "",
        "vanished while the folder was read",
    ]


@pytest.mark.parametrize("data", [b"", b"\xff", b"text", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF\0\0\0\0WEBP"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(tf.constant(data), SIDE)


EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6)


def damaged(data: bytes, share: float, edits: list[tuple[float, int]]) -> bytes:
    """Cut a file and overwrite some bytes; half of the places are near its beginning, where the headers are."""
    changed = bytearray(e.cut(data, share))
    for number, (place, value) in enumerate(edits):
        if changed:
            changed[int(place * min(len(changed), 100 if number % 2 else len(changed)))] = value
    return bytes(changed)


@given(st.sampled_from(sorted(ALL)), st.one_of(st.just(1.0), st.floats(0, 1)), EDITS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_bytes_are_decoded_or_refused_and_crash_nothing(
    in_graph: Callable[[tf.Tensor], tf.Tensor], kind: str, share: float, edits: list[tuple[float, int]]
) -> None:
    data = damaged(ALL[kind], share, edits)
    try:
        assert in_graph(tf.constant(data)).shape == (30, 30, 3)
    except tf.errors.OpError:
        assert share < 1 or edits


@given(st.sampled_from(sorted(ALL)), st.floats(0, 1), EDITS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_that_is_not_decoded_has_a_reason_of_one_line(
    tmp_path: Path, kind: str, share: float, edits: list[tuple[float, int]]
) -> None:  # fmt: skip
    path = tmp_path / "damaged"
    path.write_bytes(damaged(ALL[kind], share, edits))
    image_spec = pipeline.ImageSpec(16, DataConfig(max_megapixels=1.0))
    reason = pipeline.why_undecodable(str(path).encode(), image_spec)
    assert reason == "" or (reason.startswith("damaged: ") and "\n" not in reason and len(reason) < 80)
