"""A comparison's folder: the only place that knows its file names, and that one process at a time works in it."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from transfer.errors import RunError
from transfer.system.files import taken_by_another

DEFAULT_OUTPUT = "comparisons"

SETTINGS = "config.yaml"
FACTS = "comparison.json"
RUNS = "runs.csv"
PREDICTIONS = "predictions.csv"
SUMMARY = "summary.csv"
PAIRED = "paired.csv"
REPORT = "report.html"
MANIFEST = "manifest.csv"
RECORDS = "runs"
RATES = "rates.json"
LOCK = ".lock"


def require_free(folder: Path, protected: Iterable[Path]) -> None:
    """Check, before the work begins, that a comparison can lie there: in a new folder, an empty one, or an earlier comparison's.

    Args:
        folder: where it is to lie.
        protected: what belongs to the user: nothing is written into these folders.

    Raises:
        RunError: where it cannot.
    """
    place = folder.resolve()
    if any(place.is_relative_to(own.resolve()) for own in protected):
        raise RunError(f"--output lies in the data folder, which is never written to. Choose another place. Received {str(folder)!r}.")
    if os.path.lexists(folder) and not _is_comparison(folder):
        raise RunError(f"--name names a new folder, or an earlier comparison, which is continued. Received {str(folder)!r}.")
    try:
        (folder / RECORDS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"The folder of the comparison cannot be made: {error.strerror}. Received {str(folder)!r}.") from None
    if not os.access(folder / RECORDS, os.W_OK):
        raise RunError(f"The folder of the comparison cannot be written. Received {str(folder)!r}.")


def _is_comparison(folder: Path) -> bool:
    return folder.is_dir() and ((folder / RECORDS).is_dir() or not any(folder.iterdir()))


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes out of a comparison for as long as the block lasts.

    Raises:
        RunError: where another process is at work.
    """
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        if other := taken_by_another(file):
            raise RunError(
                f"Another process ({other}) works on this comparison. Wait until it has finished, or choose another "
                f"--name. Received {str(folder)!r}."
            )
        yield
