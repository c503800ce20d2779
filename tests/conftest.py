"""What all tests share: a cache folder of their own, and made-up images."""

import functools
import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from tests.buckets import Bucket, Server


def pytest_collection_finish() -> None:
    """Keep the garbage collector from the modules of TensorFlow and of the tests, which are never garbage: it is 5 % of the time."""
    gc.freeze()


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has its own feature store, weights and transcoded images."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("TRANSFER_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are as wide as in a pipe, however the tests are started, unless a test says otherwise."""
    monkeypatch.delenv("COLUMNS", raising=False)


def made_up_image(seed: int, size: tuple[int, int] = (40, 40), tint: int = 0) -> Image.Image:
    """A made-up RGB image of `size` (width, height): noise, brighter in the channel `tint`, so that classes can be told apart."""
    pixels = np.random.default_rng(seed).integers(0, 120, (size[1], size[0], 3))
    pixels[:, :, tint % 3] += 100
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes `count` PNG images for each class and returns the folder."""

    def write(classes: tuple[str, ...] = ("green", "red"), count: int = 12, size: tuple[int, int] = (40, 40)) -> Path:
        root = tmp_path / "data"
        for number, label in enumerate(classes):
            (root / label).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                made_up_image(1000 * number + index, size, number).save(root / label / f"{index:03d}.png")
        return root

    return write


@pytest.fixture(scope="module")
def each_export_is_loaded_once() -> Iterator[None]:
    """Loading an export costs a second or two; measuring which engine is the faster one, some more."""
    from transfer.exporters.served import Served
    from transfer.models import openvino_engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transfer.exporters.compute.choice.Served", functools.cache(Served))
        patch.setattr(openvino_engine, "version", lambda: None)
        yield


@pytest.fixture(scope="session")
def s3_server() -> Iterator[object]:
    """S3 on this machine; see `buckets.py`."""
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    from tests.buckets import Server

    server = Server()
    yield server
    server.close()


@pytest.fixture
def bucket(s3_server: "Server", monkeypatch: pytest.MonkeyPatch) -> Iterator["Bucket"]:
    """An empty bucket of S3, which this process finds by its environment."""
    from tests.buckets import served

    with served(s3_server, monkeypatch) as made:
        yield made


@pytest.fixture
def gs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder first in PATH with programs that Pillow and others start, each of which writes a file when it is called."""
    programs, called = tmp_path / "programs", tmp_path / "called"
    programs.mkdir()
    for name in ("gs", "gswin32c", "gswin64c", "djpeg", "xdg-open", "display", "convert", "magick", "inkscape", "sips", "iconutil"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $@" >> "{called}"\nexit 1\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return called
