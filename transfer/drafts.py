"""Runs that are being written, in a hidden folder: published complete under their final name, or not at all."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.errors import RunError
from transfer.runs import CONFIG, METRICS, REPORT, Run, to_json
from transfer.system import sealed
from transfer.system.files import clear_up, publishing, require_place, write_text, writer_of
from transfer.system.spreadsheet import write_csv

_LONGEST_NAME = 150  # bytes; a file name may have 255, and the draft's also contains the machine's name


class Draft(Run):
    """A run that is being written, in a hidden folder next to its final one."""

    def __init__(self, path: Path) -> None:
        self.path, self.trust = path, True  # made here

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file of the run."""
        write_text(self.path / name, to_json(content))

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a CSV file of the run; see `system.spreadsheet`."""
        write_csv(table, self.path / name)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of the run."""
        write_text(self.path / name, text)

    def write_texts(self, texts: Mapping[str, str]) -> None:
        """Write text files of the run: name -> text."""
        for name, text in texts.items():
            self.write_text(name, text)


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
    """Yield a draft; publish it under its final name on success, delete it on failure or interruption.

    Raises:
        RunError: if another process is making a run of this name.
        OutputError: as `require_free`, before the block and after it.
    """
    output.mkdir(parents=True, exist_ok=True)
    clear_up(output)
    require_free(output, name, overwrite)
    if number := writer_of(output / name):
        raise RunError(
            f"Another process (number {number}) is making a run of this name. Wait until it has finished, or choose another --name. "
            f"Received {str(output / name)!r}."
        )
    with publishing(output / name) as temporary:
        yield Draft(temporary)
        sealed.write_list(temporary, [path.name for path in temporary.iterdir() if path.is_file() and path.name != REPORT])
        require_free(output, name, overwrite)  # another process may have taken the name in the meantime
