"""Runs recorded by TensorBoard and MLflow: what is in the logs, and what happens when one cannot be written."""

import base64
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tensorflow as tf

from tests.conftest import made_up_image
from tests.reports.made_up_run import write_run
from transfer.config import LoggingConfig, build
from transfer.errors import ConfigError, OutputError
from transfer.runs import Run
from transfer.system.progress import Silent
from transfer.tracking import opened, record
from transfer.tracking.mlflow_model import _load_pyfunc
from transfer.tracking.tensorboard import TensorBoard, require_free
from transfer.training.identity import _WITHOUT_EFFECT

mlflow = pytest.importorskip("mlflow")
ROWS = [{"stage": "head", "epoch": epoch, "loss": 1 / epoch, "val_loss": float("nan")} for epoch in (1, 2, 3)]


class Heard(Silent):
    """Progress that keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A made-up run with an export."""
    return write_run(tmp_path_factory.mktemp("made") / "runs" / "made", export=True)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run of LeNet on made-up images, recorded by both while it was fitted."""
    from transfer.workflows.fit import fit

    root = tmp_path_factory.mktemp("fitted")
    for number, label in enumerate(("green", "red")):
        (root / "data" / label).mkdir(parents=True)
        for index in range(6):
            made_up_image(10 * number + index, tint=number).save(root / "data" / label / f"{index}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_HOME", str(root / "home"))
        yield fit(
            root / "data", {"backbone": "lenet", "energy": "off", "training.epochs": 2, "ood.other_images": 0},
            name="lenet", output=root / "runs", logging={"to": ["tensorboard", "mlflow"]},
        )  # fmt: skip


def client(folder: Path) -> Any:
    return mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")


def only(folder: Path, experiment: str) -> Any:
    """Return the one MLflow run in an experiment that has no parent."""
    log = client(folder)
    found = log.search_runs([log.get_experiment_by_name(experiment).experiment_id])
    (run,) = [one for one in found if "mlflow.parentRunId" not in one.data.tags]
    return run


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """Return the scalars of a TensorBoard log: tag and step -> value."""
    found = {}
    for path in folder.glob("events.out.tfevents.*"):
        for raw in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(raw.numpy())
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_a_fit_is_recorded_epoch_by_epoch_and_in_the_end(fitted: Run) -> None:
    root, history = fitted.path.parent.parent, fitted.history
    found = scalars(root / "logs" / "lenet")
    run = only(root, "data")
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "lenet"
    for row in history.itertuples():
        assert found["network/val_loss", row.epoch] == pytest.approx(row.val_loss, rel=1e-6)
    steps = client(root).get_metric_history(run.info.run_id, "network/val_loss")
    assert [point.value for point in steps] == pytest.approx(list(history["val_loss"]))
    assert run.data.metrics["test.accuracy"] == fitted.metrics["test"]["accuracy"]
    assert found["final/test/accuracy", 0] == pytest.approx(fitted.metrics["test"]["accuracy"])
    assert run.data.params["backbone"] == "lenet"
    assert run.data.params["precision"] == str(fitted.config["precision"])


def test_a_model_in_mlflow_answers_bytes_and_base64(fitted: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    root = fitted.path.parent.parent
    run = only(root, "data")
    (model,) = run.outputs.model_outputs
    assert "MLFLOW_TRACKING_URI" not in os.environ, "the settings of the process are left as they are"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
    loaded = mlflow.pyfunc.load_model(f"models:/{model.model_id}")
    assert [column.name for column in loaded.metadata.get_input_schema()] == ["image_bytes"]
    data = (root / "data" / "red" / "0.png").read_bytes()
    for image in (data, base64.b64encode(data).decode()):
        found = loaded.predict(pd.DataFrame({"image_bytes": [image]}))
        assert list(found.columns) == ["label", "score", "is_ood", "ood_score", "probabilities"]
        assert found["score"][0] == pytest.approx(max(found["probabilities"][0]))
    from transfer.workflows.predict import predict

    expected = predict(fitted, [root / "data" / "red" / "0.png"])
    assert (found["label"][0], found["score"][0]) == (expected["label"][0], pytest.approx(expected["score"][0], rel=1e-5))
    assert not list((root / "mlflow-files").rglob("*.pkl")), "nothing is pickled"


def test_the_loader_stands_alone(made: Run) -> None:
    image = (made.export.parent.parent / "x.png").resolve()
    made_up_image(1).save(image)
    found = _load_pyfunc(str(made.export)).predict({"image_bytes": [image.read_bytes()] * 33})
    assert len(found) == 33
    assert set(found["label"]) <= set(made.labels)


def test_a_record_has_parameters_figures_files_and_the_digest_of_the_data(made: Run) -> None:
    found = record.of_run(made)
    assert found.parameters["head.dropout"] == str(made.config["head.dropout"])
    assert found.metrics["test.accuracy"] == made.metrics["test"]["accuracy"]
    assert not any("per_class" in name for name in found.metrics)
    assert set(found.figures) == {"confusion", "history", "reliability"}
    assert all(png.startswith(b"\x89PNG") for png in found.figures.values())
    assert {file.name for file in found.files} == {"config.yaml", "metrics.json", "predictions.csv", "history.csv"}
    assert len(found.digest) == 64


def test_trials_become_children() -> None:
    rows = [{"trial": 3, "value": 0.5, "head.kind": "linear", "nothing": float("nan"), "text": ""}]
    (child,) = record.children(rows, "trial")
    assert (child.name, child.parameters, child.metrics) == ("3", {"head.kind": "linear"}, {"value": 0.5})


def recording(folder: Path, progress: Any, **settings: Any) -> Any:
    return opened.recorded(LoggingConfig(**settings), folder / "runs", "made", "data", {"backbone": "lenet"}, progress)


def test_a_run_that_fails_is_recorded_as_failed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), recording(tmp_path, Silent(), to=("mlflow", "tensorboard")) as told:
        told.epoch(ROWS[0])
        raise KeyboardInterrupt
    run = only(tmp_path, "data")
    assert run.info.status == "FAILED"
    assert run.data.params == {"backbone": "lenet"}
    assert run.data.metrics == {"head/loss": 1.0}
    assert scalars(tmp_path / "logs" / "made") == {("head/loss", 1): 1.0}


def test_folds_are_not_recorded_and_what_was_not_told_is_made_good(tmp_path: Path) -> None:
    with recording(tmp_path, Silent(), to="tensorboard") as told:
        for row in (*ROWS[:2], *ROWS):  # the second time: a fold of the cross-validation
            told.epoch(row)
    told.finish(record.Record({}, {}, (), "data", history=tuple(ROWS)))
    assert sorted(scalars(tmp_path / "logs" / "made")) == [("head/loss", 1), ("head/loss", 2), ("head/loss", 3)]


def test_a_server_that_does_not_answer_is_told_of_once_and_the_run_is_recorded_in_a_file(made: Run) -> None:
    folder, heard = made.path.parent.parent, Heard()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        started = time.monotonic()
        with recording(folder, heard, to="mlflow", address=address) as told:
            for row in ROWS:
                told.epoch(row)
        told.finish(record.of_run(made, model=False))
    assert time.monotonic() - started < 60
    assert not any("is not recorded" in line for line in heard.lines)
    (line,) = [line for line in heard.lines if "does not answer" in line]
    assert line.startswith(f"MLflow: {address} does not answer (")
    assert line.endswith(f"mlflow ui --backend-store-uri sqlite:///{folder / 'mlflow.db'}")
    run = only(folder, "data")
    assert run.info.status == "FINISHED"
    assert len(client(folder).get_metric_history(run.info.run_id, "head/loss")) == 3


def test_a_tracker_that_fails_is_left_out_and_the_run_goes_on(tmp_path: Path) -> None:
    class Broken:
        def epoch(self, row: Any) -> None:
            raise OSError("no space left")

    heard = Heard()
    told = opened.Recording(heard, {"tensorboard": Broken()})  # type: ignore[dict-item]
    for row in ROWS:
        told.epoch(row)
    assert heard.lines == ["tensorboard: the rest of this run is not recorded: no space left"]


def test_a_log_of_another_run_is_not_written_over(tmp_path: Path) -> None:
    logs, run = tmp_path / "logs" / "made", tmp_path / "runs" / "made"
    TensorBoard(logs, run).epoch(ROWS[0])
    TensorBoard(logs, run)  # the same run again, after an interruption or with --overwrite
    assert scalars(logs) == {}
    with pytest.raises(OutputError, match=r"There is a log of this name already, of .*made\. Choose another name"):
        require_free(logs, tmp_path / "others" / "made")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("text")
    with pytest.raises(OutputError, match="There is a log of this name already"):
        TensorBoard(tmp_path / "mine", run)
    assert json.loads((logs / "transfer.json").read_text())["run"] == str(run)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"to": ["mlflow", "mlflow"]}, "each tracker is named once; mlflow is there twice"),
        ({"to": "wandb"}, "must be one of: tensorboard, mlflow"),
        ({"address": "https://me:secret@host/x"}, "MLFLOW_TRACKING_USERNAME"),
        ({"seconds": 0}, "must be greater than 0"),
    ],
)
def test_wrong_settings_are_one_line(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build([{"logging": settings}])


def test_without_mlflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"keras-transfer\[mlflow\]"):
        opened.require(LoggingConfig(to=("mlflow",)))
    opened.require(LoggingConfig(to=("tensorboard",)))


def test_logging_changes_no_result() -> None:
    assert _WITHOUT_EFFECT["logging"] is None


def test_a_file_that_cannot_be_written_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    heard = Heard()
    (tmp_path / "mlflow.db").mkdir()
    with recording(tmp_path, heard, to="mlflow") as told:
        told.epoch(ROWS[0])
    (line,) = heard.lines
    assert line.startswith("mlflow: this run is not recorded: ")


def test_what_a_killed_process_left_running_is_ended(tmp_path: Path) -> None:
    for _ in range(2):
        with recording(tmp_path, Silent(), to="mlflow"):
            pass  # neither finished nor failed: as after kill -9
    log = client(tmp_path)
    found = log.search_runs([log.get_experiment_by_name("data").experiment_id], order_by=["attributes.start_time"])
    assert sorted(run.info.status for run in found) == ["KILLED", "RUNNING"]


def test_trials_of_a_search_are_runs_below_it(made: Run, tmp_path: Path) -> None:
    rows = record.children([{"trial": 0, "value": 0.5, "head.kind": "dense"}, {"trial": 1, "value": 0.7, "head.kind": "linear"}], "trial")
    with recording(tmp_path, Silent(), to=("mlflow", "tensorboard")) as told:
        pass
    told.finish(record.Record({}, {"accuracy": 1.0}, (), "data", children=tuple(rows)))
    run, log = only(tmp_path, "data"), client(tmp_path)
    below = log.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
    assert {(one.info.run_name, one.data.params["head.kind"], one.data.metrics["value"]) for one in below} == {
        ("0", "dense", 0.5), ("1", "linear", 0.7)
    }  # fmt: skip


def test_a_comparison_is_recorded_in_the_end(tmp_path: Path) -> None:
    from transfer.config.comparison import build as comparison
    from transfer.workflows import tracked
    from transfer.workflows.requests import CompareRequest

    class Done:
        path = tmp_path / "comparisons" / "made"
        runs = pd.DataFrame({"run": ["a-2-0"], "method": ["a"], "accuracy": [0.5]})
        summary = pd.DataFrame({"method": ["a"], "size": ["2"], "accuracy": [0.5]})

    config = build([{"backbone": "lenet", "data.source": "images", "logging.to": "mlflow"}])
    settings = comparison([{"methods": {"a": {"backbone": "lenet"}, "b": {"backbone": "mlp"}}}])
    workflow: Any = tracked.tracked_comparison(lambda request, progress: Done())  # type: ignore[arg-type, return-value]
    workflow(CompareRequest(settings, {"a": config}, tmp_path / "comparisons" / "made"), Silent())
    run = only(tmp_path, "images")
    assert (run.info.run_name, run.data.metrics) == ("made", {"a/2/accuracy": 0.5})
