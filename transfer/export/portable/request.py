"""What is asked for, checked before TensorFlow takes its seconds to start: format, quantization, packages, place."""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from transfer.config import Config, build
from transfer.data import sources
from transfer.errors import ConfigError, ExportError, RunError, unknown_name
from transfer.run import EXPORT, Run

SAVEDMODEL, LITERT, ONNX = "savedmodel", "litert", "onnx"
FORMATS = (LITERT, ONNX, SAVEDMODEL)
INT8, FLOAT16 = "int8", "float16"
QUANTIZATIONS = (INT8, FLOAT16)
ENDINGS = {LITERT: ".tflite", ONNX: ".onnx"}

_LITERT, _QUANTIZER = {"ai_edge_litert": "ai-edge-litert"}, {"ai_edge_quantizer": "ai-edge-quantizer"}
_ONNX = {"onnxruntime": "onnxruntime", "tf2onnx": "tf2onnx"}


@dataclass(frozen=True)
class Request:
    """One export to be made.

    Attributes:
        run: of which.
        config: the run's own.
        to: one of `FORMATS`.
        quantize: one of `QUANTIZATIONS`, or none: weights in float32.
        output: where it will lie; none: as the next version of the run's SavedModel.
        assert_accuracy: share of the test pictures that must be right; none: whatever it is.
        calibration_pictures: training pictures from which the ranges of 8-bit values are taken.
    """

    run: Run
    config: Config
    to: str
    quantize: str | None
    output: Path | None
    assert_accuracy: float | None
    calibration_pictures: int


def request(
    run: Run,
    to: str,
    quantize: str | None = None,
    output: str | os.PathLike[str] | None = None,
    assert_accuracy: float | None = None,
    calibration_pictures: int | None = None,
    overwrite: bool = False,
) -> Request:
    """Check what is asked for; see `Request`.

    Args:
        overwrite: replace a file that is at `output`. The run's own file of this format is always replaced.

    Raises:
        ConfigError: for names and numbers that cannot be.
        ExportError: where a package is missing.
        RunError: where `output` cannot be written.
        DataError: where the data folder, whose test pictures are needed, is not there.
    """
    if to not in FORMATS:
        raise ConfigError(unknown_name("format", to, FORMATS))
    if quantize is not None and quantize not in QUANTIZATIONS:
        raise ConfigError(unknown_name("quantization", quantize, QUANTIZATIONS))
    if to == SAVEDMODEL and quantize:
        raise ConfigError(f"A SavedModel is not quantized: leave --quantize out, or export --to litert or onnx. Received {quantize!r}.")
    if assert_accuracy is not None and not 0 <= assert_accuracy <= 1:
        raise ConfigError(f"--assert-accuracy is a share of the test pictures, from 0 to 1. Received {assert_accuracy:g}.")
    if calibration_pictures is not None and (quantize != INT8 or calibration_pictures < 1):
        raise ConfigError(f"--calibration-pictures is at least 1 and goes with --quantize int8. Received {calibration_pictures}.")
    require_packages(to, quantize)
    config = build([run.config])
    place = None if output is None else Path(output).absolute()
    if place is not None:
        _require_place(place, to, overwrite, config)
    elif to != SAVEDMODEL:
        place = run.portable(f".{quantize}{ENDINGS[to]}" if quantize else ENDINGS[to])
    _require_writable(run.path / EXPORT, run.path)  # the table of exports is kept with the run
    if config.data.source is None:
        raise ConfigError("The run does not say where its pictures lie (data.source), and the export is measured on them. Received none.")
    sources.require(config.data)
    return Request(run, config, to, quantize, place, assert_accuracy, calibration_pictures or config.export.calibration_pictures)


def require_packages(to: str, quantize: str | None = None) -> None:
    """Check that what a format needs is installed.

    Raises:
        ExportError: where it is not, with the command that installs it.
    """
    needed: dict[str, str] = {LITERT: _LITERT | (_QUANTIZER if quantize == INT8 else {}), ONNX: _ONNX}.get(to, {})
    missing = [package for module, package in needed.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ExportError(
            f"The format {to} needs packages that are not installed: {', '.join(missing)}. "
            f"Install them: pip install 'keras-transfer[{to}]'"
        )


def _require_place(place: Path, to: str, overwrite: bool, config: Config) -> None:
    received = f"Received {str(place)!r}."
    ending = ENDINGS.get(to, "")
    if to == SAVEDMODEL:
        if os.path.lexists(place):
            raise RunError(f"--output of a SavedModel is a folder that does not exist yet. {received}")
    elif place.is_dir():
        raise RunError(f"--output is a file, and this is a folder. Expected a name such as {str(place / ('model' + ending))!r}. {received}")
    elif place.suffix != ending:
        raise RunError(f"The name of a file of the format {to} ends in {ending}. {received}")
    elif os.path.lexists(place) and not overwrite:
        raise RunError(f"--output exists already. Choose another name, or replace it with --overwrite. {received}")
    for own in sources.own(config.data):
        if own.is_dir() and place.resolve().is_relative_to(own.resolve()):
            raise RunError(f"--output lies in the folder of the data, where nothing is written. Choose another place. {received}")
        if place.resolve() == own.resolve():
            raise RunError(f"--output is the table of the data, which stays as it is. Choose another name. {received}")
    _require_writable(place.parent, place)


def _require_writable(folder: Path, place: Path) -> None:
    """Check the nearest folder that exists: those below it are made."""
    existing = next(parent for parent in (folder, *folder.parents) if os.path.lexists(parent))
    if not existing.is_dir():
        raise RunError(f"The folder of the output cannot be made: {str(existing)!r} is no folder. Received {str(place)!r}.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise RunError(f"The folder of the output cannot be written. Received {str(place)!r}.")
