"""`transfer quickstart`."""

from pathlib import Path
from typing import Annotated

import typer


def quickstart(
    output: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("saved_models"),
) -> None:
    """Train VGG16 and LeNet-5 on handwritten digits, export both and compare them."""
    from transfer.cli.terminal import started

    terminal = started()
    from transfer.workflows import quickstart as module

    print(module.quickstart(output, terminal))
