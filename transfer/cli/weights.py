"""`transfer weights`."""

from typing import Annotated

import typer

from transfer.cli.completion import networks
from transfer.cli.console import show


def weights(
    backbone: Annotated[str, typer.Argument(autocompletion=networks, help="vgg16, inception_v3, ..., or keras.applications.NAME")],
) -> None:
    """Download the ImageNet weights of a backbone in advance."""
    from transfer.errors import WeightsError
    from transfer.models.registry import Backbone, find

    found = find(backbone)
    if not isinstance(found, Backbone):
        raise WeightsError(f"{found.name} is trained from scratch and has no pretrained weights. Received {backbone!r}.")
    from transfer.cli.terminal import started

    terminal = started()
    from transfer.models import weights as module

    digest = module.fetch(found, terminal)
    show(f"{found.name}: ImageNet weights available, SHA-256 {digest}", {"backbone": found.name, "sha256": digest})
