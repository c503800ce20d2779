"""The table as a file, CSV or Parquet, written row by row in bounded memory; its bytes depend on the rows alone.

Both are UTF-8: a name that is no Unicode is written as `data/tables/spreadsheet.py` says, which also says how a cell of a CSV
that a spreadsheet would run as a formula is kept from that. Figures of files that were not classified are empty (null).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.data.sources.tables.spreadsheet import cell, escaped, path_cell

_GROUP = 8192  # rows of a group in a Parquet file

Add = Callable[[pd.DataFrame], None]


@contextmanager
def writing(file: Path, ending: str) -> Iterator[Add]:
    """Yield a function that adds rows (`Rows.table`) to a new file; it is whole when the block has ended.

    Args:
        file: replaced.
        ending: `.csv` or `.parquet`: what is written.
    """
    with (_csv if ending == ".csv" else _parquet)(file) as add:
        yield add


@contextmanager
def _csv(file: Path) -> Iterator[Add]:
    with file.open("w", encoding="utf-8", newline="") as opened:

        def add(table: pd.DataFrame) -> None:
            # \r\n after rows, so that cells with either of the two are quoted.
            _texts(table, path_cell, cell).to_csv(opened, index=False, header=not opened.tell(), lineterminator="\r\n")

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
        new = pa.Table.from_pandas(_texts(table, escaped, escaped), preserve_index=False).replace_schema_metadata()
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


def _texts(table: pd.DataFrame, of_path: Callable[[str], str], of_text: Callable[[str], str]) -> pd.DataFrame:
    """Return the table with its texts as they are written."""
    changed = {name: [write(value) for value in table[name]] for name, write in (("path", of_path), ("label", of_text), ("error", of_text))}
    table = table.set_axis(pd.Index(map(of_text, table.columns), dtype=object), axis=1)
    return table.assign(**{name: pd.Series(values, table.index, dtype=object) for name, values in changed.items()})
