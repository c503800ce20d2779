"""Whether an export is good enough to be published, and its line in the table."""

import os
from pathlib import Path
from typing import Any

from transfer.errors import ExportError
from transfer.exporters.formats.measure import Measured
from transfer.exporters.formats.request import Request
from transfer.exporters.formats.runtimes import Runtime
from transfer.exporters.formats.table import Entry


def require_agreement(request: Request, agrees: dict[str, float]) -> None:
    """Refuse an unquantized export that differs from the SavedModel by more than the configuration accepts.

    Args:
        request: what was asked for.
        agrees: as `measure.agreement` returns it.

    Raises:
        ExportError: where it does.
    """
    if request.quantize is not None:
        return
    settings = request.config.export
    probability = settings.tolerance_float32 if request.config.precision == "float32" else settings.tolerance_16bit
    limits = {"largest_difference": probability, "largest_difference_ood_score": settings.tolerance_ood_score}
    for name, limit in limits.items():
        if name in agrees and not agrees[name] <= limit:
            what = "a probability" if name == "largest_difference" else "the distance to the training images"
            raise ExportError(
                f"The new {request.to} export does not agree with the SavedModel: {what} differs by {agrees[name]:.2g}. "
                f"Expected at most {limit:g}. Nothing was published."
            )


def require_accuracy(request: Request, scored: dict[str, Any]) -> None:
    """Refuse an export below the accuracy asked for.

    Args:
        request: what was asked for.
        scored: as `measure.accuracy` returns it.

    Raises:
        ExportError: where it is below.
    """
    if request.assert_accuracy is not None and scored["accuracy"] < request.assert_accuracy:
        low, high = scored["accuracy_ci95"]
        raise ExportError(
            f"The {request.to} export is right on {scored['accuracy']:.3f} of {scored['images']} test images (95 %: {low:.3f} to "
            f"{high:.3f}). Expected at least {request.assert_accuracy:g} (--assert-accuracy). Nothing was published."
        )


def entry(request: Request, to: str, quantize: str | None, file: Path, size: int, facts: dict[str, Any], measured: Measured,
          runtime: Runtime, threads: int) -> Entry:  # fmt: skip
    """Return the line of one export in the table.

    Args:
        request: whose run the table belongs to.
        to, quantize: format and quantization; none: weights in float32.
        file: file or folder.
        size: of it, in bytes.
        facts: its accuracy, and its agreement with the SavedModel where it is not this itself.
        measured: its speed.
        runtime: what computed.
        threads: on how many.
    """
    return {
        "format": to, "quantization": quantize or "none", "file": _named(request, file), "bytes": size, **facts,
        "latency_ms": round(measured.latency_ms, 3), "images_per_second": round(measured.images_per_second, 2),
        "runtime": runtime.name, "threads": threads,
    }  # fmt: skip


def bytes_of(folder: Path) -> int:
    """Return the size of all files in a folder, in bytes."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _named(request: Request, path: Path) -> str:
    """Return a path for the table: within the run relative to it, so that the run can be moved."""
    place, run = path.absolute(), request.run.path.absolute()
    return os.fspath(place.relative_to(run) if place.is_relative_to(run) else place)
