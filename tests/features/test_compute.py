"""`compute: auto` and `precision: auto`: the fastest wins where its features agree, and a machine is asked once, and not for long."""

import dataclasses
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.damage import damaged
from transfer.config import Config
from transfer.errors import EngineError, ExportError
from transfer.features import candidates, compute
from transfer.features.candidates import CALLS, Candidate, Measured
from transfer.models import openvino_engine
from transfer.models.frozen_pass import FrozenPass
from transfer.models.pretrained import FeatureSpec, Pretrained
from transfer.models.registry import BACKBONES
from transfer.system import devices
from transfer.system.progress import Silent
from transfer.system.sealed import write_json

EXACT = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
WORSE = np.array([[1.0, 0.0], [0.1, 2.0]], np.float32)  # a cosine of 0.9988
NEAR = np.array([[1.0, 0.0], [0.05, 2.0]], np.float32)  # a cosine of 0.9997
NEARER = np.array([[1.0, 0.0], [1e-5, 2.0]], np.float32)  # so near that no probability tells
TF32, OV32, TF16, OV16 = "tensorflow float32", "openvino float32", "tensorflow bfloat16", "openvino bfloat16"


class Heard(Silent):
    """Remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@dataclasses.dataclass(frozen=True)
class Fake:
    """Stands for a pretrained backbone."""

    precision: str
    size: int = 32
    weights_digest: str = "ab"
    name: str = "vgg16"
    engine: str = "tensorflow"
    xla: bool = False

    @property
    def backbone(self) -> Any:
        return BACKBONES[self.name]

    def with_engine(self, engine: str) -> "Fake":
        return dataclasses.replace(self, engine=engine)

    def with_xla(self) -> "Fake":
        return dataclasses.replace(self, xla=True)


class Machine:
    """Measures what it is told to, and counts how often it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.speeds = {TF32: 10.0, OV32: 20.0, TF16: 30.0, OV16: 60.0, "tensorflow float16": 30.0}
        self.features = dict.fromkeys(self.speeds, EXACT)
        self.broken: dict[str, str] = {}
        self.measured: list[str] = []
        self.progress = Heard()
        self.images = 0
        monkeypatch.setattr(compute, "measure", self.measure)
        monkeypatch.setattr(compute.resources, "give_back", lambda: None)  # takes its time, and nothing was used

    def measure(
        self, tried: Mapping[Candidate, Any], batch: np.ndarray, in_call: int, advance: Callable[[int], None] = lambda count: None
    ) -> tuple[dict[Candidate, Measured], dict[Candidate, str]]:
        assert batch.shape == (in_call * CALLS, 4, 4, 3)
        assert all((one.engine, one.precision) == (made.engine, made.precision) for one, made in tried.items() if not made.xla)
        self.measured += [one.name for one in tried]
        able = {one: Measured(self.features[one.name], self.speeds[one.name]) for one in tried if one.name not in self.broken}
        return able, {one: self.broken[one.name] for one in tried if one.name in self.broken}

    def choose(self, size: int = 32, weights: str = "ab", batch: int = 8, **settings: Any) -> dict[str, Any]:
        config = Config(features={"batch_size": batch}, **{"backbone": "vgg16"} | settings)  # type: ignore[arg-type]

        def images(count: int) -> np.ndarray:
            self.images += 1
            return np.zeros((count, 4, 4, 3), np.uint8)

        return compute.choose(config, lambda chosen: Fake(chosen, size, weights, config.backbone), images, self.progress)  # type: ignore[arg-type, return-value]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A processor with instructions for bfloat16, without OpenVINO."""
    monkeypatch.setattr(devices, "emulates_bfloat16", lambda: False)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(devices, "machine", lambda: {"processor": "one", "tensorflow": tf.__version__})
    monkeypatch.setattr(openvino_engine, "version", lambda: None)
    return Machine(monkeypatch)


@pytest.fixture
def both(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The same with OpenVINO."""
    monkeypatch.setattr(openvino_engine, "version", lambda: "2026.4")
    return machine


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
    machine.speeds[TF16], machine.features[TF16] = fast, features
    received = machine.choose()
    assert (received["compute"], received["precision"]) == ("tensorflow", expected)
    assert received["images_per_second"] == {TF32: 10.0, TF16: fast}
    assert machine.measured == [TF32, TF16]


@pytest.mark.parametrize(
    ("speeds", "features", "expected"),
    [
        ({}, {}, OV16),
        ({OV16: 32.9}, {}, TF16),
        ({OV16: 29.0}, {}, TF16),
        ({OV16: 29.0, TF16: 9.0}, {}, OV16),
        ({OV16: 20.0, TF16: 9.0}, {}, OV32),
        ({OV32: 10.9, TF16: 9.0, OV16: 9.0}, {}, TF32),
        ({}, {OV16: WORSE}, TF16),
        ({}, {OV16: WORSE, TF16: WORSE}, OV32),
        ({}, {OV16: WORSE, TF16: WORSE, OV32: NEAR}, TF32),
        ({}, {OV16: WORSE, TF16: WORSE, OV32: NEARER}, OV32),
        ({}, {one: np.full((2, 2), np.nan, np.float32) for one in (OV32, TF16, OV16)}, TF32),
    ],
)
def test_the_fastest_engine_and_precision_that_agree_are_chosen(
    both: Machine, speeds: dict[str, float], features: dict[str, np.ndarray], expected: str
) -> None:
    both.speeds |= speeds
    both.features |= features
    received = both.choose()
    assert f"{received['compute']} {received['precision']}" == expected
    assert both.measured == [TF32, OV32, TF16, OV16]
    assert set(received["agreement"]) == {OV32, TF16, OV16} and set(received["agreement"][OV32]) == {"cosine", "probability"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"compute": "tensorflow"}, [TF32, TF16]),
        ({"compute": "openvino"}, [OV32, OV16]),
        ({"precision": "float32"}, [TF32, OV32]),
        ({"precision": "bfloat16"}, [TF16, OV16]),
    ],
)
def test_only_what_is_left_open_is_measured(both: Machine, asked: dict[str, str], expected: list[str]) -> None:
    received = both.choose(**asked)
    assert both.measured == expected and received | asked == received


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"compute": "tensorflow", "precision": "bfloat16"}, "tensorflow bfloat16"),
        ({"compute": "openvino", "precision": "float32"}, "openvino float32"),
        ({"compute": "auto", "precision": "float16"}, "tensorflow float16"),
    ],
)
def test_nothing_is_measured_where_nothing_is_left_open(both: Machine, asked: dict[str, str], expected: str) -> None:
    engine, precision = expected.split()
    assert both.choose(**asked) == {"compute": engine, "precision": precision} and both.images == 0


def test_a_tolerance_of_the_export_decides_too(both: Machine) -> None:
    both.features[OV32] = NEAR
    tight = both.choose(precision="float32")
    loose = both.choose(precision="float32", export={"tolerance_float32": 1.0})
    assert (tight["compute"], loose["compute"]) == ("tensorflow", "openvino")
    assert 1e-3 < tight["agreement"][OV32]["probability"] < 1


def test_with_a_gpu_openvino_is_not_tried(both: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
    both.speeds["xla float16"], both.features["xla float16"] = 1.0, EXACT
    assert both.choose()["compute"] == "tensorflow"
    assert both.measured == [TF32, "tensorflow float16", "xla float16"]


def test_without_openvino_nothing_is_said(machine: Machine) -> None:
    assert machine.choose(precision="float32") == {"compute": "tensorflow", "precision": "float32"}
    assert machine.progress.lines == []


def test_openvino_of_a_version_that_was_not_tried_is_told_and_left_out(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_engine, "version", lambda: "2019.3")
    assert machine.choose(precision="float32") == {"compute": "tensorflow", "precision": "float32"}
    (line,) = machine.progress.lines
    assert "must be at least 2026.0" in line and "Received 2019.3. TensorFlow computes the features." in line and "\n" not in line


def test_a_network_that_openvino_cannot_compute_is_told_once_and_left_to_tensorflow(both: Machine) -> None:
    both.broken = dict.fromkeys((OV32, OV16), "OpenVINO 2026.4 cannot compile this network: no such operation.")
    received = both.choose()
    assert (received["compute"], received["precision"], received["failed"]) == ("tensorflow", "bfloat16", both.broken)
    assert len([line for line in both.progress.lines if "no such operation. It is left out." in line]) == 1
    both.progress.lines.clear()
    assert both.choose()["compute"] == "tensorflow" and both.images == 1 and both.progress.lines == []


def test_openvino_that_was_asked_for_and_cannot_compute_is_an_error(both: Machine, cache_folder: Path) -> None:
    both.broken = dict.fromkeys((OV32, OV16), "OpenVINO 2026.4 cannot compile this network: no such operation.")
    with pytest.raises(EngineError, match=r"no such operation\. Or use compute=tensorflow\.$"):
        both.choose(compute="openvino")
    assert not list((cache_folder / "compute").glob("*.json"))


def test_openvino_does_not_compute_in_float16(both: Machine) -> None:
    with pytest.raises(EngineError, match=r"OpenVINO computes in float32 or bfloat16\. Received precision=float16\."):
        both.choose(compute="openvino", precision="float16")


def test_the_choice_is_printed_once_with_what_was_measured(machine: Machine) -> None:
    machine.choose()
    machine.choose()
    (line,) = machine.progress.lines
    assert "tensorflow bfloat16 (measured" in line and "float32 10.0" in line and "30.0 images/s" in line and "1.00000" in line


def test_a_machine_is_asked_once(both: Machine) -> None:
    first = both.choose()
    both.speeds[OV16] = 1.0
    again = both.choose()
    assert both.images == 1 and both.measured == [TF32, OV32, TF16, OV16]
    assert {name: again[name] for name in first} == first


@pytest.mark.parametrize("change", [{"batch": 4}, {"truncate_at": "block1_pool"}, {"seed": 3}], ids=str)
def test_what_is_known_is_used_for_other_batches_and_cut_points(machine: Machine, change: dict[str, Any]) -> None:
    machine.choose()
    machine.speeds[TF16] = 1.0
    assert machine.choose(**change)["precision"] == "bfloat16" and machine.images == 1


OTHERS: list[dict[str, Any]] = [{"backbone": "vgg19"}, {"weights": "cd"}, {"size": 224}, {"size": 16}]


@pytest.mark.parametrize("change", OTHERS, ids=str)
def test_what_was_not_measured_before_is_measured(machine: Machine, change: dict[str, Any]) -> None:
    machine.choose()
    machine.speeds[TF16] = 1.0
    assert machine.choose(**change)["precision"] == "float32" and machine.images == 2


def test_another_machine_is_asked_anew(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.choose()
    monkeypatch.setattr(devices, "machine", lambda: {"processor": "another"})
    machine.choose()
    assert machine.images == 2


@pytest.mark.parametrize("change", ["threads", "keras", "openvino", "installed"])
def test_other_versions_and_threads_are_measured_anew(both: Machine, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    if change == "installed":
        monkeypatch.setattr(openvino_engine, "version", lambda: None)
    both.choose()
    if change == "threads":
        monkeypatch.setattr(compute.resources, "threads", lambda: {"intra_op": 99})
    elif change == "keras":
        monkeypatch.setattr(compute.keras, "__version__", "99.0.0")
    else:
        monkeypatch.setattr(openvino_engine, "version", lambda: "2026.5")
    both.choose()
    assert both.images == 2


def test_a_processor_that_emulates_bfloat16_is_not_asked(machine: Machine, monkeypatch: pytest.MonkeyPatch, cache_folder: Path) -> None:
    monkeypatch.setattr(devices, "emulates_bfloat16", lambda: True)
    assert machine.choose() == {"compute": "tensorflow", "precision": "float32"}
    assert machine.images == 0 and machine.measured == [] and not (cache_folder / "compute").exists()
    monkeypatch.setattr(openvino_engine, "version", lambda: "2026.4")
    assert machine.choose()["compute"] == "openvino" and machine.measured == [TF32, OV32]


def test_processes_that_measure_at_once_agree_on_the_first_result(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    results: list[dict[str, Any]] = []
    other = threading.Thread(target=lambda: results.append(machine.choose()))
    measured = machine.measure

    def slowly(*given: Any) -> Any:
        if not machine.measured:
            other.start()  # it has to wait for the first to finish
            other.join(0.2)
            assert not results
        return measured(*given)

    monkeypatch.setattr(compute, "measure", slowly)
    first = machine.choose()
    other.join(10)
    assert machine.measured == [TF32, TF16]
    assert {name: results[0][name] for name in first} == first


@pytest.mark.parametrize(
    ("size", "batch", "threads", "expected"),
    [
        (224, 16, 1, 8),
        (299, 16, 2, 4),
        (512, 16, 8, 8),
        (512, 16, 64, 16),
        (96, 64, 1, 32),
        (32, 256, 2, 128),
        (32, 16, 2, 16),
        (32, 1, 2, 1),
    ],
)
def test_few_images_are_measured_at_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, size: int, batch: int, threads: int, expected: int
) -> None:
    asked: list[int] = []

    def measure(tried: Mapping[Candidate, Any], images: np.ndarray, in_call: int, advance: Any) -> Any:
        asked.append(in_call)
        return {one: Measured(EXACT, 1.0) for one in tried}, {}

    monkeypatch.setattr(compute, "measure", measure)
    monkeypatch.setattr(candidates.resources, "threads", lambda: {"intra_op": threads})
    machine.choose(size=size, batch=batch)
    assert asked == [expected]


class Times:
    """A clock that only the calls move."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Slow:
    """Stands for the compiled prefix of a network: its calls take a time of their own, the first one longer."""

    rows = 2

    def __init__(self, clock: Times, seconds: float) -> None:
        self.clock, self.seconds, self.seen = clock, seconds, []  # type: ignore[var-annotated]

    def __call__(self, batch: np.ndarray) -> list[np.ndarray]:
        self.clock.now += self.seconds if self.seen else 100.0
        self.seen.append(batch)
        return [batch[:, 0, 0].astype(np.float32)]


BATCH = np.arange(16, dtype=np.uint8).repeat(3).reshape(16, 1, 1, 3)


@pytest.mark.parametrize(("seconds", "calls"), [((0.01, 0.02), 8), ((0.3, 0.3), 5), ((0.5, 1.1), 3), ((5.0, 1.0), 2)])
def test_candidates_are_timed_in_turn_for_some_seconds_without_their_first_calls(
    monkeypatch: pytest.MonkeyPatch, seconds: tuple[float, float], calls: int
) -> None:
    clock = Times()
    passes = {"float32": Slow(clock, seconds[0]), "bfloat16": Slow(clock, seconds[1])}
    monkeypatch.setattr(candidates, "time", clock)
    monkeypatch.setattr(candidates, "FrozenPass", lambda made, specs, in_call: passes[made.precision])
    tried: Any = {Candidate("tensorflow", precision): Fake(precision) for precision in passes}
    measured, failed = candidates.measure(tried, BATCH, 2)
    assert failed == {} and [len(one.seen) for one in passes.values()] == [calls, calls]
    assert [one.rate for one in measured.values()] == pytest.approx([2 / each for each in seconds])
    for one in measured.values():
        np.testing.assert_array_equal(one.features[:, 0], np.arange(2 * calls), "each call has other images, the same for all")


def test_a_candidate_that_cannot_compute_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, advanced = Times(), []

    def broken(batch: np.ndarray) -> list[np.ndarray]:
        raise EngineError("cannot compile")

    broken.rows = 2  # type: ignore[attr-defined]
    passes = {"tensorflow": Slow(clock, 1.0), "openvino": broken}
    monkeypatch.setattr(candidates, "time", clock)
    monkeypatch.setattr(candidates, "FrozenPass", lambda made, specs, in_call: passes[made.engine])
    first, other = Candidate("tensorflow", "float32"), Candidate("openvino", "float32")
    tried: Any = {one: Fake("float32", engine=one.engine) for one in (first, other)}
    measured, failed = candidates.measure(tried, BATCH, 2, advanced.append)
    assert list(measured) == [first] and failed == {other: "cannot compile"} and advanced == [1, 1]


def test_features_of_fewer_images_are_compared_with_the_same_images(machine: Machine) -> None:
    machine.features[TF32] = np.concatenate([EXACT, WORSE])
    assert machine.choose()["agreement"] == {TF16: {"cosine": 1}}


FOREIGN = ["", "{", "[]", "{}", '{"compute": "tensorflow", "precision": "float16"}', '{"precision": 3}']


@pytest.mark.parametrize("content", FOREIGN)
def test_a_damaged_or_foreign_result_is_measured_again(machine: Machine, cache_folder: Path, content: str) -> None:
    expected = machine.choose()
    (file,) = (cache_folder / "compute").glob("*.json")
    file.write_text(content, encoding="utf-8")
    assert machine.choose() == expected and machine.images == 2


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_result_damaged_at_random_is_missing_or_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "compute.json"
    written = {"compute": "openvino", "precision": "float32", "images_per_second": {TF32: 10.5, OV32: 40.25}, "size": 224}
    write_json(path, written, indent=2)
    path.write_bytes(damaged(data, path.read_bytes()))
    assert compute._stored(path, [Candidate("tensorflow", "float32"), Candidate("openvino", "float32")]) in (None, written)


@pytest.mark.parametrize(("devices", "expected"), [([], "bfloat16"), (["a GPU"], "float16")])
def test_the_16_bits_of_a_gpu_are_float16(monkeypatch: pytest.MonkeyPatch, devices: list[str], expected: str) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: devices if kind == "GPU" else ["CPU"])
    assert compute.in_16_bits() == expected


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


@pytest.mark.parametrize("engine", ["tensorflow", "auto"])
def test_real_measurements_give_features_and_a_speed(cache_folder: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    if engine == "auto":
        pytest.importorskip("openvino")
    monkeypatch.setattr(devices, "emulates_bfloat16", lambda: engine == "auto")

    def load(chosen: str) -> Pretrained:
        return Pretrained.load(BACKBONES["vgg16"], "random", 32, chosen, 0, Silent())

    def images(count: int) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)

    received = compute.choose(Config(compute=engine, features={"batch_size": 2}), load, images, Silent())  # type: ignore[arg-type]
    other = OV32 if engine == "auto" else f"tensorflow {compute.in_16_bits()}"
    assert f"{received['compute']} {received['precision']}" in (TF32, other)
    assert set(received["images_per_second"]) == {TF32, other} and min(received["images_per_second"].values()) > 0
    assert received["agreement"][other]["cosine"] > 0.99 and received["agreement"][other].get("probability", 0) < 1e-3


@pytest.mark.parametrize(("rate", "features", "expected"), [(40.0, NEAR, True), (29.0, EXACT, False), (40.0, WORSE, False)])
def test_on_a_gpu_xla_is_used_where_it_is_faster_and_agrees(
    monkeypatch: pytest.MonkeyPatch, rate: float, features: np.ndarray, expected: bool
) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(devices, "machine", lambda: {"gpus": ["a GPU"]})
    machine = Machine(monkeypatch)
    machine.speeds["xla float16"], machine.features["xla float16"] = rate, features
    received = machine.choose()
    assert (received["precision"], received["xla"], received["use_xla"]) == ("float16", rate, expected)
    assert machine.measured == [TF32, "tensorflow float16", "xla float16"]


def test_on_a_processor_xla_is_not_tried(machine: Machine) -> None:
    assert "use_xla" not in machine.choose()


def test_compiled_by_xla_the_features_are_the_same() -> None:
    pretrained = Pretrained.load(BACKBONES["mobilenet_v2"], "random", 32, "float32", 0, Silent())
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    plain, compiled = (FrozenPass(one, [FeatureSpec("block_2_add", "avg")], 2)(images)[0] for one in (pretrained, pretrained.with_xla()))
    np.testing.assert_allclose(compiled, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("engine", "path", "told"), [("openvino", "stored", True), ("tensorflow", "stored", False), ("openvino", "keras", False)]
)
def test_an_export_that_disagrees_with_another_engine_says_which_to_turn_off(engine: str, path: str, told: bool) -> None:
    with pytest.raises(ExportError, match=rf"^The export does not agree \({path}\)\.") as caught, compute.blamed(engine):
        raise ExportError(f"The export does not agree ({path}).")
    assert ("use compute=tensorflow" in str(caught.value)) is told
