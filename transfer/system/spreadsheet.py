"""Tables as CSV files that people open in a spreadsheet: any text as a cell and back again, a table as a file and back again.

Two kinds of text do not survive in a cell as they are. A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@` (also in
their full width, as `＝`), a tab or the end of a line as a formula: such a text is written with an apostrophe before it
(`'=cats`), which means "this is text" to spreadsheets and to `text` below; so is one that begins with apostrophes and then such
a character, so that it comes back too. A path gets `./` instead, and stays a path. The other kind is file names that are not
Unicode: their bytes are written as `\\udce9` (the byte E9), so that the file stays UTF-8. Numbers are numbers: `-0.5`.

Formulas: https://owasp.org/www-community/attacks/CSV_Injection.
"""

import csv
import io
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from transfer.system.files import replacing

if TYPE_CHECKING:
    import pandas as pd

_STARTS = "=+\\-@\uff1d\uff0b\uff0d\uff20\t\r\n"
_TO_GUARD = re.compile(f"'*[{_STARTS}]")
_GUARDED = re.compile(f"'+[{_STARTS}]")
_PATH_TO_GUARD = re.compile(rf"(?:\./)*[{_STARTS}]")
_PATH_GUARDED = re.compile(rf"(?:\./)+[{_STARTS}]")
_ESCAPED = re.compile(r"\\udc([0-9a-f]{2})")
_SURROGATES = re.compile("[\udc80-\udcff]")
_LOOKS_ESCAPED = re.compile(r"\\(?=udc[0-9a-f]{2})")

_MAY_CHANGE = re.compile(rf"(?:\A|\0)(?:'*|(?:\./)*)[{_STARTS}]|\\udc|[\udc80-\udcff]")
"""Found in texts joined by `\0` if one of them is written or read as another; found, too, in some that are not."""

_TOGETHER = 8192  # rows written together

_PATHS = ("path",)
"""Columns that hold paths."""


def cell(value: str) -> str:
    """Return a text as it is written into a cell; `text` is the inverse."""
    value = escaped(value)
    return "'" + value if _TO_GUARD.match(value) else value


def text(value: str) -> str:
    """Return the text that a cell stands for."""
    return unescaped(value[1:] if _GUARDED.match(value) else value)


def path_cell(path: str) -> str:
    """Return a relative path as it is written into a cell; it names the same file once `unescaped`, and `path_text` is the inverse."""
    path = escaped(path)
    return "./" + path if _PATH_TO_GUARD.match(path) else path


def path_text(value: str) -> str:
    """Return the path that a cell stands for, as it was before `path_cell`."""
    return unescaped(value[2:] if _PATH_GUARDED.match(value) else value)


def unescaped(value: str) -> str:
    """Return a text with `\\udce9` and the like turned into the bytes they stand for (in Python: surrogates)."""
    if "\\udc" not in value:
        return value
    return _ESCAPED.sub(lambda found: chr(code if (code := int(found[1], 16)) < 128 else 0xDC00 + code), value)


def escaped(value: str) -> str:
    """Return a text that UTF-8 can hold; `unescaped` is the inverse."""
    value = _LOOKS_ESCAPED.sub(r"\\udc5c", value)
    return _SURROGATES.sub(lambda found: f"\\udc{ord(found[0]) - 0xDC00:02x}", value)


def guarded(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table with all its texts, and the names of its columns, as they are written into cells."""
    return _with_texts(table, cell, path_cell)


def encoded(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table with all its texts, and the names of its columns, as UTF-8 can hold them: for files that are no spreadsheets."""
    return _with_texts(table, escaped, escaped)


def to_csv(table: "pd.DataFrame") -> str:
    """Return a table as the text of a CSV file, without its index; `read_csv` is the inverse."""
    buffer = io.StringIO()
    _write(table, buffer)
    return buffer.getvalue()


def write_csv(table: "pd.DataFrame", path: Path) -> None:
    """Write a table as a CSV file, atomically, some rows at a time; see `to_csv`."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        _write(table, file)


def _write(table: "pd.DataFrame", file: TextIO) -> None:
    # The csv module of Python 3.11 does not quote a carriage return, which readers take for the end of the row.
    columns = [table.iloc[:, place] for place in range(table.shape[1])]
    texts = [column for column in columns if not _is_number(column)]
    returns = any("\r" in str(name) for name in table) or any("\r" in _joined(column) for column in texts)
    quoting: Any = csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL
    for start in range(0, max(len(table), 1), _TOGETHER):
        some = guarded(table.iloc[start : start + _TOGETHER])
        some.to_csv(file, index=False, header=not start, quoting=quoting, lineterminator="\n")


def read_csv(path: Path, texts: Collection[str] | None) -> "pd.DataFrame":
    """Read a table written by `to_csv`.

    Args:
        texts: the columns that hold text, which stays as it was: class 01 is no number, and NA is a name. Columns that are not
            named hold numbers, and what is empty in them is missing. None: all hold text.
    """
    import pandas as pd

    # Tables of runs made before names were escaped hold bytes that are not UTF-8.
    options: Any = {"encoding": "utf-8", "keep_default_na": False, "encoding_errors": "surrogateescape"}
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        names = [text(name) for name in next(csv.reader(file))]
    kinds = {place: object for place, name in enumerate(names) if texts is None or name in texts}
    missing = {place: [""] for place in range(len(names)) if place not in kinds}
    table = pd.read_csv(path, header=0, names=list(range(len(names))), dtype=kinds, na_values=missing, **options)
    table.columns = pd.Index(names, dtype=object)
    return _with_texts(table, text, path_text, names_too=False)


def _with_texts(
    table: "pd.DataFrame", of_text: Callable[[str], str], of_path: Callable[[str], str], names_too: bool = True
) -> "pd.DataFrame":
    """Return a table with its texts changed: those of `_PATHS` by one function, all others by the other. What is no text stays."""
    import pandas as pd

    columns = []
    for place, name in enumerate(table.columns):
        column, change = table.iloc[:, place], of_path if name in _PATHS else of_text
        if not _is_number(column):
            if _MAY_CHANGE.search(_joined(column)):
                known = {value: change(value) for value in pd.unique(column) if isinstance(value, str)}
                changed = [known.get(value, value) if isinstance(value, str) else value for value in column]
                column = pd.Series(changed, table.index, dtype=object)
            column = column.astype(object)
        columns.append(column)
    names = [of_text(name) if names_too and isinstance(name, str) else name for name in table.columns]
    result = pd.concat(columns, axis=1, ignore_index=True) if columns else table.copy()
    return result.set_axis(pd.Index(names, dtype=object), axis=1)


def _is_number(column: "pd.Series[Any]") -> bool:
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column)


def _joined(column: "pd.Series[Any]") -> str:
    return "\0".join([value for value in column if isinstance(value, str)])
