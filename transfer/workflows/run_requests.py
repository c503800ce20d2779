"""Requests for a finished run (export, explain, evaluate), completed and checked before TensorFlow starts."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfer.config import Config, build, flatten
from transfer.data import sources, storage
from transfer.errors import ConfigError, DataError, OutputError, named, unknown_name
from transfer.exporters.formats import FORMATS, INT8, QUANTIZATIONS, SAVEDMODEL, SUFFIXES, require_packages
from transfer.runs import EXPORT, Run
from transfer.serving.batch.request import Paths, listed, one_or_more, require_batch_size
from transfer.serving.settings import AUTO, require_engine
from transfer.system.files import require_place
from transfer.workflows.requests import Data
from transfer.workflows.settings import with_source

DEFAULT_EXPLANATIONS = "explanations"

_OF_A_SOURCE = (
    "data.root", "data.tfds_data_dir", "data.exclude", "data.split_folders", "data.missing_files", "data.connections", "data.cache_gb",
)  # fmt: skip


@dataclass(frozen=True)
class ExportRequest:
    """An export to be made.

    Attributes:
        run: the run to be exported.
        config: configuration of the run.
        to: one of `FORMATS`.
        quantize: one of `QUANTIZATIONS`, or None: weights in float32.
        output: the file or SavedModel folder to be written.
        assert_accuracy: smallest accepted test accuracy, 0 to 1.
        max_accuracy_loss: largest accepted loss of test accuracy against the SavedModel, 0 to 1.
        calibration_images: number of training images that calibrate 8-bit values.
    """

    run: Run
    config: Config
    to: str
    quantize: str | None
    output: Path
    assert_accuracy: float
    max_accuracy_loss: float
    calibration_images: int


def export_request(
    run: Run,
    to: str,
    quantize: str | None = None,
    output: str | os.PathLike[str] | None = None,
    assert_accuracy: float | None = None,
    calibration_images: int | None = None,
    overwrite: bool = False,
    max_accuracy_loss: float | None = None,
) -> ExportRequest:
    """Return a checked request for an export; see `ExportRequest`.

    Args:
        output: None: in the run's `export/`; a SavedModel becomes the next version.
        overwrite: replace a file at `output`. The run's own file of this format is always replaced.
        max_accuracy_loss: None: `export.max_accuracy_loss` of the run's configuration.

    Raises:
        ConfigError: for invalid settings.
        ExportError: if a package is missing.
        OutputError: if `output` is taken, in the user's data, or cannot be written.
        DataError: if the data folder, whose test images are needed, does not exist.
    """
    to = _known("format", to, FORMATS)
    quantize = _known("quantization", quantize, QUANTIZATIONS) if quantize is not None else None
    if to == SAVEDMODEL and quantize:
        raise ConfigError(f"A SavedModel is not quantized: leave --quantize out, or export --to litert or onnx. Received {quantize!r}.")
    for option, fraction in (("--assert-accuracy", assert_accuracy), ("--max-accuracy-loss", max_accuracy_loss)):
        if fraction is not None and not 0 <= fraction <= 1:
            raise ConfigError(f"{option} is a fraction of the test images, from 0 to 1. Received {fraction:g}.")
    if calibration_images is not None and (quantize != INT8 or calibration_images < 1):
        raise ConfigError(f"--calibration-images must be at least 1 and needs --quantize int8. Received {calibration_images}.")
    require_packages(to, quantize)
    config = build([run.config])
    own = sources.own(config.data)
    if output is not None:
        place = Path(output).absolute()
        _require_output(place, to, overwrite, own)
    elif to == SAVEDMODEL:
        place = run.next_export
    else:
        place = run.portable(f".{quantize}{SUFFIXES[to]}" if quantize else SUFFIXES[to])
    require_place(run.path / EXPORT, own, "RUN", replaces=Path.is_dir)  # the table of exports is part of the run
    if config.data.source is None:
        raise ConfigError("The run does not name its images (data.source), which are needed to measure the export. Received None.")
    sources.require(config.data)
    loss = config.export.max_accuracy_loss if max_accuracy_loss is None else max_accuracy_loss
    images = calibration_images or config.export.calibration_images
    return ExportRequest(run, config, to, quantize, place, assert_accuracy or 0.0, loss, images)


def _known(kind: str, received: str, valid: Sequence[str]) -> str:
    found = named(received, valid)
    if found is None:
        raise ConfigError(unknown_name(kind, received, valid))
    return found


def _require_output(place: Path, to: str, overwrite: bool, protected: Sequence[Path]) -> None:
    suffix = SUFFIXES.get(to, "")
    if to != SAVEDMODEL and place.suffix != suffix:
        example = place / f"model{suffix}" if place.is_dir() else place.with_suffix(suffix)
        raise OutputError(f"The name of a file in the format {to} must end in {suffix}, such as {str(example)!r}. Received {str(place)!r}.")
    replaces = Path.is_file if overwrite and to != SAVEDMODEL else None
    expected = "a folder that does not exist yet" if to == SAVEDMODEL else "a new file, or --overwrite to replace one"
    require_place(place, protected, replaces=replaces, expected=expected)


def require_report(run: Run, other: str | os.PathLike[str] | None = None) -> None:
    """Check that the report of a run, and its metrics, can be written again.

    Args:
        other: images of other data to be measured; nothing is written among them either.

    Raises:
        OutputError: if the run is among the user's data, or cannot be written.
    """
    protected = [*sources.own(build([run.config]).data), *([Path(other)] if other is not None and not storage.is_url(other) else [])]
    require_place(run.report, protected, "RUN", replaces=Path.is_file, expected="a file")


@dataclass(frozen=True)
class ExplainRequest:
    """Images to be explained with a run.

    Attributes:
        run: its export (heat maps) and Keras model (filters, activations) are used.
        files: the images.
        folder: folder of the PNG files.
        classes: classes whose heat maps are drawn in addition to that of the most probable class.
        layers: layers whose activation maps are drawn; empty: three along the network.
    """

    run: Run
    files: tuple[storage.Root, ...]
    folder: Path
    classes: tuple[str, ...]
    layers: tuple[str, ...]


def explain_request(
    run: Run,
    paths: Paths,
    output: str | os.PathLike[str] | None = None,
    classes: Sequence[str] = (),
    layers: Sequence[str] = (),
) -> ExplainRequest:
    """Return a checked request for explanations; see `explain.explain` for the arguments.

    Raises:
        ConfigError: for an unknown class.
        DataError: if a path does not exist.
        OutputError: if the folder is among the images, or cannot be created or written.
    """
    for name in classes:
        if name not in run.labels:
            raise ConfigError(unknown_name("class", name, run.labels))
    folder = Path(output) if output is not None else Path(DEFAULT_EXPLANATIONS) / run.path.resolve().name
    named = [storage.located(path) for path in one_or_more(paths)]
    given = [path for path in named if isinstance(path, Path)]
    beside = [path.parent for path in given if path.parent.resolve() == folder.resolve()]
    protected = [*sources.own(build([run.config]).data), *(path for path in given if path.is_dir()), *beside]
    require_place(folder, protected, replaces=Path.is_dir, expected="a folder")
    return ExplainRequest(run, tuple(map(storage.located, listed(named))), folder, tuple(classes), tuple(layers))


@dataclass(frozen=True)
class EvaluateRequest:
    """Images to be judged: see `evaluate.evaluate`. `config` says where they are, and where the work runs."""

    run: Run
    config: Config
    output: Path | None
    batch_size: int | None
    compute: str


def evaluate_request(
    run: Run,
    data: Data,
    settings: Iterable[Mapping[str, Any]] = (),
    output: str | os.PathLike[str] | None = None,
    batch_size: int | None = None,
    compute: str = AUTO,
) -> EvaluateRequest:
    """Return a checked request; see `evaluate.evaluate` for the arguments and the errors."""
    require_batch_size(batch_size, "batch_size")
    require_engine(compute, "compute")
    if data is None:
        raise DataError(
            "DATA is missing: a folder with one sub-folder for each class, a table (.csv, .parquet), a .zip or .tar, or tfds:NAME."
        )
    of_source = {key.removeprefix("data."): key for key in _OF_A_SOURCE}
    layers = [flatten({of_source.get(key, key): value for key, value in layer.items()}) for layer in settings]
    for key, value in (item for layer in layers for item in layer.items()):
        if key not in _OF_A_SOURCE and not key.startswith("engine."):
            raise ConfigError(
                f"An evaluation takes no {key!r}: images are decoded and classified as the run was trained. Expected one of "
                f"{', '.join(_OF_A_SOURCE)}, or a key of engine. Received {key}={value}."
            )
    config = with_source(data, [{"data.max_megapixels": run.config["data.max_megapixels"]}, *layers])
    place = None if output is None else Path(output).absolute()
    if place is not None:
        require_place(place, [run.path, *sources.own(config.data)], expected="a new folder")
    return EvaluateRequest(run, config, place, batch_size, compute)
