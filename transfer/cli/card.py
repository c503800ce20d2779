"""The command line of `transfer card`."""

from pathlib import Path
from typing import Annotated

import typer

from transfer.cli import options
from transfer.cli.console import show

_OUTPUT = typer.Option(metavar="FILE.md", help="Default: model_card.md in the run's folder. For the Hugging Face Hub: README.md.")


def card(
    run: Annotated[Path, options.RUN],
    output: Annotated[Path | None, _OUTPUT] = None,
) -> None:
    """Write a model card: what the model is, its data, figures, limits and licence, in Markdown."""
    from transfer.workflows.card import card as written

    place = written(run, output=output)
    show(f"Model card     {place}", {"card": place})
