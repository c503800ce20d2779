"""`precision: auto`: the faster one wins where its features agree, and a machine is asked once, and not for long."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.damage import damaged
from transfer.features import compute
from transfer.models.pretrained import FeatureSpec, FrozenPass, Pretrained
from transfer.models.registry import BACKBONES
from transfer.system import devices
from transfer.system.progress import Silent
from transfer.system.sealed import write_json

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
        monkeypatch.setattr(compute, "_measure", self.measure)
        monkeypatch.setattr(compute.resources, "give_back", lambda: None)  # takes its time, and nothing was used

    def measure(self, pretrained: Any, batch: np.ndarray, in_call: int) -> tuple[np.ndarray, float]:
        assert batch.shape == (in_call * compute._CALLS, 4, 4, 3)
        self.measured.append(pretrained.precision)
        return self.features[pretrained.precision], self.speeds[pretrained.precision]

    def choose(self, name: str = "vgg16", batch: int = 8, size: int = 32, weights: str = "ab") -> dict[str, Any]:
        def load(chosen: str) -> Any:
            compiled = SimpleNamespace(precision=f"{chosen}, xla")
            return SimpleNamespace(precision=chosen, size=size, weights_digest=weights, with_xla=lambda: compiled)

        def images(count: int) -> np.ndarray:
            self.images += 1
            return np.zeros((count, 4, 4, 3), np.uint8)

        return compute.choose(BACKBONES[name], load, batch, images, self.progress)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(compute, "candidate", lambda: "bfloat16")
    monkeypatch.setattr(devices, "emulates_bfloat16", lambda: False)
    return Machine(monkeypatch)


@pytest.mark.parametrize(
    ("fast", "features", "expected"),
    [
        (30.0, EXACT, "bfloat16"),
        (30.0, NEAR, "bfloat16"),
        (30.0, WORSE, "float32"),
        (9.0, EXACT, "float32"),
        (10.0, EXACT, "float32"),
        (10.9, EXACT, "float32"),
        (30.0, np.full((2, 2), np.nan, np.float32), "float32"),
        (30.0, np.full((2, 2), np.inf, np.float32), "float32"),
    ],
    ids=["faster", "faster and near", "faster but wrong", "slower", "no faster", "hardly faster", "not a number", "overflown"],
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


@pytest.mark.parametrize("change", [{"size": 224}, {"size": 16}, {"batch": 4}], ids=str)
def test_what_is_known_is_used_at_another_size_of_images_or_batches(machine: Machine, change: dict[str, int]) -> None:
    machine.choose()
    machine.speeds["bfloat16"] = 1.0
    assert machine.choose(**change)["precision"] == "bfloat16" and machine.images == 1


OTHERS: list[dict[str, Any]] = [{"name": "vgg19"}, {"weights": "cd"}]


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


@pytest.mark.parametrize(("package", "version"), [("keras", "99.0.0"), ("tf", "99.0.0")])
def test_other_versions_of_the_libraries_are_measured_anew(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, package: str, version: str
) -> None:
    machine.choose()
    monkeypatch.setattr(getattr(compute, package), "__version__", version)
    machine.choose()
    assert machine.images == 2


def test_a_processor_that_emulates_bfloat16_is_not_asked(machine: Machine, monkeypatch: pytest.MonkeyPatch, cache_folder: Path) -> None:
    monkeypatch.setattr(devices, "emulates_bfloat16", lambda: True)
    assert machine.choose() == {"precision": "float32", "emulated": "bfloat16"}
    assert machine.images == 0 and machine.measured == [] and not (cache_folder / "precision").exists()


def test_processes_that_measure_at_once_agree_on_the_first_result(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    results: list[dict[str, Any]] = []
    other = threading.Thread(target=lambda: results.append(machine.choose()))
    measured = machine.measure

    def slowly(pretrained: Any, batch: np.ndarray, in_call: int) -> tuple[np.ndarray, float]:
        if not machine.measured:
            other.start()  # it has to wait for the first to finish
            other.join(0.2)
            assert not results
        return measured(pretrained, batch, in_call)

    monkeypatch.setattr(compute, "_measure", slowly)
    first = machine.choose()
    other.join(10)
    assert machine.measured == ["float32", "bfloat16"]
    assert {name: results[0][name] for name in first} == first


@pytest.mark.parametrize(("size", "batch", "expected"), [(224, 16, 1), (299, 16, 1), (512, 16, 1), (96, 16, 5), (32, 16, 16), (32, 1, 1)])
def test_few_images_are_measured_at_once(machine: Machine, monkeypatch: pytest.MonkeyPatch, size: int, batch: int, expected: int) -> None:
    asked = []
    monkeypatch.setattr(compute, "_measure", lambda pretrained, images, in_call: asked.append(in_call) or (EXACT, 1.0))
    machine.choose(size=size, batch=batch)
    assert asked == [expected, expected]


class Slow:
    """Stands for the compiled prefix of a network: its calls take a time of their own, the first one longer."""

    def __init__(self, clock: "Times", seconds: float) -> None:
        self.clock, self.seconds, self.calls = clock, seconds, 0

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        self.clock.now += self.seconds if self.calls else 100.0
        self.calls += 1
        return [batch[:, 0, 0].astype(np.float32)]


class Times:
    """A clock that only the calls move."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.mark.parametrize(("seconds", "calls"), [(0.01, 8), (0.3, 5), (0.6, 3), (5.0, 2)])
def test_one_precision_is_timed_for_about_a_second_without_its_first_call(
    monkeypatch: pytest.MonkeyPatch, seconds: float, calls: int
) -> None:
    prefix = Slow(Times(), seconds)
    monkeypatch.setattr(compute, "time", prefix.clock)
    monkeypatch.setattr(compute, "FrozenPass", lambda *given: prefix)
    batch = np.arange(16, dtype=np.uint8).repeat(3).reshape(16, 1, 1, 3)
    features, rate = compute._measure(SimpleNamespace(), batch, 2)
    assert prefix.calls == calls and rate == pytest.approx(2 / seconds)
    np.testing.assert_array_equal(features[:, 0], np.arange(2 * calls), "each call has other images")


def test_features_of_fewer_images_are_compared_with_the_same_images(machine: Machine) -> None:
    machine.features["float32"] = np.concatenate([EXACT, WORSE])
    assert machine.choose()["cosine"] == 1


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"precision": "float16"}', '{"precision": 3}'])
def test_a_damaged_or_foreign_result_is_measured_again(machine: Machine, cache_folder: Path, content: str) -> None:
    expected = machine.choose()
    (file,) = (cache_folder / "precision").glob("*.json")
    file.write_text(content, encoding="utf-8")
    assert machine.choose() == expected and machine.images == 2


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_result_damaged_at_random_is_missing_or_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "precision.json"
    written = {"precision": "float32", "float32": 10.5, "bfloat16": 4.25, "cosine": 0.9999, "size": 224}
    write_json(path, written, indent=2)
    path.write_bytes(damaged(data, path.read_bytes()))
    assert compute._stored(path) in (None, written)


@pytest.mark.parametrize(("devices", "expected"), [([], "bfloat16"), (["a GPU"], "float16")])
def test_the_16_bits_of_a_gpu_are_float16(monkeypatch: pytest.MonkeyPatch, devices: list[str], expected: str) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: devices if kind == "GPU" else ["CPU"])
    assert compute.candidate() == expected


def test_the_machine_is_described_by_what_decides_its_speed() -> None:
    described = devices.machine()
    assert described["processor"] and described["cores"] >= 1 and described["tensorflow"] == tf.__version__
    assert isinstance(described["instructions"], list) and isinstance(described["gpus"], list)


CPUINFO = "processor\t: 0\nmodel name\t: Some CPU\n{}\n\nprocessor\t: 1\nmodel name\t: Other\n"


@pytest.mark.parametrize(
    ("line", "gpus", "expected"),
    [
        ("flags\t\t: fpu avx2 fma", [], True),
        ("flags\t\t: fpu avx2 avx512f avx512_bf16", [], False),
        ("flags\t\t: fpu avx2 amx_bf16", [], False),
        ("flags\t\t: fpu avx2", ["a GPU"], False),
        ("Features\t: fp asimd", [], False),
        ("", [], False),
    ],
    ids=["avx2", "avx512_bf16", "amx_bf16", "a GPU", "ARM", "unknown"],
)
def test_only_an_x86_processor_that_lacks_the_instructions_emulates_bfloat16(
    monkeypatch: pytest.MonkeyPatch, line: str, gpus: list[str], expected: bool
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda path, encoding: CPUINFO.format(line))
    monkeypatch.setattr(devices, "gpu_names", lambda: gpus)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    assert devices.emulates_bfloat16() is expected
    assert devices.machine()["processor"] == "Some CPU"


def test_real_measurements_give_features_and_a_speed(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "emulates_bfloat16", lambda: False)

    def load(chosen: str) -> Pretrained:
        return Pretrained.load(BACKBONES["vgg16"], "random", 32, chosen, 0, Silent())

    def images(count: int) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)

    received = compute.choose(BACKBONES["vgg16"], load, 2, images, Silent())
    assert received["precision"] in ("float32", compute.candidate())
    assert received["float32"] > 0 and received[compute.candidate()] > 0 and received["cosine"] > 0.99


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
    assert compute.worst_cosine(np.array(a, np.float32), np.array(b, np.float32)) == pytest.approx(expected)


vectors = st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=3)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(vectors, vectors), min_size=1, max_size=5), st.floats(0.1, 10))
def test_worst_cosine_is_one_for_equal_directions_and_symmetric(pairs: list[tuple[list[float], list[float]]], scale: float) -> None:
    a, b = (np.array(side, np.float64) for side in zip(*pairs, strict=True))
    worst = compute.worst_cosine(a, b)
    assert -1 - 1e-9 <= worst <= 1 + 1e-9 and worst == pytest.approx(compute.worst_cosine(b, a))
    loud = a[np.abs(a).max(1) > 1e-3]
    if len(loud):
        assert compute.worst_cosine(loud, loud * scale) == pytest.approx(1)


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
