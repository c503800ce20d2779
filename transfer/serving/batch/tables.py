"""Answers of a run's export as a table: its rows, and the CSV or Parquet file written from them in bounded memory.

The bytes of a file depend on the rows alone. Both formats are UTF-8: `system/spreadsheet.py` says how a name that
is not Unicode is written, and how CSV cells that a spreadsheet would run as a formula are defused. Figures of files that were
not classified are empty (null).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfer.evaluation import predictions
from transfer.system import spreadsheet

FACTS = ["path", "label", "score", "ood_score", "is_ood", "error"]
"""The first columns of the table; one for each class follows."""

ARRAYS = ("probabilities", "ood_score", "is_ood", "identities")
"""The attributes of `Rows` that are arrays, in the order of its arguments."""

_GROUP = 8192  # rows in a row group of a Parquet file
_PART = 16 * _GROUP  # rows in a file of a folder of them

FOLDER = "/"
"""The kind of a table that is a folder of Parquet files; the names of others end in theirs."""

Add = Callable[[pd.DataFrame], None]


@dataclass(frozen=True)
class Rows:
    """What the export says of n files.

    Attributes:
        errors: why a file was not classified; empty if it was.
        probabilities: float32 [n, classes]; NaN if there is an error.
        ood_score: float32 [n]; NaN if there is an error.
        is_ood: bool [n]; False if there is an error.
        identities: V16 [n], of each file before it was read; see `shards.identities_of`.
    """

    errors: list[str]
    probabilities: np.ndarray
    ood_score: np.ndarray
    is_ood: np.ndarray
    identities: np.ndarray

    def __len__(self) -> int:
        return len(self.errors)

    @property
    def size(self) -> int:
        """Bytes of the arrays."""
        return sum(int(getattr(self, name).nbytes) for name in ARRAYS)

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """Concatenate the rows of at least one part."""
        errors = [error for part in parts for error in part.errors]
        return cls(errors, *(np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS))

    @classmethod
    def refused(cls, errors: Sequence[str], classes: int, identities: np.ndarray) -> "Rows":
        """Return the rows of files none of which was classified."""
        count = len(errors)
        empty = np.full((count, classes), np.nan, np.float32), np.full(count, np.nan, np.float32), np.zeros(count, bool)
        return cls(list(errors), *empty, identities)

    def taken(self, numbers: np.ndarray) -> "Rows":
        """Return some of the rows, in this order."""
        return Rows([self.errors[number] for number in numbers], *(getattr(self, name)[numbers] for name in ARRAYS))

    def table(self, paths: Sequence[str | os.PathLike[str]], labels: list[str]) -> pd.DataFrame:
        """Return path, label, score, ood_score, is_ood, error, and one column for each class.

        If a file was not classified, its label is empty, its figures are NaN, and `is_ood` is False.
        """
        good = np.array([not error for error in self.errors], bool)
        best = np.where(good, np.nan_to_num(self.probabilities, nan=-1.0).argmax(1), 0) if len(labels) else np.zeros(len(self), int)
        facts = pd.DataFrame(
            {
                "path": pd.Series([os.fspath(path) for path in paths], dtype=object),
                "label": pd.Series([labels[number] if ok else "" for number, ok in zip(best, good, strict=True)], dtype=object),
                "score": self.probabilities[np.arange(len(self)), best],
                "ood_score": self.ood_score,
                "is_ood": self.is_ood,
                "error": pd.Series(self.errors, dtype=object),
            }
        )
        return predictions.table(facts, self.probabilities, labels)


@contextmanager
def writing(place: Path, kind: str) -> Iterator[Add]:
    """Yield a function that adds rows (`Rows.table`) to a new file or folder, which is complete when the block ends.

    Args:
        place: a file is replaced if it exists; a folder must not exist.
        kind: `.csv` or `.parquet`; `FOLDER`: a folder of Parquet files, each but the last with the same number of rows.
    """
    with {".csv": _csv, FOLDER: _parts}.get(kind, _parquet)(place) as add:
        yield add


@contextmanager
def _csv(file: Path) -> Iterator[Add]:
    with file.open("w", encoding="utf-8", newline="") as opened:

        def add(table: pd.DataFrame) -> None:
            # \r\n after rows, so that cells with either of the two are quoted.
            spreadsheet.guarded(table).to_csv(opened, index=False, header=not opened.tell(), lineterminator="\r\n")

        yield add


@contextmanager
def _parquet(file: Path) -> Iterator[Add]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: Any = None
    waiting: Any = None

    def write(rows: Any) -> None:
        nonlocal writer
        if writer is None:
            writer = pq.ParquetWriter(opened, rows.schema)
        writer.write_table(rows, row_group_size=_GROUP)

    def add(table: pd.DataFrame) -> None:
        nonlocal waiting
        new = pa.Table.from_pandas(spreadsheet.encoded(table), preserve_index=False).replace_schema_metadata()
        waiting = new if waiting is None else pa.concat_tables([waiting, new])
        while waiting.num_rows >= _GROUP:
            write(waiting.slice(0, _GROUP).combine_chunks())
            waiting = waiting.slice(_GROUP)

    with file.open("wb") as opened:
        yield add
        if waiting is not None and (waiting.num_rows or writer is None):
            write(waiting.combine_chunks())
        if writer is not None:
            writer.close()


@contextmanager
def _parts(folder: Path) -> Iterator[Add]:
    folder.mkdir()
    with ExitStack() as stack:
        number, room, add_here = -1, 0, None

        def add(table: pd.DataFrame) -> None:
            nonlocal number, room, add_here
            while len(table):
                if not room:
                    stack.close()  # the part before is complete
                    number, room = number + 1, _PART
                    add_here = stack.enter_context(_parquet(folder / part_name(number)))
                assert add_here is not None
                add_here(table.iloc[:room])
                table, room = table.iloc[room:], room - min(room, len(table))

        yield add


def part_name(number: int) -> str:
    """Return the name of a file of a folder; `number` from 0."""
    return f"part-{number:06}.parquet"
