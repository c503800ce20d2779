"""`precision: auto`: the faster one wins where its features agree, and a machine is asked once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.features import precision
from transfer.models.pretrained import FeatureSpec, FrozenPass, Pretrained
from transfer.models.registry import BACKBONES
from transfer.system import devices
from transfer.system.progress import Silent

EXACT = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
WORSE = np.array([[1.0, 0.0], [0.1, 2.0]], np.float32)  # a cosine of 0.9988
NEAR = np.array([[1.0, 0.0], [0.05, 2.0]], np.float32)  # a cosine of 0.9997


class Heard(Silent):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


class Machine:
    """Measures what it is told to, and counts how often it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.speeds = {"float32": 10.0, "bfloat16": 30.0, "float16": 30.0}
        self.features = {"float32": EXACT, "bfloat16": EXACT, "float16": EXACT}
        self.measured: list[str] = []
        self.progress = Heard()
        self.images = 0
        monkeypatch.setattr(precision, "_measure", self.measure)
        monkeypatch.setattr(precision.resources, "give_back", lambda: None)  # takes its time, and nothing was used

    def measure(self, pretrained: Any, batch: np.ndarray, batch_size: int) -> tuple[np.ndarray, float]:
        assert batch.shape == (batch_size, 4, 4, 3)
        self.measured.append(pretrained.precision)
        return self.features[pretrained.precision], self.speeds[pretrained.precision]

    def choose(self, name: str = "vgg16", batch: int = 8, size: int = 32, weights: str = "ab") -> dict[str, Any]:
        def load(chosen: str) -> Any:
            compiled = SimpleNamespace(precision=f"{chosen}, xla")
            return SimpleNamespace(precision=chosen, size=size, weights_digest=weights, with_xla=lambda: compiled)

        def images() -> np.ndarray:
            self.images += 1
            return np.zeros((batch, 4, 4, 3), np.uint8)

        return precision.choose(BACKBONES[name], load, batch, images, self.progress)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(precision, "candidate", lambda: "bfloat16")
    return Machine(monkeypatch)


@pytest.mark.parametrize(
    ("fast", "features", "expected"),
    [
        (30.0, EXACT, "bfloat16"),
        (30.0, NEAR, "bfloat16"),
        (30.0, WORSE, "float32"),
        (9.0, EXACT, "float32"),
        (10.0, EXACT, "float32"),
        (30.0, np.full((2, 2), np.nan, np.float32), "float32"),
        (30.0, np.full((2, 2), np.inf, np.float32), "float32"),
    ],
    ids=["faster", "faster and near", "faster but wrong", "slower", "no faster", "not a number", "overflown"],
)
def test_16_bits_are_chosen_where_they_are_faster_and_agree(machine: Machine, fast: float, features: np.ndarray, expected: str) -> None:
    machine.speeds["bfloat16"], machine.features["bfloat16"] = fast, features
    received = machine.choose()
    assert received["precision"] == expected
    assert (received["float32"], received["bfloat16"]) == (10.0, fast)
    assert machine.measured == ["float32", "bfloat16"]


def test_the_choice_is_printed_once_with_what_was_measured(machine: Machine) -> None:
    machine.choose()
    machine.choose()
    (line,) = machine.progress.lines
    assert "bfloat16" in line and "float32 10.0" in line and "30.0 images/s" in line and "1.00000" in line


def test_a_machine_is_asked_once(machine: Machine) -> None:
    first = machine.choose()
    machine.speeds["bfloat16"] = 1.0
    again = machine.choose()
    assert machine.images == 1 and machine.measured == ["float32", "bfloat16"]
    assert {name: again[name] for name in first} == first


OTHERS: list[dict[str, Any]] = [{"name": "vgg19"}, {"batch": 4}, {"size": 64}, {"weights": "cd"}]


@pytest.mark.parametrize("change", OTHERS, ids=lambda change: next(iter(change)))
def test_what_was_not_measured_before_is_measured(machine: Machine, change: dict[str, Any]) -> None:
    machine.choose()
    machine.speeds["bfloat16"] = 1.0
    assert machine.choose(**change)["precision"] == "float32" and machine.images == 2


def test_another_machine_is_asked_anew(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.choose()
    monkeypatch.setattr(devices, "machine", lambda: {"processor": "another"})
    machine.choose()
    assert machine.images == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"precision": "float16"}', '{"precision": 3}'])
def test_a_damaged_or_foreign_result_is_measured_again(machine: Machine, cache_folder: Path, content: str) -> None:
    expected = machine.choose()
    (file,) = (cache_folder / "precision").iterdir()
    file.write_text(content, encoding="utf-8")
    assert machine.choose() == expected and machine.images == 2


@pytest.mark.parametrize(("devices", "expected"), [([], "bfloat16"), (["a GPU"], "float16")])
def test_the_16_bits_of_a_gpu_are_float16(monkeypatch: pytest.MonkeyPatch, devices: list[str], expected: str) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: devices if kind == "GPU" else ["CPU"])
    assert precision.candidate() == expected


def test_the_machine_is_described_by_what_decides_its_speed() -> None:
    described = devices.machine()
    assert described["processor"] and described["cores"] >= 1 and described["tensorflow"] == tf.__version__
    assert isinstance(described["instructions"], list) and isinstance(described["gpus"], list)


def test_real_measurements_give_features_and_a_speed(cache_folder: Path) -> None:
    def load(chosen: str) -> Pretrained:
        return Pretrained.load(BACKBONES["vgg16"], "random", 32, chosen, 0, Silent())

    batch = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    received = precision.choose(BACKBONES["vgg16"], load, 2, lambda: batch, Silent())
    assert received["precision"] in ("float32", precision.candidate())
    assert received["float32"] > 0 and received[precision.candidate()] > 0 and received["cosine"] > 0.99


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([[1, 0], [0, 1]], [[2, 0], [0, 3]], 1.0),
        ([[1, 0], [0, 1]], [[1, 0], [1, 1]], 0.5**0.5),
        ([[1, 0], [0, 1]], [[1, 0], [0, -1]], -1.0),
        ([[0, 0], [1, 1]], [[0, 0], [1, 1]], 1.0),
        ([[0, 0], [1, 1]], [[1, 0], [1, 1]], 0.0),
        ([[1, 0], [1, 1]], [[1, 0], [np.nan, 1]], -1.0),
        ([[1, 0], [1, 1]], [[1, 0], [np.inf, 1]], -1.0),
    ],
    ids=["the same directions", "the worst counts", "opposite", "zero in both", "zero in one", "not a number", "overflown"],
)
def test_worst_cosine(a: list[list[float]], b: list[list[float]], expected: float) -> None:
    assert precision.worst_cosine(np.array(a, np.float32), np.array(b, np.float32)) == pytest.approx(expected)


vectors = st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(vectors, vectors), min_size=1, max_size=5), st.floats(0.1, 10))
def test_worst_cosine_is_one_for_equal_directions_and_symmetric(pairs: list[tuple[list[float], list[float]]], scale: float) -> None:
    a, b = (np.array(side, np.float64) for side in zip(*pairs, strict=True))
    worst = precision.worst_cosine(a, b)
    assert -1 - 1e-9 <= worst <= 1 + 1e-9 and worst == pytest.approx(precision.worst_cosine(b, a))
    loud = a[np.abs(a).max(1) > 1e-3]
    if len(loud):
        assert precision.worst_cosine(loud, loud * scale) == pytest.approx(1)


@pytest.mark.parametrize(("rate", "features", "expected"), [(40.0, NEAR, True), (29.0, EXACT, False), (40.0, WORSE, False)])
def test_on_a_gpu_xla_is_used_where_it_is_faster_and_agrees(
    monkeypatch: pytest.MonkeyPatch, rate: float, features: np.ndarray, expected: bool
) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(devices, "machine", lambda: {"gpus": ["a GPU"]})
    machine = Machine(monkeypatch)
    machine.speeds["float16, xla"], machine.features["float16, xla"] = rate, features
    received = machine.choose()
    assert (received["precision"], received["xla"], received["use_xla"]) == ("float16", rate, expected)
    assert machine.measured == ["float32", "float16", "float16, xla"]


def test_on_a_processor_xla_is_not_tried(machine: Machine) -> None:
    assert "use_xla" not in machine.choose()


def test_compiled_by_xla_the_features_are_the_same() -> None:
    pretrained = Pretrained.load(BACKBONES["mobilenet_v2"], "random", 32, "float32", 0, Silent())
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    plain, compiled = (FrozenPass(one, [FeatureSpec("block_2_add", "avg")], 2)(images)[0] for one in (pretrained, pretrained.with_xla()))
    np.testing.assert_allclose(compiled, plain, rtol=1e-4, atol=1e-5)
