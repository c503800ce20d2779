"""A checked request for batch prediction: which files, by which run, into which table. Imports no TensorFlow."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from transfer.config import build
from transfer.data import sources
from transfer.errors import ConfigError, DataError
from transfer.runs import Run

ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True)
class Request:
    """Files to be classified by a run's export.

    Attributes:
        output: the table to write, or None.
        batch_size: most images given to the network at once; None: depends on their size.
        overwrite: whether the table may replace a file.
    """

    run: Run
    files: list[str]
    output: Path | None
    batch_size: int | None
    overwrite: bool


def request(run: Run, paths: Sequence[Path], output: Path | None = None, batch_size: int | None = None, overwrite: bool = False) -> Request:
    """Check the arguments and list the files.

    Args:
        run: whose export is used.
        paths: images, or folders of which all files are tried.
        output: a file that ends in .csv or .parquet; None: no table is written.
        batch_size: see `Request`.
        overwrite: whether a file at `output` is replaced, once the new one is complete.

    Raises:
        ConfigError: if the batch size is below 1.
        DataError: if a path does not exist, there are no files, or `output` cannot be written.
    """
    require_batch_size(batch_size, "--batch-size")
    if output is not None:
        folders = [path for path in paths if path.is_dir()]
        _require_place(output, [run.path, *sources.own(build([run.config]).data), *folders])
        require_free(output, overwrite)
    elif overwrite:
        raise ConfigError("--overwrite replaces the file of --output. Received no --output.")
    found = listed(paths)
    if output is not None and any(path.is_file() and output.exists() and path.samefile(output) for path in paths):
        raise DataError(f"--output would replace one of the files to be read. Choose another name. Received {str(output)!r}.")
    return Request(run, found, output, batch_size, overwrite)


def require_batch_size(batch_size: int | None, name: str) -> None:
    """Check a batch size that may be None.

    Raises:
        ConfigError: if it is below 1.
    """
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"{name}: expected at least 1. Received {batch_size!r}.")


def listed(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the files of all paths, in order; for a folder, all files below it that are not hidden.

    Raises:
        DataError: if a path does not exist or there are no files.
    """
    files: list[str] = []
    for given in paths:
        path = Path(given)
        if path.is_dir():
            files += _below(str(path))
        elif path.exists():
            files.append(str(path))
        else:
            raise DataError(f"There is no such image or folder. Received {str(given)!r}.")
    if not files:
        raise DataError("No file was found. Expected images, or folders of images.")
    return files


def _below(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        place = "" if parent == os.curdir else parent.removeprefix("./")
        yield from (os.path.join(place, name) for name in sorted(names) if not name.startswith("."))  # noqa: PTH118 - many paths


def _require_place(output: Path, protected: Iterable[Path]) -> None:
    if output.suffix.lower() not in ENDINGS:
        raise DataError(f"--output is a table. Expected a name that ends in {' or '.join(ENDINGS)}. Received {str(output)!r}.")
    place = output.parent.resolve() / output.name
    for own in protected:
        if own.is_dir() and place.is_relative_to(own.resolve()):
            raise DataError(
                f"--output lies in a folder of images or in the run's folder, where nothing is written. Choose another place. "
                f"Received {str(output)!r}, in {str(own)!r}."
            )
    above = next(parent for parent in output.absolute().parents if os.path.lexists(parent))
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise DataError(f"The folder of --output cannot be created or written to. Received {str(output)!r}.")


def require_free(output: Path, overwrite: bool) -> None:
    """Check that the output would replace nothing unintended.

    Raises:
        DataError: if it is a folder, or a file that may not be overwritten.
    """
    if output.is_dir():
        raise DataError(f"--output is a folder. Expected the name of a file. Received {str(output)!r}.")
    if os.path.lexists(output) and not overwrite:
        raise DataError(f"The file of --output exists. Choose another name, or replace it with --overwrite. Received {str(output)!r}.")
