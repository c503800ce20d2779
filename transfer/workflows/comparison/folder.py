"""The folder of a comparison: its file names, its lock, and `Comparison`, which reads it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.errors import RunError
from transfer.system.checksums import checksum_of_file
from transfer.system.files import require_place
from transfer.system.locks import taken_by_another
from transfer.system.sealed import read_json
from transfer.system.spreadsheet import read_csv

DEFAULT_OUTPUT = "comparisons"

SETTINGS = "config.yaml"
FACTS = "comparison.json"
RUNS = "runs.csv"
PREDICTIONS = "predictions.csv"
SUMMARY = "summary.csv"
PAIRED = "paired.csv"
REPORT = "report.html"
MANIFEST = "manifest.csv"
TUNING = "tuning.csv"
RECORDS = "runs"
STUDIES = "tuning"
RATES = "rates.json"
LOCK = ".lock"

TABLES = (RUNS, PREDICTIONS, SUMMARY, PAIRED)
CHECKSUMS = "checksums"
"""Key of `FACTS` with the checksum of each of the `TABLES`, and of `TUNING` if there is one; `FACTS` is written last."""

_TEXTS = (
    "run", "method", "size", "truncate_at", "energy_source", "method_a", "method_b", "test", "interval", "majority_class", "failed",
    "settings",
)  # fmt: skip


def require_free(folder: Path, protected: Iterable[Path]) -> None:
    """Check, before work begins, that a comparison can be written to a folder: new, empty, or of an earlier comparison.

    Args:
        folder: folder of the comparison.
        protected: paths of the user's data, where nothing may be written.

    Raises:
        OutputError: if it cannot.
    """
    expected = "a new folder, or an earlier comparison (--name), which is continued"
    require_place(folder, protected, replaces=_is_comparison, expected=expected)


def _is_comparison(folder: Path) -> bool:
    return folder.is_dir() and ((folder / RECORDS).is_dir() or not any(folder.iterdir()))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a comparison for other processes during a block.

    Raises:
        RunError: if another process is working on it.
    """
    (folder / RECORDS).mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        if other := taken_by_another(file):
            raise RunError(
                f"Another process ({other}) is working on this comparison. Wait until it has finished, or choose another "
                f"--name. Received {str(folder)!r}."
            )
        yield


def damaged(folder: Path) -> Iterator[Path]:
    """Yield the files of a comparison, without its records, that are not as they were written."""
    facts = read_json(folder / FACTS)
    if facts is None or CHECKSUMS not in facts:
        yield folder / FACTS
        return
    for name, expected in facts[CHECKSUMS].items():
        if not (folder / name).is_file() or checksum_of_file(folder / name) != expected:
            yield folder / name


class Comparison:
    """A comparison with finished runs.

    Attributes:
        path: its folder.
    """

    def __init__(self, path: Path | str) -> None:
        """Open a comparison.

        Raises:
            RunError: if the folder is not a comparison, has no finished run yet, or is damaged.
        """
        self.path = Path(path)
        if not (self.path / FACTS).is_file():
            raise RunError(
                f"There is no comparison with finished runs. Expected the folder of a comparison, such as {DEFAULT_OUTPUT}/NAME. "
                f"Received {str(path)!r}."
            )
        for wrong in damaged(self.path):
            raise RunError(
                "A file of the comparison is damaged, changed or of an earlier version. Run the same comparison again: it writes the "
                f"tables anew from its records. Received {str(wrong)!r}."
            )

    @property
    def name(self) -> str:
        """Name of the comparison."""
        return self.path.name

    @property
    def report(self) -> Path:
        """The report, an HTML page."""
        return self.path / REPORT

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Settings, versions, notes, and the paragraph."""
        return {name: value for name, value in (read_json(self.path / FACTS) or {}).items() if name != CHECKSUMS}

    @property
    def paragraph(self) -> str:
        """The findings, in words."""
        return str(self.facts["paragraph"])

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Runs that failed: `run`, `reason`. The next call of `compare` tries them again."""
        return list(self.facts["failures"])

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row per run."""
        return self._table(RUNS)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per method and size: means with 95 % intervals."""
        return self._table(SUMMARY)

    @cached_property
    def paired(self) -> pd.DataFrame:
        """One row per pair of methods and size: the difference on the same test images."""
        return self._table(PAIRED)

    @cached_property
    def tuning(self) -> pd.DataFrame:
        """One row per trial of the searches for settings (`tune: N`); empty if there was none."""
        return self._table(TUNING) if self.facts.get("tuning") else pd.DataFrame()

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per test image: path, label, and the predicted class of each run, all text."""
        return read_csv(self.path / PREDICTIONS, None)

    def _table(self, name: str) -> pd.DataFrame:
        return read_csv(self.path / name, _TEXTS)  # size 1 is text; an empty energy source is not missing, empty figures are

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from transfer.reports import notebook

        return notebook.comparison(self.name, self.summary, self.paragraph, self.failures, self.report)

    def __repr__(self) -> str:
        return f"Comparison({str(self.path)!r}, {len(self.runs)} runs)"
