"""The command line of `transfer export`: a run in another format."""

from pathlib import Path
from typing import Annotated

import typer

_TO = typer.Option(metavar="litert|onnx|savedmodel", help="The format.")
_QUANTIZE = typer.Option(metavar="int8|float16", help="Smaller: 8-bit integers, or weights in 16 bits.")
_ASSERT = typer.Option("--assert-accuracy", metavar="X", help="Fail below this share of right test images, 0 to 1.")
_CALIBRATION = typer.Option("--calibration-images", metavar="N", help="With int8: training images that give the ranges.")


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    to: Annotated[str, _TO],
    quantize: Annotated[str | None, _QUANTIZE] = None,
    output: Annotated[Path | None, typer.Option(help="The file, or the folder of a SavedModel; else in the run's export/.")] = None,
    assert_accuracy: Annotated[float | None, _ASSERT] = None,
    calibration_images: Annotated[int | None, _CALIBRATION] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file at --output.")] = False,
) -> None:
    """Write a run's classifier as LiteRT, ONNX or SavedModel, measured on the test images first."""
    from transfer.exporters.formats.request import request
    from transfer.runs import Run

    asked = request(Run(run), to, quantize, output, assert_accuracy, calibration_images, overwrite)
    from transfer.cli.terminal import started

    terminal = started()
    from transfer.exporters.formats import exporting, table

    done = exporting.export(asked, terminal)
    print(table.text(done.entries))
    print(f"\nWritten: {done.path}")
