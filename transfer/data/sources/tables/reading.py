"""CSV and Parquet files -> rows of text, one by one: a large table takes no more memory than a small one.

CSV is UTF-8 with or without a byte order mark, separated by commas, semicolons or tabs, whichever the first line uses. Rows
are numbered as in a spreadsheet: the names of the columns are row 1. Rows without any text are skipped.
"""

import csv
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from transfer.data.storage import Root
from transfer.errors import DataError
from transfer.system import spreadsheet

if TYPE_CHECKING:
    import pyarrow

SUFFIXES = (".csv", ".tsv", ".parquet")
_SEPARATORS = (",", ";", "\t")
_ADVICE = "Save it as CSV in UTF-8"
_BATCH = 16_384  # rows of a Parquet file in memory at once


def is_table(source: str | os.PathLike[str]) -> bool:
    """Return whether a source has the name of a table and is not a folder."""
    return Path(source).suffix.lower() in SUFFIXES and not os.path.isdir(source)


def columns(path: Root) -> list[str]:
    """Return the names of the columns in order, without white space around them.

    Raises:
        DataError: if the table does not exist, cannot be read, or has two columns of one name.
    """
    _require_file(path)
    names = _parquet_names(path) if _is_parquet(path) else _header(path)[1]
    double = sorted({name for name in names if name and names.count(name) > 1})
    if double:
        raise DataError(f"The columns of a table must have different names. Received {double[0]!r} more than once in {str(path)!r}.")
    return names


def rows(path: Root, names: Sequence[str | None]) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each row and its cells in the named columns; a column None gives empty cells.

    Raises:
        DataError: if the table is damaged or not UTF-8, or a row has too many or too few cells, with the row.
    """
    where = columns(path)
    places = [None if name is None else where.index(name) for name in names]
    return _parquet_rows(path, places) if _is_parquet(path) else _csv_rows(path, places, len(where))


def _is_parquet(path: Root) -> bool:
    return path.suffix.lower() == ".parquet"


def _require_file(path: Root) -> None:
    try:
        if isinstance(path, Path) and not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would wait for ever
            raise DataError(f"A table is a file. Received {str(path)!r}.")
        with path.open("rb"):
            pass
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a name that no file can have
        raise DataError(f"The table does not exist. Expected a file (.csv, .tsv, .parquet). Received {str(path)!r}.") from None
    except OSError as error:
        raise DataError(f"The table cannot be read: {error.strerror}. Received {str(path)!r}.") from None


def _header(path: Root) -> tuple[str, list[str], bool]:
    """Return the separator, the names of the columns, and whether to skip the spaces after separators.

    The separator is the one that gives the most columns, with `path` and `label` among them if possible.
    """
    found = []
    for separator in _SEPARATORS:
        # Not strict: quoting for one separator looks broken with the others.
        row = next(_records(path, separator, False, strict=False), (1, []))[1]
        names = [name.strip() for name in row]
        found.append(({"path", "label"} <= {name.casefold() for name in names}, len(names), separator, names, row))
    _, count, separator, names, row = max(found, key=lambda item: item[:2])
    if not any(names):
        raise DataError(f"The table is empty. Expected a first row with the names of its columns, path and label. Received {str(path)!r}.")
    if any("\0" in name for name in names):
        raise DataError(f"The table is not UTF-8 text: its first row holds NUL bytes, as UTF-16 does. {_ADVICE}. Received {str(path)!r}.")
    return separator, names, count > 1 and all(name.startswith(" ") for name in row[1:])


def _records(path: Root, separator: str, skip_blanks: bool, strict: bool = True) -> Iterator[tuple[int, list[str]]]:
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.reader(file, delimiter=separator, skipinitialspace=skip_blanks, strict=strict):
                number += 1
                yield number, row
    except UnicodeDecodeError:
        raise _not_utf8(path, separator) from None
    except csv.Error as error:
        raise DataError(f"The table is broken in row {number + 1}: {_csv_fault(str(error))}. Received {str(path)!r}.") from None
    except OSError as error:
        raise DataError(f"The table cannot be read: {error.strerror}. Received {str(path)!r}.") from None


def _csv_fault(message: str) -> str:
    if "unexpected end" in message or "field limit" in message:
        longer = f", or it is longer than {csv.field_size_limit():,} characters" * ("field limit" in message)
        return f"a quotation mark opens a cell and nothing closes it{longer}"
    return "a quotation mark inside a cell is not doubled" if "expected after" in message else message


def _not_utf8(path: Root, separator: str) -> DataError:
    """Return the error with the row and the byte that are not UTF-8."""
    with path.open("rb") as binary:
        start = binary.read(4)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return DataError(f"The table is UTF-16, not UTF-8. {_ADVICE}. Received {str(path)!r}.")
    place, byte = 1, 0
    with path.open(encoding="utf-8-sig", newline="", errors="surrogateescape") as file, suppress(csv.Error):
        for number, row in enumerate(csv.reader(file, delimiter=separator), 1):
            foreign = [ord(letter) - 0xDC00 for item in row for letter in item if "\udc80" <= letter <= "\udcff"]
            if foreign:
                place, byte = number, foreign[0]
                break
    return DataError(
        f"The table is not UTF-8 text: row {place} holds the byte 0x{byte:02X}, as other encodings (Latin-1, Windows) do. "
        f"{_ADVICE}. Received {str(path)!r}."
    )


def _csv_rows(path: Root, places: Sequence[int | None], width: int) -> Iterator[tuple[int, list[str]]]:
    separator, _, skip_blanks = _header(path)
    records = _records(path, separator, skip_blanks)
    next(records)
    for number, row in records:
        if not any(row):
            continue
        if len(row) != width:
            found = f"{len(row)} cell{'' if len(row) == 1 else 's'}"
            raise DataError(
                f"Row {number} of the table has {found}, its first row has {width}. Put cells that hold the separator "
                f"{separator!r} in quotation marks. Received {str(path)!r}."
            )
        yield number, ["" if place is None else row[place] for place in places]


@contextmanager
def _parquet(path: Root) -> Iterator["pyarrow.parquet.ParquetFile"]:
    import pyarrow
    import pyarrow.parquet

    with path.open("rb") as opened:  # by Python: pyarrow refuses names that are not Unicode
        try:
            file = pyarrow.parquet.ParquetFile(opened)
        except (pyarrow.ArrowException, OSError) as error:
            raise _broken_parquet(path, error) from None
        yield file


def _parquet_names(path: Root) -> list[str]:
    with _parquet(path) as file:
        return [str(name).strip() for name in file.schema_arrow.names]


def _broken_parquet(path: Root, error: Exception) -> DataError:
    return DataError(f"The table is not a complete Parquet file: {' '.join(str(error).split())[:200]}. Received {str(path)!r}.")


def _parquet_rows(path: Root, places: Sequence[int | None]) -> Iterator[tuple[int, list[str]]]:
    import pyarrow

    number = 1
    with _parquet(path) as file:
        names = file.schema_arrow.names
        wanted = [None if place is None else names[place] for place in places]
        for name in wanted:
            if name is not None:
                _require_plain(path, name, file.schema_arrow.field(name).type)
        try:
            for batch in file.iter_batches(_BATCH, columns=[name for name in wanted if name is not None]):
                taken = [
                    [""] * len(batch) if name is None else [_text(value) for value in batch.column(name).to_pylist()] for name in wanted
                ]
                for row in zip(*taken, strict=True):
                    number += 1
                    if any(row):
                        yield number, list(row)
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _broken_parquet(path, error) from None


def _require_plain(path: Root, name: str, kind: "pyarrow.DataType") -> None:
    import pyarrow.types as types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    tests = (types.is_string, types.is_large_string, types.is_string_view, types.is_integer, types.is_floating, types.is_boolean)
    if not any(test(kind) for test in (*tests, types.is_null)):
        raise DataError(f"Column {name!r} of the table holds {kind}. Expected text or numbers. Received {str(path)!r}.")


def _text(value: object) -> str:
    """Return a value of a Parquet file as text; pandas writes whole numbers beside empty cells as 1.0, which is text `1`."""
    if isinstance(value, str):
        return value
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def plain(path: Root, value: str) -> str:
    """Return the text that a cell of this table stands for: cells of CSV files are written for spreadsheets."""
    return value if _is_parquet(path) else spreadsheet.text(value)
