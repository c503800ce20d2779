"""MLflow: a run with its parameters, metrics of each epoch, figures, files and model, on a server or in an SQLite file."""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfer.system.names import utf8
from transfer.system.startup import quietly
from transfer.tracking.record import Child, Model, Record

SQLITE = "sqlite:///"
RUN = "transfer.run"
"""Tag of an MLflow run: the path of ours."""

_LOADER = Path(__file__).with_name("mlflow_model.py")
_TOGETHER = 900  # metrics in a request; a server takes 1,000
_PARAMETERS = 100
_EVERY = 2.0  # seconds between requests in training
_LONGEST = 6000  # characters of a parameter
_STEM, _REST = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. /", "_"


@dataclass(frozen=True)
class Place:
    """Where MLflow keeps a run.

    Attributes:
        address: of a server, or `sqlite:///FILE`.
        artifacts: folder of the files, for a new experiment in an SQLite file; empty: the server decides.
        experiment, name: of the experiment and the run.
        run: path of our run.
        seconds: to wait for an answer.
    """

    address: str
    artifacts: str
    experiment: str
    name: str
    run: str
    seconds: float


class MLflow:
    """Writes one MLflow run.

    Attributes:
        id: of the run.
    """

    def __init__(self, place: Place) -> None:
        """Begin the run; whatever MLflow raises says why it cannot."""
        _require_writable(place.address)
        with _patience(place.seconds), quietly():
            from mlflow import MlflowClient

            self._place, self._client = place, MlflowClient(tracking_uri=place.address)
            found = self._client.get_experiment_by_name(place.experiment)
            location = place.artifacts or None
            self._experiment = found.experiment_id if found else self._client.create_experiment(place.experiment, location)
            own = f"tags.`{RUN}` = '{_escaped(place.run)}' and attributes.status = 'RUNNING'"
            for left in self._client.search_runs([self._experiment], own):  # by a process that was killed
                self._client.set_terminated(left.info.run_id, "KILLED")
            self._waiting: list[Any] = []
            self._sent = time.monotonic()
            self.id: str = self._begin(place.name, {RUN: place.run})

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Record one row of the history; rows that follow each other quickly are sent together."""
        from mlflow.entities import Metric

        now, step = int(time.time() * 1000), int(row["epoch"])
        values = {name: value for name, value in row.items() if name not in ("stage", "epoch") and value == value}
        self._waiting += [Metric(_key(f"{row['stage']}/{name}"), float(value), now, step) for name, value in values.items()]
        if time.monotonic() - self._sent >= _EVERY:
            with _patience(self._place.seconds):
                self._send()

    def _send(self) -> None:
        """Send what waits; it still waits if that fails."""
        for first in range(0, len(self._waiting), _TOGETHER):
            self._client.log_batch(self.id, metrics=self._waiting[first : first + _TOGETHER])
        self._waiting, self._sent = [], time.monotonic()

    def finish(self, record: Record) -> None:
        """Record all that is known at the end."""
        with _patience(self._place.seconds), quietly():
            self._send()
            self._facts(self.id, record.parameters, record.metrics)
            self._data(record)
            for file in record.files:
                self._client.log_artifact(self.id, str(file))
            with tempfile.TemporaryDirectory() as folder:
                for name, png in record.figures.items():
                    place = Path(folder, f"{name}.png")
                    place.write_bytes(png)
                    self._client.log_artifact(self.id, str(place), "figures")
            if record.model is not None:
                self._model(record.model)
            for child in record.children:
                self._child(child)
            self._client.set_terminated(self.id, "FINISHED")

    def failed(self, why: str, parameters: Mapping[str, str]) -> None:
        """Record that the run failed."""
        with _patience(self._place.seconds):
            self._send()
            self._facts(self.id, parameters, {})
            self._client.set_tag(self.id, "transfer.error", utf8(why)[:_LONGEST])
            self._client.set_terminated(self.id, "FAILED")

    def _begin(self, name: str, tags: Mapping[str, str]) -> str:
        from transfer import __version__

        tags = {"transfer.version": __version__, **{key: utf8(value) for key, value in tags.items()}}
        made: str = self._client.create_run(self._experiment, tags=tags, run_name=utf8(name)).info.run_id
        return made

    def _facts(self, run: str, parameters: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric, Param

        known = [Param(_key(key), utf8(value)[:_LONGEST]) for key, value in parameters.items()]
        for first in range(0, len(known), _PARAMETERS):
            self._client.log_batch(run, params=known[first : first + _PARAMETERS])
        now = int(time.time() * 1000)
        figures = [Metric(_key(name), value, now, 0) for name, value in metrics.items()]
        for first in range(0, len(figures), _TOGETHER):
            self._client.log_batch(run, metrics=figures[first : first + _TOGETHER])

    def _data(self, record: Record) -> None:
        from mlflow.entities import Dataset, DatasetInput

        self._client.set_tag(self.id, "transfer.data.digest", record.digest)
        name = utf8(Path(record.source).name or record.source)[:500]
        source = Dataset(name, record.digest[:36] or "unknown", "local", utf8(record.source))
        self._client.log_inputs(self.id, [DatasetInput(source, [])])

    def _model(self, model: Model) -> None:
        """Log the SavedModel with the file that loads it, and its signature; nothing is pickled."""
        import mlflow
        import tensorflow as tf
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, DataType, Schema
        from mlflow.types.schema import Array

        inputs = Schema([ColSpec(DataType.binary, "image_bytes")])
        outputs = Schema(
            [
                ColSpec(DataType.string, "label"), ColSpec(DataType.double, "score"), ColSpec(DataType.boolean, "is_ood"),
                ColSpec(DataType.double, "ood_score"), ColSpec(Array(DataType.double), "probabilities"),
            ]
        )  # fmt: skip
        before = os.environ.get("MLFLOW_TRACKING_URI")  # MLflow sets it with the address
        mlflow.set_tracking_uri(self._place.address)
        try:
            with mlflow.start_run(run_id=self.id, nested=True):
                mlflow.pyfunc.log_model(
                    name="model", loader_module=_LOADER.stem, data_path=str(model.folder), code_paths=[str(_LOADER)],
                    signature=ModelSignature(inputs, outputs), metadata={"classes": [utf8(name) for name in model.labels]},
                    pip_requirements=[f"tensorflow=={tf.__version__}", "pandas", f"mlflow=={mlflow.__version__}"],
                )  # fmt: skip
        finally:
            mlflow.set_tracking_uri(before)

    def _child(self, child: Child) -> None:
        run = self._begin(child.name, {"mlflow.parentRunId": self.id})
        self._facts(run, child.parameters, child.metrics)
        self._client.set_terminated(run, "FINISHED")


def _key(name: str) -> str:
    """Return a name that MLflow takes: letters, digits and `_-. /`."""
    return "".join(letter if letter in _STEM else _REST for letter in name)[:250]


def _escaped(text: str) -> str:
    return utf8(text).replace("\\", "\\\\").replace("'", "\\'")


def _require_writable(address: str) -> None:
    """Check an SQLite file, which MLflow would try to open for minutes. Raises OSError."""
    if not address.startswith(SQLITE):
        return
    file = Path(address.removeprefix(SQLITE))
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise OSError(f"{file} cannot be written")


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Let a server that does not answer be given up soon, unless the user has set how long to wait: the defaults are minutes."""
    ours = {"MLFLOW_HTTP_REQUEST_TIMEOUT": f"{max(1, round(seconds))}", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    ours = {name: value for name, value in ours.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
