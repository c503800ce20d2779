"""The engine of an export: OpenVINO only where it is faster and gives the same answers, and TensorFlow whatever happens to it."""

import dataclasses
import functools
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.damage import damaged
from tests.exporters import hostile
from tests.serving import tiny_export
from tests.serving.running import image
from transfer.errors import EngineError, RunError
from transfer.exporters.compute import choice, kept
from transfer.exporters.compute.choice import Classifier
from transfer.exporters.compute.facts import Facts, Preference
from transfer.exporters.compute.kept import Kept
from transfer.models import openvino_engine

if openvino_engine.version() is None:
    pytest.skip("needs: pip install -e '.[openvino]'", allow_module_level=True)

FACTS = Facts(
    images=4,
    tensorflow={"name": "TensorFlow 2", "images_per_second": 100.0, "latency_ms": 10.0},
    openvino={"name": "OpenVINO 1", "images_per_second": 200.0, "latency_ms": 5.0},
    agreement={"same_label": 1.0, "largest_difference": 1e-6, "largest_difference_ood_score": 1e-6, "same_is_ood": 1.0},
)


def asked(compute: str = "auto", tolerance: float = 1e-3, reference: Path = Path("none.npz")) -> Preference:
    return Preference(compute, "float32", tolerance, 0.05, reference)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("TRANSFER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_export.write(tmp_path_factory.mktemp("export") / "1")


@pytest.fixture(scope="module", autouse=True)
def each_export_is_loaded_once() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transfer.exporters.compute.choice.Served", functools.cache(choice.Served))
        yield


def with_speed(monkeypatch: pytest.MonkeyPatch, gain: float, **agreement: float) -> list[int]:
    """Let the measurement find that OpenVINO is as many times as fast; return a list that grows with each measurement."""
    done: list[int] = []

    def measured(*_: object) -> Facts:
        done.append(1)
        ours = {"name": "OpenVINO", "images_per_second": 100.0 * gain, "latency_ms": 10 / gain}
        return dataclasses.replace(FACTS, openvino=ours, agreement=FACTS.agreement | agreement)

    monkeypatch.setattr(kept, "measured", measured)
    return done


def files(home: Path) -> list[Path]:
    return sorted((home / "engines").glob("*.npz"))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)


def test_both_engines_give_the_same_answers_in_any_batch(export: Path) -> None:
    by_openvino = choice.load(export, asked("openvino"), print)
    by_tensorflow = choice.load(export, asked("tensorflow"), print)
    assert by_openvino.engine.startswith("OpenVINO ") and by_tensorflow.engine.startswith("TensorFlow ")
    for count in (1, 2, 7, 70):
        ours, theirs = by_openvino.answer_decoded(images(count)), by_tensorflow.answer_decoded(images(count))
        for field in dataclasses.fields(theirs):
            received, expected = getattr(ours, field.name), getattr(theirs, field.name)
            assert (received.dtype, received.shape) == (expected.dtype, expected.shape)
            np.testing.assert_allclose(received, expected, atol=1e-5)
        again = by_openvino.answer_decoded(images(count)[::-1])
        np.testing.assert_array_equal(again.probabilities[::-1], ours.probabilities)


def test_outputs_are_those_of_the_signature_to_the_name_and_the_type(export: Path) -> None:
    by_openvino, served = choice.load(export, asked("openvino"), print), choice.Served(export, False)
    pixels = images(3).astype(np.float32)
    ours = by_openvino.outputs(pixels)
    theirs = {name: value.numpy() for name, value in served.signatures["images"](images=pixels).items()}
    assert set(ours) == set(theirs)
    for name, expected in theirs.items():
        assert (ours[name].dtype, ours[name].shape) == (expected.dtype, expected.shape)
    assert ours["classes"].tolist() == theirs["classes"].tolist() and ours["label"].tolist() == theirs["label"].tolist()


def test_the_decoder_alone_is_that_of_the_export(export: Path) -> None:
    """To the last bit: JPEG, PNG and alpha are what they are inside the network."""
    served = choice.Served(export, False)
    encoded = [image("red"), image("blue", (500, 300)), image("white", kind="PNG")]
    explained = served.explain(encoded, [-1] * 3)
    np.testing.assert_array_equal(served.decode(encoded), explained.images)


def test_what_is_measured_is_kept_and_not_measured_again(export: Path, home: Path) -> None:
    said: list[str] = []
    first = choice.load(export, asked(), said.append)
    assert "once for this machine and export" in said[0] and "images/s" in said[1]
    assert [row["chosen"] for row in first.engines] in ([True, False], [False, True])
    assert first.facts is not None and first.facts.agreement["largest_difference"] < 1e-5
    assert len(files(home)) == 1
    again = choice.load(export, asked(), said.append)
    assert again.facts == first.facts and again.engine == first.engine
    assert sum("Measuring" in line for line in said) == 1


@pytest.mark.parametrize(
    ("gain", "compute", "engine"),
    [(2.0, "auto", "OpenVINO"), (1.05, "auto", "TensorFlow"), (0.5, "auto", "TensorFlow"), (0.5, "openvino", "OpenVINO")],
)
def test_the_faster_engine_is_chosen_unless_one_is_asked_for(
    export: Path, home: Path, gain: float, compute: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_speed(monkeypatch, gain)
    chosen = choice.load(export, asked(compute), print)
    assert chosen.engine.startswith(engine)
    (file,) = files(home)
    found = Kept.read(file)
    assert found is not None and bool(found.graph) == (engine == "OpenVINO"), "no room is taken where TensorFlow computes"


def test_faster_in_batches_and_slower_for_one_image_is_not_faster() -> None:
    assert FACTS.faster
    assert dataclasses.replace(FACTS, openvino=FACTS.openvino | {"latency_ms": 10.5}).faster, "as good as the same"
    assert not dataclasses.replace(FACTS, openvino=FACTS.openvino | {"latency_ms": 11.5}).faster


@pytest.mark.parametrize(
    ("agreement", "said"),
    [
        ({"largest_difference": 0.2}, "a probability differs by 0.2, accepted is 0.001"),
        ({"largest_difference": float("nan")}, "a probability differs by nan"),
        ({"largest_difference_ood_score": 0.1}, "the OOD score differs by 0.1"),
        ({"same_is_ood": 0.98}, "is_ood differs"),
    ],
)
def test_an_engine_that_disagrees_is_not_used(
    export: Path, agreement: dict[str, float], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_speed(monkeypatch, 3.0, **agreement)
    lines: list[str] = []
    assert choice.load(export, asked(), lines.append).network is None
    assert said in lines[-1] and lines[-1].endswith("TensorFlow computes instead.")
    with pytest.raises(EngineError, match=said):
        choice.load(export, asked("openvino"), lines.append)


def test_the_tolerance_is_that_of_the_run_not_of_the_cache(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = with_speed(monkeypatch, 3.0, largest_difference=0.01)
    assert choice.load(export, asked(tolerance=0.05), print).network is not None
    assert choice.load(export, asked(tolerance=0.001), print).network is None
    assert len(done) == 1


def test_without_openvino_nothing_is_said_and_tensorflow_computes(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_engine, "version", lambda: None)
    said: list[str] = []
    assert choice.load(export, asked(), said.append) == Classifier(choice.Served(export, False))
    assert not said
    with pytest.raises(EngineError, match="OpenVINO is not installed"):
        choice.load(export, asked("openvino"), said.append)


def test_another_version_of_openvino_is_one_line_and_tensorflow_computes(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_engine, "version", lambda: "2019.1")
    said: list[str] = []
    assert choice.load(export, asked(), said.append).network is None
    (line,) = said
    assert "must be at least" in line and "Received 2019.1" in line and "\n" not in line


def test_a_graph_that_openvino_cannot_convert_is_one_line_and_tensorflow_computes(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise EngineError("OpenVINO 2026.4 cannot compile this network: no such operation. Use compute=tensorflow.")

    monkeypatch.setattr(openvino_engine, "compiled", refused)
    said: list[str] = []
    assert choice.load(export, asked(), said.append).network is None
    assert "no such operation" in said[-1] and said[-1].endswith("TensorFlow computes instead.")
    with pytest.raises(EngineError, match="no such operation"):
        choice.load(export, asked("openvino"), said.append)


def test_on_a_gpu_nothing_changes(export: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer.system.devices.gpu_names", lambda: ["GPU"])
    assert choice.load(export, asked(), print).network is None
    assert not files(home)


def test_without_a_cache_it_is_measured_each_time(export: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write_text("no folder")
    done = with_speed(monkeypatch, 2.0)
    for _ in range(2):
        assert choice.load(export, asked(), print).network is not None
    assert len(done) == 2


def test_a_full_disk_is_no_error(export: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with_speed(monkeypatch, 2.0)
    monkeypatch.setattr("transfer.system.sealed.write_arrays", full)
    assert choice.load(export, asked(), print).network is not None
    assert not files(home)


def test_an_export_that_may_do_more_than_compute_is_refused_before_openvino_sees_it(tmp_path: Path, home: Path) -> None:
    folder = hostile.write(tmp_path / "1", lambda _: tf.io.read_file("/etc/hostname"))
    with pytest.raises(RunError, match="ReadFile"):
        choice.load(folder, asked("openvino"), print)
    assert not files(home)


def test_another_export_is_measured_on_its_own(export: Path, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = with_speed(monkeypatch, 2.0)
    choice.load(export, asked(), print)
    other = tiny_export.write(tmp_path / "1", sharpness=2.0)
    chosen = choice.load(other, asked(), print)
    assert len(done) == 2 and len(files(home)) == 2
    np.testing.assert_allclose(
        chosen.answer_decoded(images(3)).probabilities, choice.Served(other, False).answer_decoded(images(3)).probabilities, atol=1e-5
    )


def test_only_the_files_last_used_are_kept(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / f"{number}.npz"
        Kept(FACTS, {}, b"graph").write(path)
        os.utime(path, (number, number))
    assert Kept.read(tmp_path / "19.npz") == Kept(FACTS, {}, b"graph")
    assert len(list(tmp_path.glob("*.npz"))) == 16
    assert not (tmp_path / "0.npz").exists()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_file_of_the_cache_counts_as_missing(drawn: st.DataObject) -> None:
    folder = Path(os.environ["TRANSFER_HOME"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "kept.npz"
    whole = Kept(FACTS, {"probabilities": "Identity:0"}, bytes(range(256)) * 8)
    whole.write(path)
    content = path.read_bytes()
    spoiled = damaged(drawn, content)
    path.write_bytes(spoiled)
    assert Kept.read(path) == (whole if spoiled == content else None)


def test_a_damaged_file_is_measured_again(export: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = with_speed(monkeypatch, 2.0)
    choice.load(export, asked(), print)
    (file,) = files(home)
    whole = file.read_bytes()
    file.write_bytes(whole[:-20])
    assert choice.load(export, asked(), print).network is not None
    assert len(done) == 2
    assert Kept.read(file) is not None


def test_two_that_start_at_once_measure_once_and_agree(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = with_speed(monkeypatch, 2.0)
    choice.load(export, asked("tensorflow"), print)
    with ThreadPoolExecutor(2) as both:
        chosen = list(both.map(lambda _: choice.load(export, asked(), print).facts, range(2)))
    assert len(done) == 1 and chosen[0] == chosen[1]


def test_a_file_is_whole_however_its_writer_was_killed(tmp_path: Path) -> None:
    path, old, new = tmp_path / "kept.npz", Kept(FACTS, {}, bytes(1 << 20)), Kept(FACTS, {}, bytes([1]) * (1 << 25))
    for number in range(8):
        old.write(path)
        child = os.fork()
        if child == 0:  # writes files only; never returns to pytest
            try:
                new.write(path)
            finally:
                os._exit(0)
        time.sleep(0.005 * number)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert Kept.read(path) in (old, new)
