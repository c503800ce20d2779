"""Names of files and classes for the reports, as texts that can be shown."""

from typing import Any

import pandas as pd

from transfer.system.names import printable, shortened

__all__ = ["printable", "records", "shortened"]


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as dictionaries whose texts can be shown."""
    rows = table.to_dict("records")
    return [{str(name): printable(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows]
