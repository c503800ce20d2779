"""The run folder: the only place that knows its file names. A run is published complete or not at all."""

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.errors import RunError
from transfer.system.files import clear_up, publishing, require_place, write_text

DEFAULT_OUTPUT = "saved_models"

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
MANIFEST = "manifest.csv"
HISTORY = "history.csv"
METRICS = "metrics.json"
PREDICTIONS = "predictions.csv"
CUT_POINTS = "cut_points.csv"
MODEL = "model.keras"
EXPORT = "export"
REPORT = "report.html"
FINDINGS = "findings.json"
EXPORTS = "exports.json"
OOD_REFERENCE = "ood_reference.npz"
LABELS = "labels.txt"

TRUST_IT = "If you trust whoever made the run, add --trust (in Python: Run(path, trust=True))."
"""The way out, for errors about files of a run that could do more than they should."""

_LONGEST_NAME = 150  # bytes; a file name may have 255, and the draft's also contains the machine's name

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

    def __init__(self, path: Path | str, trust: bool = False) -> None:
        """Open a run.

        Raises:
            RunError: if the folder is not a run.
        """
        self.path, self.trust = Path(path), trust
        if not self.path.is_dir():
            raise RunError(f"There is no such run. Expected the folder of a run, such as {DEFAULT_OUTPUT}/NAME. Received {str(path)!r}.")
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
        versions = [path for path in (self.path / EXPORT).iterdir() if path.name.isdigit()]
        if not versions:
            raise RunError(f"The run has no export. Received {str(self.path)!r}.")
        return max(versions, key=lambda path: int(path.name))

    def portable(self, ending: str) -> Path:
        """Return the path of the single-file export with this ending, for example `.int8.tflite`."""
        return self.path / EXPORT / f"{self.path.resolve().name}{ending}"

    @property
    def report(self) -> Path:
        """The report, an HTML page."""
        return self.path / REPORT

    @property
    def ood_reference(self) -> Path:
        """The training images that new images are compared with; see `evaluation.ood.Reference`."""
        return self.path / OOD_REFERENCE

    @property
    def model(self) -> Path:
        """The joined Keras model, `.keras`."""
        return self.path / MODEL

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, as dotted keys."""
        from transfer.config import read_yaml

        return read_yaml(self.path / CONFIG)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Validation and test metrics, timing, and the agreement of the export with the trained model."""
        result: dict[str, Any] = json.loads((self.path / METRICS).read_text(encoding="utf-8", errors="surrogateescape"))
        return result

    @cached_property
    def environment(self) -> dict[str, Any]:
        """Package versions, and the machine."""
        result: dict[str, Any] = json.loads((self.path / ENVIRONMENT).read_text(encoding="utf-8"))
        return result

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch."""
        return pd.read_csv(self.path / HISTORY)

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """One row per file seen."""
        return read_manifest(self.path / MANIFEST)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per validation or test image."""
        return _read_table(self.path / PREDICTIONS, ("path", "split", "label", "predicted"))

    @cached_property
    def cut_points(self) -> pd.DataFrame | None:
        """The table of `truncate_at: auto`; None if the cut point was given."""
        path = self.path / CUT_POINTS
        return pd.read_csv(path) if path.exists() else None

    @property
    def labels(self) -> list[str]:
        """Class names, in the order of the model's outputs."""
        return list(self.metrics["test"]["per_class"])

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, test accuracy {self.metrics['test']['accuracy']:.3f})"


def read_manifest(path: Path) -> pd.DataFrame:
    """Read the manifest of a run, as written by `data.dataset.write`."""
    return _read_table(path, ("path", "label", "split", "group", "status", "reason", "traits", "value_range", "digest", "format"))


def _read_table(path: Path, texts: tuple[str, ...]) -> pd.DataFrame:
    """Read a CSV file, keeping the columns `texts` as text: class 01 is not a number, and file names need not be valid Unicode."""
    options: Any = {"encoding": "utf-8", "keep_default_na": False, "encoding_errors": "surrogateescape"}
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        columns = next(csv.reader(file))
    kinds = {number: object for number, name in enumerate(columns) if name in texts}
    table = pd.read_csv(path, header=0, names=list(range(len(columns))), dtype=kinds, **options)
    table.columns = pd.Index(columns, dtype=object)
    return table


class Draft(Run):
    """A run that is being written, in a hidden folder next to its final one."""

    def __init__(self, path: Path) -> None:
        self.path, self.trust = path, True  # made here

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file of the run."""
        write_text(self.path / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a CSV file of the run."""
        write_text(self.path / name, table.to_csv(index=False, lineterminator="\n"))

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of the run."""
        write_text(self.path / name, text)


def require_name(name: str) -> None:
    """Check that this is a valid name for a run or a comparison.

    Raises:
        RunError: if it cannot be the name of a folder.
    """
    if not name or name.startswith(".") or re.search(r"[/\\\0\n\r]", name) or len(os.fsencode(name)) > _LONGEST_NAME:
        raise RunError(f"--name must be a folder name: no slashes, no leading dot, at most {_LONGEST_NAME} bytes. Received {name!r}.")


def require_free(output: Path, name: str, overwrite: bool, protected: Iterable[Path] = ()) -> None:
    """Check, before work begins, that a run can be published under this name.

    Args:
        output, name: the run's folder is `output/name`.
        overwrite: whether an existing run may be replaced.
        protected: paths of the user's data, where nothing may be written.

    Raises:
        RunError: if it cannot be the name of a folder.
        OutputError: if the folder is taken, or cannot be created or written.
    """
    require_name(name)
    expected = "a run, which --overwrite replaces" if overwrite else "a name that is not taken (--name), or --overwrite to replace a run"
    require_place(output / name, protected, "--output", _is_run if overwrite else None, expected)


def _is_run(path: Path) -> bool:
    return not path.is_symlink() and (path / CONFIG).is_file() and (path / METRICS).is_file()


@contextmanager
def drafting(output: Path, name: str, overwrite: bool = False) -> Iterator[Draft]:
    """Yield a draft; publish it under its final name on success, delete it on failure or interruption."""
    output.mkdir(parents=True, exist_ok=True)
    clear_up(output)
    require_free(output, name, overwrite)
    with publishing(output / name) as temporary:
        yield Draft(temporary)
        require_free(output, name, overwrite)  # another process may have taken the name in the meantime
