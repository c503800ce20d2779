"""Where a search keeps what it has done until its run is published: `OUTPUT/.tuning/NAME`.

A run appears whole or not at all, so the journal cannot grow inside of it. When the run is published, it holds the journal, and the
hidden folder is deleted; a search that goes on later begins with the journal of its run.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from transfer.errors import RunError
from transfer.runs import STUDY
from transfer.system.locks import taken_by_another
from transfer.workflows.tuning import journal

HIDDEN = ".tuning"
LOCK = ".lock"


@contextmanager
def locked(output: Path, name: str) -> Iterator[Path]:
    """Yield the folder of a search, locked for other processes.

    Raises:
        RunError: if another process is searching under this name.
    """
    folder = output / HIDDEN / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        if other := taken_by_another(file):
            raise RunError(
                f"Another process ({other}) is searching under this name. Wait until it has finished, or choose another --name. "
                f"Received {str(output / name)!r}."
            )
        yield folder


def begun(folder: Path, run: Path, anew: bool) -> Path:
    """Return the path of a search's journal.

    Args:
        folder: of the search, locked.
        run: folder of its run, which holds the journal if the search had ended before.
        anew: forget the search of the run.
    """
    file = folder / STUDY
    if not anew and not file.exists() and (run / STUDY).is_file():
        journal.copy(run / STUDY, file)
    return file


def end(folder: Path) -> None:
    """Delete the folder of a search whose run was published."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # other searches
        folder.parent.rmdir()
