"""The trackers of one run: told of each epoch and of the end. One that fails is told of once, and the run goes on."""

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from transfer.config.logging import LoggingConfig
from transfer.errors import ConfigError
from transfer.system import shell
from transfer.system.names import utf8
from transfer.system.progress import Progress

if TYPE_CHECKING:
    from transfer.tracking.mlflow_log import Place
    from transfer.tracking.record import Record

MLFLOW, TENSORBOARD = "mlflow", "tensorboard"
_LONGEST = 300  # characters of a reason
_SQLITE = "sqlite:///"
_DATABASE, _ARTIFACTS, _LOGS = "mlflow.db", "mlflow-files", "logs"


class Tracker(Protocol):
    """Records one run."""

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Record one row of the history."""

    def finish(self, record: "Record") -> None:
        """Record all that is known at the end."""

    def failed(self, why: str, parameters: Mapping[str, str]) -> None:
        """Record that the run failed."""


def require(config: LoggingConfig) -> None:
    """Check, before work begins, that runs can be recorded. Starts neither TensorFlow nor MLflow.

    Raises:
        ConfigError: if a package is missing.
    """
    in_a_file = (config.address or os.environ.get("MLFLOW_TRACKING_URI") or _SQLITE).startswith(_SQLITE)
    needed = [MLFLOW, *(["sqlalchemy"] if in_a_file else [])]
    if MLFLOW in config.to and not all(map(importlib.util.find_spec, needed)):
        raise ConfigError(
            "logging.to: MLflow is not installed. Install it: pip install 'keras-transfer[mlflow]'. "
            "mlflow-skinny is enough for logging.address=http://... alone. Received mlflow."
        )


def _address(config: LoggingConfig, output: Path) -> str:
    return config.address or os.environ.get("MLFLOW_TRACKING_URI") or _local(output)


def _local(output: Path) -> str:
    return f"{_SQLITE}{output.absolute().parent / _DATABASE}"


@contextmanager
def recorded(
    config: LoggingConfig, output: Path, name: str, data: str, parameters: Mapping[str, str], progress: Progress
) -> Iterator["Recording"]:
    """Yield what records a run; a run that fails in the block is recorded as failed.

    Args:
        config: where it is recorded.
        output, name: the run is `output/name`.
        data: name of the images' source.
        parameters: of the run, for the record of one that fails.
        progress: of the run.

    Raises:
        OutputError: if there is another log of this name.
    """
    recording = Recording(progress, _trackers(config, output, name, data, progress))
    try:
        yield recording
    except BaseException as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        recording.tell(lambda tracker: tracker.failed(why, parameters))
        raise


def _trackers(config: LoggingConfig, output: Path, name: str, data: str, progress: Progress) -> dict[str, Tracker]:
    found: dict[str, Tracker] = {}
    if TENSORBOARD in config.to:
        from transfer.tracking.tensorboard import TensorBoard

        logs = Path(config.folder).expanduser() if config.folder else output.absolute().parent / _LOGS
        found[TENSORBOARD] = TensorBoard(logs / (config.name or name), output / name)
        progress.say(f"TensorBoard: tensorboard --logdir {shell.quoted(str(logs))}")
    if MLFLOW in config.to:
        from transfer.tracking.fallback import WithFallback

        place = _place(config, output, name, data, _address(config, output))
        try:
            found[MLFLOW] = WithFallback(place, _place(config, output, name, data, _local(output)), progress)
        except Exception as error:  # its file cannot be written, or is of another version
            progress.say(f"{MLFLOW}: this run is not recorded: {_why(error)}")
        else:
            if place.address.startswith(_SQLITE):
                progress.say(f"MLflow: mlflow ui --backend-store-uri {shell.quoted(place.address)}")
    return found


def _place(config: LoggingConfig, output: Path, name: str, data: str, address: str) -> "Place":
    from transfer.tracking.mlflow_log import Place

    files = ""
    if address.startswith(_SQLITE):
        database = Path(address.removeprefix(_SQLITE)).absolute()
        address, files = f"{_SQLITE}{database}", (database.parent / _ARTIFACTS).as_uri()
    return Place(address, files, utf8(config.experiment or data), config.name or name, str((output / name).absolute()), config.seconds)


def _why(error: Exception) -> str:
    return utf8(" ".join(str(error).split()))[:_LONGEST]


class Recording:
    """The trackers of a run, which is also its progress: whoever trains tells it of each epoch."""

    def __init__(self, progress: Progress, trackers: Mapping[str, Tracker]) -> None:
        self._progress, self._trackers = progress, dict(trackers)
        self._known: dict[str, int] = {}
        self._over: set[str] = set()

    def step(self, title: str, total: int | None, unit: str = "images") -> Any:
        return self._progress.step(title, total, unit)

    def say(self, text: str) -> None:
        self._progress.say(text)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Record an epoch. A stage that begins again is that of a fold of the cross-validation, which is not recorded."""
        stage, number = str(row["stage"]), int(row["epoch"])
        if number <= self._known.get(stage, 0):
            self._over.add(stage)
        if stage not in self._over:
            self._known[stage] = number
            self.tell(lambda tracker: tracker.epoch(row))

    def finish(self, record: "Record") -> None:
        """Record the end, and the epochs that have not been told: those of a linear head, which has one."""
        for row in record.history:
            if int(row["epoch"]) > self._known.get(str(row["stage"]), 0):
                self.tell(lambda tracker, row=row: tracker.epoch(row))  # type: ignore[misc]
        self.tell(lambda tracker: tracker.finish(record))

    def tell(self, what: Callable[[Tracker], None]) -> None:
        """Tell all trackers; one that fails is left out from now on."""
        for name, tracker in list(self._trackers.items()):
            try:
                what(tracker)
            except Exception as error:  # whatever a tracker raises: the run is worth more than its record
                self._trackers.pop(name)
                self.say(f"{name}: the rest of this run is not recorded: {_why(error)}")
