"""What is to be predicted and where to, checked as far as it can be before TensorFlow takes its seconds to start."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from transfer.config import build
from transfer.data import sources
from transfer.errors import ConfigError, DataError
from transfer.runs import Run
from transfer.serving.batch import files

ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True)
class Request:
    """Files to be predicted by a run's export.

    Attributes:
        output: the table to be written, or none.
        batch_size: images given to the network at once, at most; none: as many as suit their size.
        overwrite: whether the table may replace a file.
    """

    run: Run
    files: list[str]
    output: Path | None
    batch_size: int | None
    overwrite: bool


def request(run: Run, paths: Sequence[Path], output: Path | None = None, batch_size: int | None = None, overwrite: bool = False) -> Request:
    """Check what is asked for, and list the files.

    Args:
        run: whose export is used.
        paths: images, and folders whose files are all tried.
        output: a file that ends in .csv or .parquet; none: no table is written.
        batch_size: see `Request`.
        overwrite: whether a file at `output` is replaced, once the new one is whole.

    Raises:
        ConfigError: for a batch size below 1.
        DataError: where there is no such file, none at all, or `output` cannot be.
    """
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"--batch-size: expected at least 1. Received {batch_size}.")
    if output is not None:
        folders = [path for path in paths if path.is_dir()]
        _require_place(output, [run.path, *sources.own(build([run.config]).data), *folders])
        require_free(output, overwrite)
    elif overwrite:
        raise ConfigError("--overwrite replaces the file of --output. Received no --output.")
    found = files.listed(paths)
    if output is not None and any(path.is_file() and output.exists() and path.samefile(output) for path in paths):
        raise DataError(f"--output would replace one of the files to be read. Choose another name. Received {str(output)!r}.")
    return Request(run, found, output, batch_size, overwrite)


def _require_place(output: Path, protected: Iterable[Path]) -> None:
    if output.suffix.lower() not in ENDINGS:
        raise DataError(f"--output is a table. Expected a name that ends in {' or '.join(ENDINGS)}. Received {str(output)!r}.")
    place = output.parent.resolve() / output.name
    for own in protected:
        if own.is_dir() and place.is_relative_to(own.resolve()):
            raise DataError(
                f"--output lies in a folder of images or of the run, where nothing is written. Choose another place. "
                f"Received {str(output)!r}, in {str(own)!r}."
            )
    above = next(parent for parent in output.absolute().parents if os.path.lexists(parent))
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise DataError(f"--output lies in a folder that cannot be made or written. Received {str(output)!r}.")


def require_free(output: Path, overwrite: bool) -> None:
    """Check that nothing is in the way.

    Raises:
        DataError: where something is.
    """
    if output.is_dir():
        raise DataError(f"--output is a folder. Expected the name of a file. Received {str(output)!r}.")
    if os.path.lexists(output) and not overwrite:
        raise DataError(f"The file of --output exists. Choose another name, or replace it with --overwrite. Received {str(output)!r}.")
