"""The folder that `transfer check` writes, atomically: the only place that knows its file names."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from transfer.errors import DataError
from transfer.system.files import clear_up, publishing

REPORT = "report.html"
FINDINGS = "findings.json"
MANIFEST = "manifest.csv"
CONFIG = "config.yaml"
_FILES = {REPORT, FINDINGS, MANIFEST, CONFIG}


def require_free(folder: Path, protected: Iterable[Path]) -> None:
    """Check, before the work begins, that the result can be put there: in a new folder, or in place of an earlier result.

    Args:
        folder: where the result is to lie.
        protected: what belongs to the user (`sources.own`): nothing is written into these folders.

    Raises:
        DataError: where it cannot.
    """
    place = folder.resolve()
    if any(place.is_relative_to(own.resolve()) for own in protected):
        raise DataError(f"--output lies in the data folder, which is never written to. Choose another place. Received {str(folder)!r}.")
    earlier = not folder.is_symlink() and (folder / FINDINGS).is_file() and (folder / REPORT).is_file()
    if os.path.lexists(folder) and not earlier:
        raise DataError(f"--output names a new folder, or an earlier result of transfer check. Received {str(folder)!r}.")
    others = sorted({name for name in os.listdir(folder) if not name.startswith(".")} - _FILES) if earlier else []
    if others:
        raise DataError(
            "--output names an earlier result of transfer check, which is replaced as a whole, but other files lie in it: "
            f"{', '.join(others[:3])}. Move them, or choose another place. Received {str(folder)!r}."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"The folder for the result cannot be made: {error.strerror}. Received {str(folder)!r}.") from None
    if not os.access(folder.parent, os.W_OK):
        raise DataError(f"The folder for the result cannot be written. Received {str(folder.parent)!r}.")


@contextmanager
def drafting(folder: Path) -> Iterator[Path]:
    """Yield a folder to fill; publish it under its final name on success, delete it on any failure or interruption."""
    clear_up(folder.parent)
    with publishing(folder) as temporary:
        yield temporary
