"""`transfer quickstart`."""

from pathlib import Path
from typing import Annotated

import typer

from transfer.cli.console import show


def quickstart(
    output: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("saved_models"),
) -> None:
    """Train VGG16 and LeNet-5 on handwritten digits, export both and compare them."""
    from transfer.cli.terminal import started

    terminal = started()
    from transfer.reports import documents
    from transfer.reports.run import text
    from transfer.workflows import quickstart as module

    done = module.quickstart(output, terminal)
    facts = {"runs": [documents.run(done.vgg16), documents.run(done.lenet)], "data": done.data}
    show(text.two_runs(done.vgg16, done.lenet, done.data), facts)
