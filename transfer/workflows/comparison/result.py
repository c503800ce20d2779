"""A finished (or interrupted) comparison, opened from its folder."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.errors import RunError
from transfer.workflows.comparison import folder as names

_TEXTS = ("run", "method", "size", "truncate_at", "energy_source", "method_a", "method_b", "test", "interval")


class Comparison:
    """One comparison.

    Attributes:
        path: its folder.
    """

    def __init__(self, path: Path | str) -> None:
        """Open a comparison.

        Raises:
            RunError: where the folder is none, or has no finished run yet.
        """
        self.path = Path(path)
        if not (self.path / names.FACTS).is_file():
            raise RunError(
                f"There is no comparison with finished runs. Expected the folder of one, such as {names.DEFAULT_OUTPUT}/NAME. "
                f"Received {str(path)!r}."
            )

    @property
    def name(self) -> str:
        """Name of the comparison."""
        return self.path.name

    @property
    def report(self) -> Path:
        """The page for a browser."""
        return self.path / names.REPORT

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Settings, versions, notes, the paragraph."""
        content: dict[str, Any] = json.loads((self.path / names.FACTS).read_text(encoding="utf-8"))
        return content

    @property
    def paragraph(self) -> str:
        """What was found, in words."""
        return str(self.facts["paragraph"])

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Runs that failed: `run`, `reason`. They are tried again by the next call of `compare`."""
        return list(self.facts["failures"])

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row a run."""
        return self._table(names.RUNS)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row for each method and size: means with 95 % intervals."""
        return self._table(names.SUMMARY)

    @cached_property
    def paired(self) -> pd.DataFrame:
        """One row for each pair of methods and size: the difference on the same test images."""
        return self._table(names.PAIRED)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row a test image: path, label, and the predicted class of each run, all text."""
        path = self.path / names.PREDICTIONS
        return pd.read_csv(path, dtype=object, keep_default_na=False, encoding="utf-8", encoding_errors="surrogateescape")

    def _table(self, name: str) -> pd.DataFrame:
        # A size called 1 is text, and an empty source is no missing value; figures that are missing are.
        table = pd.read_csv(self.path / name, dtype=dict.fromkeys(_TEXTS, object), keep_default_na=False, na_values={"energy_wh": [""]})
        return table

    def __repr__(self) -> str:
        return f"Comparison({str(self.path)!r}, {len(self.runs)} runs)"
