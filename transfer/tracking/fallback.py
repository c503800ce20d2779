"""MLflow with a file to fall back on: where a server does not answer, the whole run is recorded in an SQLite file of this machine."""

from collections.abc import Callable, Mapping
from typing import Any

from transfer.system.names import utf8
from transfer.system.progress import Progress
from transfer.tracking.mlflow_log import MLflow, Place
from transfer.tracking.record import Record

_LONGEST = 200  # characters of a reason


class WithFallback:
    """Records a run at a place and, from the first failure there, at another: all of it, from the beginning."""

    def __init__(self, place: Place, local: Place, progress: Progress) -> None:
        self._place, self._local, self._progress = place, local, progress
        self._told: list[Callable[[MLflow], None]] = []
        try:
            self._log = MLflow(place)
        except Exception as error:  # of any kind: MLflow's own, those of sockets, databases and JSON
            self._log = self._elsewhere(error)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Record one row of the history."""
        self._tell(lambda log: log.epoch(row))

    def finish(self, record: Record) -> None:
        """Record all that is known at the end."""
        self._tell(lambda log: log.finish(record))

    def failed(self, why: str, parameters: Mapping[str, str]) -> None:
        """Record that the run failed."""
        self._tell(lambda log: log.failed(why, parameters))

    def _tell(self, what: Callable[[MLflow], None]) -> None:
        self._told.append(what)
        try:
            what(self._log)
        except Exception as error:
            self._log = self._elsewhere(error)

    def _elsewhere(self, error: Exception) -> MLflow:
        if self._place.address == self._local.address:
            raise error
        why = utf8(" ".join(str(error).split()))
        why = why if len(why) <= _LONGEST else f"{why[:_LONGEST]}..."
        self._progress.say(
            f"MLflow: {self._place.address} does not answer ({why}). The whole run is recorded in a file instead: "
            f"mlflow ui --backend-store-uri {self._local.address}"
        )
        self._place = self._local
        log = MLflow(self._local)
        for what in self._told:
            what(log)
        return log
