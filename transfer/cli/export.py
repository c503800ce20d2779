"""`transfer export`: a run in another format."""

from pathlib import Path
from typing import Annotated, Any

import typer

from transfer.cli import options
from transfer.cli.console import show

_TO = typer.Option(metavar="litert|onnx|savedmodel", help="The format.")
_QUANTIZE = typer.Option(metavar="int8|float16", help="Quantize for a smaller file: 8-bit integers, or 16-bit weights.")
_ASSERT = typer.Option("--assert-accuracy", metavar="X", help="Fail if the test accuracy is below X, 0 to 1.")
_LOSS = typer.Option(
    "--max-accuracy-loss",
    metavar="X",
    help="Largest accepted loss of test accuracy against the SavedModel, 0 to 1 [default: the run's, 0.02].",
)
_CALIBRATION = typer.Option("--calibration-images", metavar="N", help="With int8: number of training images for calibration.")


def export(
    run: Annotated[Path, options.RUN],
    to: Annotated[str, _TO],
    quantize: Annotated[str | None, _QUANTIZE] = None,
    output: Annotated[Path | None, typer.Option(help="File, or folder of a SavedModel [default: in the run's export/].")] = None,
    assert_accuracy: Annotated[float | None, _ASSERT] = None,
    max_accuracy_loss: Annotated[float | None, _LOSS] = None,
    calibration_images: Annotated[int | None, _CALIBRATION] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file at --output.")] = False,
    trust: Annotated[bool, options.TRUST] = False,
) -> None:
    """Write a run's classifier as LiteRT, ONNX or SavedModel, after measuring it on the test images."""
    from transfer.runs import Run
    from transfer.workflows.run_requests import export_request

    request = export_request(Run(run, trust), to, quantize, output, assert_accuracy, calibration_images, overwrite, max_accuracy_loss)
    from transfer.cli.terminal import started

    terminal = started()
    from transfer.workflows.export import carry_out

    done = carry_out(request, terminal)
    show("\n".join([*_table(done.entries), "", f"Written: {done.path}"]), {"path": done.path, "exports": done.entries})


def _table(entries: list[dict[str, Any]]) -> list[str]:
    """Return the lines of the run's table of exports (`exports.json`) for the terminal."""
    from transfer.reports.terminal import fitted

    head = ["format", "quantized", "MB", "test accuracy (95 %)", "same label", "largest difference", "ms/image", "images/s", "file"]
    rows = []
    for entry in entries:
        low, high = entry["accuracy_ci95"]
        rows.append(
            [
                entry["format"],
                entry["quantization"],
                f"{entry['bytes'] / 1e6:.1f}",
                f"{entry['accuracy']:.3f} ({low:.3f} to {high:.3f})",
                f"{entry['same_label']:.3f}" if "same_label" in entry else "",
                f"{entry['largest_difference']:.2g}" if "largest_difference" in entry else "",
                f"{entry['latency_ms']:#.3g}",
                f"{entry['images_per_second']:,.1f}",
                entry["file"],
            ]
        )
    return fitted(head, rows, left=(0, 1, 8))
