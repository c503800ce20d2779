"""What `transfer export` is to do, checked before TensorFlow starts: format, quantization, packages, place."""

import os
from dataclasses import dataclass
from pathlib import Path

from transfer.config import Config, build
from transfer.data import sources
from transfer.errors import ConfigError, RunError, unknown_name
from transfer.exporters.formats import FORMATS, INT8, QUANTIZATIONS, SAVEDMODEL, SUFFIXES, require_packages
from transfer.runs import EXPORT, Run


@dataclass(frozen=True)
class ExportRequest:
    """One export to be made.

    Attributes:
        run: what is exported.
        config: of the run.
        to: one of `FORMATS`.
        quantize: one of `QUANTIZATIONS`, or None: weights in float32.
        output: the file or SavedModel folder to be written.
        assert_accuracy: smallest accepted test accuracy, 0 to 1.
        calibration_images: number of training images from which the ranges of 8-bit values are taken.
    """

    run: Run
    config: Config
    to: str
    quantize: str | None
    output: Path
    assert_accuracy: float
    calibration_images: int


def export_request(
    run: Run,
    to: str,
    quantize: str | None = None,
    output: str | os.PathLike[str] | None = None,
    assert_accuracy: float | None = None,
    calibration_images: int | None = None,
    overwrite: bool = False,
) -> ExportRequest:
    """Check what is asked for; see `ExportRequest`.

    Args:
        output: None: in the run's `export/`, for a SavedModel as the next version.
        overwrite: replace a file at `output`. The run's own file of this format is always replaced.

    Raises:
        ConfigError: for invalid names and numbers.
        ExportError: if a package is missing.
        RunError: if `output` cannot be written.
        DataError: if the data folder, whose test images are needed, does not exist.
    """
    if to not in FORMATS:
        raise ConfigError(unknown_name("format", to, FORMATS))
    if quantize is not None and quantize not in QUANTIZATIONS:
        raise ConfigError(unknown_name("quantization", quantize, QUANTIZATIONS))
    if to == SAVEDMODEL and quantize:
        raise ConfigError(f"A SavedModel is not quantized: leave --quantize out, or export --to litert or onnx. Received {quantize!r}.")
    if assert_accuracy is not None and not 0 <= assert_accuracy <= 1:
        raise ConfigError(f"--assert-accuracy is a share of the test images, from 0 to 1. Received {assert_accuracy:g}.")
    if calibration_images is not None and (quantize != INT8 or calibration_images < 1):
        raise ConfigError(f"--calibration-images must be at least 1 and needs --quantize int8. Received {calibration_images}.")
    require_packages(to, quantize)
    config = build([run.config])
    if output is not None:
        place = Path(output).absolute()
        _require_place(place, to, overwrite, config)
    elif to == SAVEDMODEL:
        place = run.path / EXPORT / str(int(run.export.name) + 1)
    else:
        place = run.portable(f".{quantize}{SUFFIXES[to]}" if quantize else SUFFIXES[to])
    _require_writable(run.path / EXPORT, run.path)  # the table of exports is kept with the run
    if config.data.source is None:
        raise ConfigError("The run does not name its images (data.source), which are needed to measure the export. Received None.")
    sources.require(config.data)
    return ExportRequest(run, config, to, quantize, place, assert_accuracy or 0.0, calibration_images or config.export.calibration_images)


def _require_place(place: Path, to: str, overwrite: bool, config: Config) -> None:
    received = f"Received {str(place)!r}."
    suffix = SUFFIXES.get(to, "")
    if to == SAVEDMODEL:
        if os.path.lexists(place):
            raise RunError(f"--output of a SavedModel must be a folder that does not exist yet. {received}")
    elif place.is_dir():
        raise RunError(
            f"--output must be a file; this is a folder. Expected a name such as {str(place / ('model' + suffix))!r}. {received}"
        )
    elif place.suffix != suffix:
        raise RunError(f"The name of a file of the format {to} ends in {suffix}. {received}")
    elif os.path.lexists(place) and not overwrite:
        raise RunError(f"--output exists already. Choose another name, or replace it with --overwrite. {received}")
    for own in sources.own(config.data):
        if own.is_dir() and place.resolve().is_relative_to(own.resolve()):
            raise RunError(f"--output is inside the folder of the data, where nothing is written. Choose another place. {received}")
        if place.resolve() == own.resolve():
            raise RunError(f"--output is the table of the data, which is never changed. Choose another name. {received}")
    _require_writable(place.parent, place)


def _require_writable(folder: Path, place: Path) -> None:
    """Check the nearest folder that exists; those below it are created later."""
    existing = next(parent for parent in (folder, *folder.parents) if os.path.lexists(parent))
    if not existing.is_dir():
        raise RunError(f"The folder for the output cannot be created: {str(existing)!r} is not a folder. Received {str(place)!r}.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise RunError(f"The folder for the output is not writable. Received {str(place)!r}.")
