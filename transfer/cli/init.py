"""The command line of `transfer init`."""

from pathlib import Path
from typing import Annotated

import typer

from transfer.cli.console import show
from transfer.cli.options import BACKBONE, DATA


def init(
    data: Annotated[str, DATA],
    output: Annotated[Path | None, typer.Option(metavar="FILE.yaml", help="The file. Default: <name of the data>.yaml, here.")] = None,
    backbone: Annotated[str, BACKBONE] = "vgg16",
) -> None:
    """Write a configuration file for images: sensible values, and every other key with its default and what it does."""
    from transfer.cli.terminal import progress
    from transfer.system import shell
    from transfer.workflows.init import init as initialised

    done = initialised(data, output, backbone, progress())
    lines = [
        f"Written        {done.path}: {sum(done.classes.values()):,} images in {len(done.classes):,} classes, "
        f"{done.settings['backbone']} at {done.settings['image_size']} pixels",
        f"Try next       {shell.command('fit', '--config', done.path)}",
    ]
    facts = {"path": done.path, "classes": done.classes, "settings": done.settings, "group_by": done.group_by or None}
    show("\n".join(lines), facts)
