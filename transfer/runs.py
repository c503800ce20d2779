"""The run folder: the only place that knows its file names. `drafts.py` writes it.

`checksums.json` lists its files, but for the report, which is not read again. What is not as it was written is refused.
"""

import json
import os
import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.errors import RunError, nearest
from transfer.system import sealed
from transfer.system.spreadsheet import read_csv

DEFAULT_OUTPUT = "saved_models"
CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
MANIFEST = "manifest.csv"
HISTORY = "history.csv"
METRICS = "metrics.json"
PREDICTIONS = "predictions.csv"
OOF_PREDICTIONS = "oof_predictions.csv"
CUT_POINTS = "cut_points.csv"
TRIALS = "trials.csv"
TUNING = "tuning.json"
STUDY = "study.journal"
MODEL = "model.keras"
EXPORT = "export"
REPORT = "report.html"
FINDINGS = "findings.json"
EXPORTS = "exports.json"
OOD_REFERENCE = "ood_reference.npz"
LABELS = "labels.txt"
CARD = "model_card.md"
EXPORT_CHECKSUMS = "assets.extra/checksums.json"  # where TensorFlow Serving expects what it does not read

_SAVED_MODEL = "saved_model.pb"  # of a version; without it, TensorFlow loads nothing
_NUMBER = re.compile("0|[1-9][0-9]{0,17}")
TRUST_IT = "If you trust whoever made the run, add --trust (in Python: Run(path, trust=True))."
"""The way out, for errors about files of a run that could do more than they should."""

_OF_EARLIER_VERSIONS = "familiar.npz"  # now OOD_REFERENCE

_COMPLETE = (CONFIG, ENVIRONMENT, MANIFEST, HISTORY, METRICS, PREDICTIONS, MODEL, EXPORT)


class Run:
    """One finished training.

    A run that somebody else made is a program to TensorFlow: its SavedModel and its Keras file can hold instructions to read and write
    files. Those that do are refused when they are loaded, unless the run is trusted.

    Attributes:
        path: its folder.
        trust: load its models unseen, whatever they could do.
    """

    def __init__(self, path: str | os.PathLike[str], trust: bool = False) -> None:
        """Open a run by its folder, or by its bare name under `saved_models`.

        Raises:
            RunError: if the folder is not a run.
        """
        self.path, self.trust = _located(path), trust
        missing = [name for name in _COMPLETE if not (self.path / name).exists()]
        if missing:
            raise RunError(f"The folder is not a run: it lacks {', '.join(missing)}. Received {str(path)!r}.")
        if (self.path / _OF_EARLIER_VERSIONS).exists():
            raise RunError(f"The run was made by an earlier version, whose outputs had other names. Fit again. Received {str(path)!r}.")

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.path.name

    @property
    def export(self) -> Path:
        """The newest version folder of the SavedModel."""
        versions = versions_in(self.path / EXPORT)
        if not versions:
            raise RunError(f"The run has no export. Received {str(self.path)!r}.")
        return self.path / EXPORT / str(max(versions))

    @property
    def next_export(self) -> Path:
        """The folder for a new version: numbered above everything in the folder of exports that is called by a number."""
        taken = [int(name) for name in os.listdir(self.path / EXPORT) if _NUMBER.fullmatch(name)]
        return self.path / EXPORT / str(max(taken, default=0) + 1)

    def portable(self, ending: str) -> Path:
        """Return the path of the single-file export with this ending, for example `.int8.tflite`."""
        return self.path / EXPORT / f"{self.path.resolve().name}{ending}"

    def whole(self, name: str) -> Path:
        """Return the path of one of the run's files, after a look at its checksum if it exists.

        Raises:
            RunError: if the file is not as it was written.
        """
        path = self.path / name
        if path.exists() and not path.is_file():  # reading a pipe would never end
            raise RunError(f"A file of the run is none. Expected a regular file. Received {str(path)!r}.")
        if path.exists():  # whoever reads it says what is missing without it
            sealed.require_whole(self.path, [name], "Restore the run from a copy, or fit again.")
        return path

    def _read(self, name: str, read: Callable[[Path], Any]) -> Any:
        path = self.whole(name)
        try:
            return read(path)
        except (OSError, ValueError, KeyError, TypeError, StopIteration, RecursionError) as error:  # a run without checksums
            why = " ".join(str(error).split())[:200]
            raise RunError(f"A file of the run cannot be read: {why}. Received {str(path)!r}.") from None

    @property
    def report(self) -> Path:
        """The report, an HTML page."""
        return self.path / REPORT

    @property
    def ood_reference(self) -> Path:
        """The training images that new images are compared with; see `evaluation.ood.Reference`."""
        return self.whole(OOD_REFERENCE)

    @property
    def model(self) -> Path:
        """The joined Keras model, `.keras`."""
        return self.whole(MODEL)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, as dotted keys."""
        from transfer.config import read_yaml

        return self._read(CONFIG, read_yaml)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Validation and test metrics, timing, and the agreement of the export with the trained model."""
        return self._read(METRICS, _read_json)

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Package versions, and the machine."""
        return self._read(ENVIRONMENT, _read_json)

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch."""
        return self._read(HISTORY, lambda path: read_csv(path, ("stage",)))

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """One row per file seen."""
        return self._read(MANIFEST, read_manifest)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per validation or test image."""
        return self._read(PREDICTIONS, lambda path: read_csv(path, ("path", "split", "label", "predicted")))

    @cached_property
    def oof_predictions(self) -> pd.DataFrame | None:
        """One row per image, predicted by a model that never saw it; None without cross-validation."""
        facts = ("path", "split", "label", "fold", "predicted")
        return self._read(OOF_PREDICTIONS, lambda path: read_csv(path, facts)) if (self.path / OOF_PREDICTIONS).exists() else None

    @cached_property
    def cut_points(self) -> pd.DataFrame | None:
        """The table of `truncate_at: auto`; None if the cut point was given."""
        return self._read(CUT_POINTS, lambda path: read_csv(path, ("cut",))) if (self.path / CUT_POINTS).exists() else None

    @cached_property
    def trials(self) -> pd.DataFrame | None:
        """One row per trial of the search that found the configuration; None if the run was made without a search."""
        return self._read(TRIALS, _read_trials) if (self.path / TRIALS).exists() else None

    @cached_property
    def tuning(self) -> dict[str, Any] | None:
        """What is known of that search: numbers of trials, choice, importances, settings; None if there was none."""
        return self._read(TUNING, _read_json) if (self.path / TUNING).exists() else None

    @property
    def labels(self) -> list[str]:
        """Class names, in the order of the model's outputs."""
        return self._read(METRICS, lambda path: list(self.metrics["test"]["per_class"]))

    def rewrite(self, name: str, content: Any) -> None:
        """Replace one of the files, as JSON, and its checksum."""
        sealed.rewrite(self.path, name, to_json(content).encode("utf-8", errors="surrogateescape"))

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, test accuracy {self.metrics['test']['accuracy']:.3f})"


def _located(given: str | os.PathLike[str]) -> Path:
    """Return the folder that a path or a bare name stands for; of two of one name, that which is a run."""
    if not isinstance(given, str | os.PathLike):
        raise RunError(f"A run is named by its folder, or its name under {DEFAULT_OUTPUT}. Received {given!r:.100}.")
    path = Path(given)
    named = Path(DEFAULT_OUTPUT) / path
    if len(path.parts) == 1 and named.is_dir() and not (path / METRICS).is_file():
        return named
    if not path.is_dir():
        near = nearest(path.name, (entry.name for entry in Path(DEFAULT_OUTPUT).glob("*") if (entry / METRICS).is_file()))
        hint = f" Did you mean {near!r}?" if near else ""
        raise RunError(
            f"There is no such run.{hint} Expected the folder of a run, such as {DEFAULT_OUTPUT}/NAME, or NAME alone "
            f"(transfer runs lists them). Received {str(given)!r}."
        )
    return path


def to_json(content: Any) -> str:
    """Return the text of a JSON file of a run."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _read_json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
    if not isinstance(content, dict):
        raise TypeError("it holds no object")
    return content


def versions_in(folder: Path) -> list[int]:
    """Return the numbers of the versions in a folder of exports; none if it cannot be read.

    A version is a folder with a SavedModel, called by a number as it is written: `7`, and neither `007` nor `²`.
    """
    try:
        return [int(name) for name in os.listdir(folder) if _NUMBER.fullmatch(name) and os.path.isfile(folder / name / _SAVED_MODEL)]  # noqa: PTH113
    except OSError:
        return []


def _read_trials(path: Path) -> pd.DataFrame:
    """Read the trials of a search; settings are text, as some have words and numbers."""
    numbers = {"trial": int, "value": float, "standard_error": float, "low": float, "high": float, "seconds": float}
    return read_csv(path, None).astype(numbers)


def read_manifest(path: Path) -> pd.DataFrame:
    """Read the manifest of a run, as written by `data.dataset.write`."""
    return read_csv(path, ("path", "label", "split", "group", "status", "reason", "traits", "value_range", "digest", "format"))
