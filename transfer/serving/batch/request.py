"""A checked request for batch prediction: which files, by which run, into which table. Imports no TensorFlow."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from transfer import engines
from transfer.config import Config, EngineConfig, build, flatten, keys
from transfer.data import sources
from transfer.data.sources import left_out
from transfer.data.storage import RemotePath, is_url, located
from transfer.errors import ConfigError, DataError
from transfer.runs import Run
from transfer.serving.batch.outputs import Output
from transfer.serving.settings import AUTO, require_engine

Paths: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
"""Images or folders of images, or a single one."""

_CONNECTIONS = "data.connections"


@dataclass(frozen=True)
class PredictRequest:
    """Files to be classified by a run's export.

    Attributes:
        output: the table to write, or None.
        batch_size: most images given to the network at once; None: depends on their size.
        overwrite: whether the table may replace a file.
        compute: the library that computes: auto, tensorflow or openvino.
        engine: where the work runs.
        known: of the files that are objects, what changes when they do.
        connections: requests at once to object storage.
    """

    run: Run
    files: list[str]
    output: Output | None
    batch_size: int | None
    overwrite: bool
    compute: str
    engine: EngineConfig
    known: Mapping[str, tuple[int, int, int, int]]
    connections: int


def predict_request(
    run: Run,
    paths: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None = None,
    batch_size: int | None = None,
    overwrite: bool = False,
    compute: str = AUTO,
    settings: Iterable[Mapping[str, Any]] = (),
) -> PredictRequest:
    """Check the arguments and list the files.

    Args:
        run: whose export is used.
        paths: images, or folders of which all files are tried.
        output: a file that ends in .csv or .parquet, or a folder, whose name ends in /; None: no table is written.
        batch_size: see `PredictRequest`.
        overwrite: whether a file at `output` is replaced, once the new one is complete.
        compute: see `PredictRequest`.
        settings: layers of the configuration; see `config_of`.

    Raises:
        ConfigError: if the batch size is below 1, there is no such engine, or a setting is none of the engine's.
        DataError: if a path does not exist, or there are no files.
        EngineError: if OpenVINO or Ray is asked for and not installed, or is of another version.
        OutputError: if `output` is taken, among the images, or cannot be written.
    """
    require_batch_size(batch_size, "--batch-size")
    require_engine(compute, "--compute")
    config = config_of(settings)
    table = None if output is None else Output.of(output)
    if table:
        data = build([run.config]).data
        table.require_free(overwrite, [run.path, *sources.own(data), *filter(is_url, filter(None, (data.source, data.root))), *paths])
    elif overwrite:
        raise ConfigError("--overwrite replaces the file of --output. Received no --output.")
    files, known = identified(paths)
    return PredictRequest(run, files, table, batch_size, overwrite, compute, config.engine, known, config.data.connections)


def config_of(settings: Iterable[Mapping[str, Any]]) -> Config:
    """Return where and how the work runs; what it needs is installed.

    Args:
        settings: layers of the configuration, with keys of the section `engine` and `data.connections`: all others are those of the run.

    Raises:
        ConfigError: for another key, or a value that is not allowed.
        EngineError: if the engine's package is not installed.
    """
    layers = [flatten(layer) for layer in settings]
    for key, value in (item for layer in layers for item in layer.items()):
        if not (key == _CONNECTIONS or key.startswith("engine.")):
            own = [name for name in keys() if name.startswith("engine.")]
            raise ConfigError(
                f"A prediction takes no {key!r}: it is computed as the run was trained, and reads each image once. "
                f"Expected one of {', '.join([*own, _CONNECTIONS])}. Received {key}={value}."
            )
    found = build(layers)
    engines.require(found.engine)
    return found


def require_batch_size(batch_size: int | None, name: str) -> None:
    """Check a batch size that may be None.

    Raises:
        ConfigError: if it is below 1.
    """
    if batch_size is not None and batch_size < 1:
        raise ConfigError(f"{name}: expected at least 1. Received {batch_size!r}.")


def one_or_more(paths: Paths) -> Iterable[str | os.PathLike[str]]:
    """Return paths, also of a single one: the letters of a text would otherwise be taken for paths."""
    return [paths] if isinstance(paths, str | os.PathLike) else paths


def listed(paths: Paths) -> list[str]:
    """Return the files of all paths; see `identified`."""
    return identified(paths)[0]


def identified(paths: Paths) -> tuple[list[str], dict[str, tuple[int, int, int, int]]]:
    """Return the files of all paths, in order; for a folder, all files below it except for hidden ones and what systems leave.

    A single path may stand for a list of one. Of objects also what changes when they do (`storage.Object`), which their folders list.

    Raises:
        DataError: if a path does not exist or there are no files.
    """
    files: list[str] = []
    known: dict[str, tuple[int, int, int, int]] = {}
    for given in one_or_more(paths):
        path = located(given)
        if isinstance(path, RemotePath):
            found = sources.objects(path)
            files += found
            known |= found
        elif path.is_dir():
            files += _below(str(path))
        elif path.exists():
            files.append(str(path))
        else:
            raise DataError(f"There is no such image or folder. Received {str(given)!r}.")
    if not files:
        raise DataError("No file was found. Expected images, or folders of images.")
    return files, known


def _below(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not left_out.by_name(name, is_folder=True))
        place = "" if parent == os.curdir else parent.removeprefix("./")
        yield from (os.path.join(place, name) for name in sorted(names) if not left_out.by_name(name, is_folder=False))  # noqa: PTH118 - many paths
