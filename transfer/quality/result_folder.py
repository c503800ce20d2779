"""The folder that `transfer check` writes, atomically: the only place that knows its file names."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from transfer.errors import OutputError
from transfer.system.files import clear_up, publishing, require_place

REPORT = "report.html"
FINDINGS = "findings.json"
MANIFEST = "manifest.csv"
CONFIG = "config.yaml"
_FILES = {REPORT, FINDINGS, MANIFEST, CONFIG}


def require_free(folder: Path, protected: Iterable[Path]) -> None:
    """Check, before the work begins, that the result can be put there: in a new folder, or in place of an earlier result.

    Args:
        folder: of the result.
        protected: the user's data (`sources.own`).

    Raises:
        OutputError: where it cannot.
    """
    expected = "a new folder, or an earlier result of transfer check, which is replaced as a whole"
    require_place(folder, protected, replaces=_is_earlier_result, expected=expected)
    others = sorted({name for name in os.listdir(folder) if not name.startswith(".")} - _FILES) if folder.exists() else []
    if others:
        raise OutputError(
            "--output names an earlier result of transfer check, which is replaced as a whole, but other files lie in it: "
            f"{', '.join(others[:3])}. Move them, or choose another place. Received {str(folder)!r}."
        )


def _is_earlier_result(folder: Path) -> bool:
    return not folder.is_symlink() and (folder / FINDINGS).is_file() and (folder / REPORT).is_file()


@contextmanager
def drafting(folder: Path) -> Iterator[Path]:
    """Yield a folder to fill; publish it under its final name on success, delete it on any failure or interruption."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    clear_up(folder.parent)
    with publishing(folder) as temporary:
        yield temporary
