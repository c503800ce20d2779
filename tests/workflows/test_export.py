"""Every format and quantization runs in its own runtime, agrees with the SavedModel, and describes itself."""

import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest

import transfer
from tests.exporters.formats import tiny_run
from transfer.errors import ExportError
from transfer.exporters import warmup
from transfer.exporters.formats import graph, measure, model_file, onnx_file, table
from transfer.runs import Run
from transfer.system.progress import Silent
from transfer.workflows.export import carry_out
from transfer.workflows.run_requests import export_request

FILES = [(to, quantize) for to in ("litert", "onnx") for quantize in (None, "float16", "int8")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny_run.write(tmp_path_factory.mktemp("run"), precision="float32")


@pytest.fixture(scope="module")
def exported(run: Run) -> dict[tuple[str, str | None], Path]:
    return {key: transfer.export(run.path, key[0], quantize=key[1]).path for key in FILES}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3)).astype(np.float32)


@pytest.mark.parametrize(("to", "quantize", "tolerance"), [(*key, {None: 1e-5, "float16": 5e-3, "int8": 0.1}[key[1]]) for key in FILES])
def test_each_file_gives_the_answers_of_the_savedmodel(
    run: Run, exported: dict[tuple[str, str | None], Path], images: np.ndarray, to: str, quantize: str | None, tolerance: float
) -> None:
    expected = graph.read(run.export).run(images)
    found = model_file.opened(to, exported[to, quantize], 1).run(images)
    assert set(found) == {"probabilities", "ood_score", "is_ood"}
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=tolerance)
    np.testing.assert_allclose(found["ood_score"], expected["ood_score"], rtol=10 * tolerance, atol=2 * tolerance)
    assert found["is_ood"].dtype == bool
    np.testing.assert_array_equal(found["is_ood"], found["ood_score"] > 1)


@pytest.mark.parametrize(("to", "quantize"), FILES)
def test_the_answer_for_an_image_does_not_depend_on_the_other_images(
    exported: dict[tuple[str, str | None], Path], images: np.ndarray, to: str, quantize: str | None
) -> None:
    runtime = model_file.opened(to, exported[to, quantize], 1)
    together = runtime.run(np.concatenate([images, np.zeros_like(images[:1])]))["probabilities"][:5]
    alone = np.concatenate([runtime.run(image[np.newaxis])["probabilities"] for image in images])
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("to", ["litert", "onnx"])
def test_smaller_weights_make_smaller_files(run: Run, exported: dict[tuple[str, str | None], Path], to: str) -> None:
    plain, half = (exported[to, quantize].stat().st_size for quantize in (None, "float16"))
    assert half < plain


@pytest.mark.parametrize(("to", "quantize"), FILES)
def test_labels_and_facts_are_inside_the_file(
    run: Run, exported: dict[tuple[str, str | None], Path], to: str, quantize: str | None
) -> None:
    facts = model_file.read_facts(exported[to, quantize])
    assert facts["labels"] == list(tiny_run.CLASSES)
    assert (facts["size"], facts["resize"], facts["run"], facts["quantization"]) == (16, "stretch", "run", quantize or "none")
    assert facts["outputs"] == ["probabilities", "ood_score", "is_ood"]
    entry = next(e for e in table.read(run) if (e["format"], e["quantization"]) == (to, quantize or "none"))
    assert facts["test_accuracy"] == pytest.approx(entry["accuracy"], abs=1e-6)


def test_labels_and_signature_can_be_read_with_the_usual_tools(exported: dict[tuple[str, str | None], Path]) -> None:
    import onnxruntime
    from ai_edge_litert.interpreter import Interpreter

    with zipfile.ZipFile(exported["litert", None]) as archive:
        assert archive.read("labels.txt").decode().split() == list(tiny_run.CLASSES)
    signatures = Interpreter(str(exported["litert", None])).get_signature_list()
    assert signatures == {"images": {"inputs": ["images"], "outputs": ["is_ood", "ood_score", "probabilities"]}}
    session = onnxruntime.InferenceSession(exported["onnx", None])
    assert json.loads(session.get_modelmeta().custom_metadata_map["labels"]) == list(tiny_run.CLASSES)
    (taken,) = session.get_inputs()
    assert (taken.name, taken.type, taken.shape) == ("images", "tensor(float)", ["n", 16, 16, 3])
    onnx.checker.check_model(str(exported["onnx", None]), full_check=True)


def test_the_table_has_one_line_for_each_and_the_savedmodel_first(run: Run, exported: dict[tuple[str, str | None], Path]) -> None:
    entries = table.read(run)
    expected = [("savedmodel", "none"), *((to, quantize or "none") for to, quantize in FILES)]
    assert [(entry["format"], entry["quantization"]) for entry in entries] == expected
    for entry, path in zip(entries[1:], exported.values(), strict=True):
        assert (run.path / entry["file"]).samefile(path)
        assert entry["bytes"] == path.stat().st_size
        assert entry["images"] == tiny_run.TEST
        assert {"same_label", "largest_difference", "largest_difference_ood_score", "same_is_ood"} <= set(entry)


def test_an_export_made_again_replaces_its_file_and_its_line(run: Run, exported: dict[tuple[str, str | None], Path]) -> None:
    before = exported["onnx", None].stat().st_ino
    done = carry_out(export_request(run, "onnx"), Silent())
    assert len(done.entries) == 1 + len(FILES)
    assert done.path == exported["onnx", None]
    assert done.path.stat().st_ino != before


@pytest.mark.parametrize(("to", "name"), [("onnx", "a.onnx"), ("savedmodel", "a")])
def test_below_the_accuracy_asked_for_nothing_is_published(run: Run, tmp_path: Path, to: str, name: str) -> None:
    output = tmp_path / name
    kept = table.read(run)
    with pytest.raises(ExportError, match=r"of 9 test images .* Expected at least 0.99 .*Nothing was published"):
        carry_out(export_request(run, to, output=output, assert_accuracy=0.99), Silent())
    assert list(tmp_path.iterdir()) == []
    assert table.read(run) == kept


class Collapsed:
    """A runtime that gives each image the probabilities of another class."""

    def __init__(self, runtime: measure.Runtime) -> None:
        self.name, self._runtime = runtime.name, runtime

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        found = self._runtime.run(images)
        return found | {"probabilities": np.roll(found["probabilities"], 1, axis=1)}


def collapses(monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    """Let the files of a format be opened as `Collapsed`."""
    honest = model_file.opened

    def opened(of: str, file: Path, threads: int | None = None) -> measure.Runtime:
        return Collapsed(honest(of, file, threads)) if of == to else honest(of, file, threads)

    monkeypatch.setattr(model_file, "opened", opened)


def test_a_file_that_collapsed_is_not_published_unless_that_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, to, other = tiny_run.write(tmp_path, tiny_run.colours), "litert", "onnx"
    before = carry_out(export_request(run, to, "float16"), Silent())
    content = before.path.read_bytes()
    collapses(monkeypatch, to)
    with pytest.raises(ExportError, match=rf"float16 {to} export classifies 0.000 of 9 .* the SavedModel 1.000: a loss of 1.000"):
        carry_out(export_request(run, to, "float16"), Silent())
    assert before.path.read_bytes() == content and table.read(run) == before.entries, "what was there is kept"
    assert carry_out(export_request(run, other, "float16"), Silent()).entries[-1]["accuracy"] == 1, "another format is published"
    accepted = carry_out(export_request(run, to, "float16", max_accuracy_loss=1), Silent())
    (entry,) = [entry for entry in accepted.entries if entry["format"] == to]
    assert accepted.path.is_file() and entry["accuracy"] == 0


def test_the_accepted_loss_is_a_setting_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny_run.write(tmp_path, tiny_run.colours, export__max_accuracy_loss=1.0)
    collapses(monkeypatch, "onnx")
    assert export_request(run, "onnx", "float16").max_accuracy_loss == 1
    assert carry_out(export_request(run, "onnx", "float16"), Silent()).path.is_file()
    with pytest.raises(ExportError, match=r"Expected at most 0.1 \(export.max_accuracy_loss\)"):
        carry_out(export_request(run, "onnx", "float16", max_accuracy_loss=0.1), Silent())


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interruption_or_a_full_disk_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException
) -> None:
    def convert(source: graph.Source) -> None:
        raise raised

    monkeypatch.setattr(onnx_file, "convert", convert)
    with pytest.raises(type(raised)):
        carry_out(export_request(run, "onnx", output=tmp_path / "a.onnx"), Silent())
    assert list(tmp_path.iterdir()) == []


def test_the_savedmodel_made_again_is_the_next_version(tmp_path: Path) -> None:
    run = tiny_run.write(tmp_path, precision="float32")
    requests = warmup.write(run.export, [b"an image"]).read_bytes()
    done = carry_out(export_request(run, "savedmodel"), Silent())
    assert done.path == run.export == run.path / "export" / "2"
    assert (done.path / warmup.FILE).read_bytes() == requests
    assert [(entry["format"], entry["file"]) for entry in done.entries] == [("savedmodel", "export/2")]
    elsewhere = carry_out(export_request(run, "savedmodel", output=tmp_path / "deep" / "er"), Silent())
    assert (elsewhere.path / "saved_model.pb").is_file()
    assert run.export.name == "2"
