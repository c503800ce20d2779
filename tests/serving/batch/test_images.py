"""Files are read and decoded with a reason for each that is no image; large ones wait for room; order is kept."""

import os
import socket
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.conftest import made_up_image
from tests.data.decoding import encoders as e
from transfer.config import DataConfig
from transfer.data.decoding.decode import decode
from transfer.data.decoding.transcode import to_png
from transfer.data.pipeline import ImageSpec
from transfer.serving import admission
from transfer.serving.batch import images
from transfer.serving.batch.images import Decoded, Decoder, Room
from transfer.serving.batch.request import listed
from transfer.serving.batch.shards import identities_of
from transfer.system.resources import ahead


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(ImageSpec(8, DataConfig(max_megapixels=4)))


def images_of(decoded: list[Decoded]) -> np.ndarray:
    """The images, without the files that are none."""
    return np.stack([image for image in decoded if isinstance(image, np.ndarray)])


def names(folder: Path, count: int = 5) -> list[str]:
    for number in range(count):
        made_up_image(number, tint=number).save(folder / f"{number}.png")
    return [str(folder / f"{number}.png") for number in range(count)]


def test_images_come_in_the_order_of_their_files(decoder: Decoder, tmp_path: Path) -> None:
    files = names(tmp_path)
    decoded = images_of(decoder.decode(files))
    assert decoded.shape == (5, 8, 8, 3)
    assert decoded.dtype == np.uint8
    assert list(decoded.mean((1, 2)).argmax(1)) == [0, 1, 2, 0, 1]
    np.testing.assert_array_equal(images_of(decoder.decode(files[::-1]))[::-1], decoded)


def test_large_and_unusual_images_keep_their_place_between_small_ones(decoder: Decoder, tmp_path: Path) -> None:
    files = names(tmp_path, 4)
    Image.new("RGB", (1200, 1000), (0, 0, 250)).save(tmp_path / "0.png")
    Image.new("RGB", (12, 10), (0, 0, 250)).save(tmp_path / "2.png", "TIFF")
    assert list(images_of(decoder.decode(files)).mean((1, 2)).argmax(1)) == [2, 1, 2, 0]


@pytest.mark.parametrize("library", ["rawpy", "imagecodecs"])
def test_formats_with_an_extra_are_decoded_as_in_training_and_named_without_it(
    decoder: Decoder, tmp_path: Path, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = pytest.importorskip(library, exc_type=ImportError)
    sensor = np.zeros((40, 60), np.uint16)
    sensor[1::2, 1::2] = 3000  # the blue cells of RGGB
    raw = library == "rawpy"
    data = e.camera_raw(sensor, Image.new("RGB", (8, 8))) if raw else installed.jpegxl_encode(np.full((40, 60, 3), (0, 9, 250), np.uint8))
    file = tmp_path / "image.jpg"
    file.write_bytes(data)
    (image,) = images_of(decoder.decode([str(file)]))
    assert image.mean((0, 1)).argmax() == 2
    assert (image == decode(tf.constant(to_png(data)), 8).numpy()).all()
    assert admission.unusual(data, 4.0, None) == admission.Admitted(to_png(data), 2400)
    monkeypatch.setitem(sys.modules, library, None)
    what = (
        "camera raw file (DNG); to read it, pip install 'keras-transfer[raw]'"
        if raw
        else "JPEG XL image; to read it, pip install 'keras-transfer[codecs]'"
    )
    assert decoder.decode([str(file)]) == [f"unsupported format: a {what}"]


def test_every_file_that_is_no_image_has_its_reason(decoder: Decoder, tmp_path: Path) -> None:
    files = names(tmp_path)
    Path(files[0]).write_bytes(Path(files[0]).read_bytes()[:300])
    Path(files[1]).unlink()
    Path(files[2]).unlink()
    os.mkfifo(files[2])
    Image.new("L", (3000, 2000)).save(files[3])
    *errors, image = decoder.decode(files)
    assert errors == [
        "damaged: truncated or broken", "vanished while the folder was read", "not a regular file",
        "too large: 6 megapixels, the limit is 4",
    ]  # fmt: skip
    assert isinstance(image, np.ndarray)


def test_a_damaged_tiff_a_link_to_nowhere_a_socket_and_a_huge_file_are_named(decoder: Decoder, tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("a.tiff", "b", "c", "d")]
    made_up_image(0).save(files[0], "TIFF", compression="tiff_lzw")
    whole = Path(files[0]).read_bytes()
    Path(files[0]).write_bytes(whole[:100] + b"\xff" * 1000 + whole[1100:])
    Path(files[1]).symlink_to(tmp_path / "nowhere")
    with Path(files[3]).open("wb") as huge:
        huge.truncate(10**9)  # takes no room on the disk
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(files[2])
        errors = list(map(str, decoder.decode(files)))
    assert errors[0].startswith("TIFF could not be decoded")
    assert errors[1:3] == ["broken link", "not a regular file"]
    assert errors[3] == "too large: 1000 MB is more than an image of 4 megapixels takes"


def test_a_group_without_any_image_is_all_reasons(decoder: Decoder, tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    assert decoder.decode([str(tmp_path / "x")] * 2) == ["not an image: empty"] * 2


def test_large_images_are_decoded_one_at_a_time_if_there_is_room_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_SMALL_PIXELS", 100)
    monkeypatch.setattr(images, "_PIXELS", 2000)
    decoder = Decoder(ImageSpec(8))
    inside, most = [], []
    really = decoder._alone

    def alone(data: bytes) -> np.ndarray:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()
        return really(data)

    monkeypatch.setattr(decoder, "_alone", alone)
    list(ahead(lambda file: decoder.decode([file]), names(tmp_path, 6), 3, 6))
    assert len(most) == 6
    assert set(most) == {1}


def test_a_room_lets_in_what_fits_and_what_is_larger_alone() -> None:
    room, order = Room(10), []
    with room.claim(6):
        with room.claim(4):
            order.append("fits")
        waiting = threading.Thread(target=lambda: _enter(room, 30, order))
        waiting.start()
        time.sleep(0.02)
        order.append("still waiting")
    waiting.join(5)
    assert order == ["fits", "still waiting", 30]


def _enter(room: Room, amount: int, order: list[object]) -> None:
    with room.claim(amount):
        order.append(amount)


def test_a_digest_follows_names_sizes_and_times(tmp_path: Path) -> None:
    files = names(tmp_path, 2)

    def digest(files: list[str]) -> bytes:
        return identities_of(files).tobytes()

    digests = [digest(files), digest(files[::-1]), digest(files[:1])]
    os.utime(files[0], ns=(0, 0))
    digests.append(digest(files))
    with Path(files[0]).open("ab") as file:
        file.write(b"x")
    os.utime(files[0], ns=(0, 0))
    digests.append(digest(files))
    Path(files[0]).unlink()
    digests.append(digest(files))
    assert len(set(digests)) == 6
    assert digest(files) == digests[-1]


def test_paths_in_this_folder_have_no_dot_in_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    names(tmp_path / "a", 1)
    names(tmp_path, 1)
    monkeypatch.chdir(tmp_path)
    assert listed(["."]) == ["0.png", "a/0.png"]
    assert listed(["./a", "./0.png"]) == ["a/0.png", "0.png"]


def test_hidden_files_and_what_systems_leave_are_not_listed(tmp_path: Path) -> None:
    for folder in ("a/@eaDir/0.png", "__MACOSX/a", "a/.x", "a"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        names(tmp_path / folder, 1)
    for name in ("._0.png", "Thumbs.db"):
        (tmp_path / "a" / name).touch()
    assert listed([tmp_path]) == [f"{tmp_path}/a/0.png"]
    assert listed([tmp_path / "__MACOSX"]) == [f"{tmp_path}/__MACOSX/a/0.png"], "as asked"
