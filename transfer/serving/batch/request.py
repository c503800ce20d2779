"""A checked request for batch prediction: which files, by which run, into which table. Imports no TensorFlow."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from transfer.config import build
from transfer.data import sources
from transfer.data.sources import left_out
from transfer.data.storage import RemotePath, located
from transfer.errors import ConfigError, DataError, OutputError
from transfer.runs import Run
from transfer.serving.settings import AUTO, require_engine
from transfer.system.files import require_place

ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True)
class PredictRequest:
    """Files to be classified by a run's export.

    Attributes:
        output: the table to write, or None.
        batch_size: most images given to the network at once; None: depends on their size.
        overwrite: whether the table may replace a file.
        compute: the engine: auto, tensorflow or openvino.
    """

    run: Run
    files: list[str]
    output: Path | None
    batch_size: int | None
    overwrite: bool
    compute: str


def predict_request(
    run: Run,
    paths: Sequence[Path],
    output: Path | None = None,
    batch_size: int | None = None,
    overwrite: bool = False,
    compute: str = AUTO,
) -> PredictRequest:
    """Check the arguments and list the files.

    Args:
        run: whose export is used.
        paths: images, or folders of which all files are tried.
        output: a file that ends in .csv or .parquet; None: no table is written.
        batch_size: see `PredictRequest`.
        overwrite: whether a file at `output` is replaced, once the new one is complete.
        compute: see `PredictRequest`.

    Raises:
        ConfigError: if the batch size is below 1, or there is no such engine.
        DataError: if a path does not exist, or there are no files.
        EngineError: if OpenVINO is asked for and not installed, or is of another version.
        OutputError: if `output` is taken, among the images, or cannot be written.
    """
    require_batch_size(batch_size, "--batch-size")
    require_engine(compute, "--compute")
    if output is not None:
        if output.suffix.lower() not in ENDINGS:
            raise OutputError(f"--output is a table. Expected a name that ends in {' or '.join(ENDINGS)}. Received {str(output)!r}.")
        require_free(output, overwrite, [run.path, *sources.own(build([run.config]).data), *paths])
    elif overwrite:
        raise ConfigError("--overwrite replaces the file of --output. Received no --output.")
    return PredictRequest(run, listed(paths), output, batch_size, overwrite, compute)


def require_batch_size(batch_size: int | None, name: str) -> None:
    """Check a batch size that may be None.

    Raises:
        ConfigError: if it is below 1.
    """
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"{name}: expected at least 1. Received {batch_size!r}.")


def listed(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the files of all paths, in order; for a folder, all files below it except for hidden ones and what systems leave.

    Raises:
        DataError: if a path does not exist or there are no files.
    """
    files: list[str] = []
    for given in paths:
        path = located(given)
        if isinstance(path, RemotePath):
            files += sources.objects(path)
        elif path.is_dir():
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
        folders[:] = sorted(name for name in folders if not left_out.by_name(name, is_folder=True))
        place = "" if parent == os.curdir else parent.removeprefix("./")
        yield from (os.path.join(place, name) for name in sorted(names) if not left_out.by_name(name, is_folder=False))  # noqa: PTH118 - many paths


def require_free(output: Path, overwrite: bool, protected: Iterable[Path] = ()) -> None:
    """Check that the output would replace nothing unintended; see `require_place`."""
    expected = "the name of a file" if overwrite else "another name, or --overwrite to replace a file"
    require_place(output, protected, replaces=Path.is_file if overwrite else None, expected=expected)
