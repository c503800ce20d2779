"""What is wrong with the rows of a table, told as one line: the first such row, and how many others there are."""

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from transfer.errors import DataError


class Problems:
    """Counts what is wrong; keeps the first row of each kind only, so that a million bad rows take no memory."""

    def __init__(self, table: Path, root: Path) -> None:
        self._table, self._root = table, root
        self._first: dict[str, tuple[int, str, str]] = {}
        self._count: dict[str, int] = {}

    def add(self, row: int, rule: str, received: str) -> None:
        """Note that a row breaks a rule; rules with the same words before a comma are of one kind."""
        kind = rule.split(",")[0]
        self._first.setdefault(kind, (row, rule, received))
        self._count[kind] = self._count.get(kind, 0) + 1

    def raise_first(self) -> None:
        """Raise a DataError for the kind that came first, if there is any."""
        for kind, (row, rule, received) in self._first.items():
            others = self._count[kind] - 1
            more = f" The same holds for {others:,} other row{'' if others == 1 else 's'}." if others else ""
            place = f" Paths start in {str(self._root)!r} (data.root)." if "file does not" in kind or "leads out" in kind else ""
            raise DataError(f"Row {row} of the table {str(self._table)!r}: {rule}.{more}{place} Received {received!r}.")


def choice(value: str, names: Mapping[str, str]) -> str | None:
    """Return what a word of a fixed list means, whatever its case and the white space around it; None where it is not in it."""
    meaning = names.get(value)
    return names.get(value.strip().casefold()) if meaning is None else meaning


def alike(labels: Iterable[str]) -> list[tuple[str, str]]:
    """Return pairs of labels that look the same: only case, white space or the coding of accents differ."""
    first: dict[str, str] = {}
    pairs = []
    for label in labels:
        key = "".join(unicodedata.normalize("NFC", label).casefold().split())
        other = first.setdefault(key, label)
        if other != label:
            pairs.append((other, label))
    return pairs
