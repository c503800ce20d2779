"""The command line of `transfer anatomy`: the layers of a network, or the arithmetic of one convolution."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from transfer.cli.completion import networks
from transfer.cli.console import show

_NETWORK = typer.Argument(metavar="NETWORK", autocompletion=networks, help="vgg16, inception_v3, ..., or lenet, ...")
_PADDING = typer.Option(metavar="same|valid|P", help="Padding of --conv; P: P zeros on each side. Default: valid.")


def anatomy(
    network: Annotated[
        str | None, typer.Argument(metavar="NETWORK", autocompletion=networks, help="vgg16, inception_v3, ..., or lenet, ...")
    ] = None,
    size: Annotated[int | None, typer.Option(metavar="N", help="Side of the images in pixels. Default: the network's own.")] = None,
    channels: Annotated[int, typer.Option(metavar="C", help="Channels of the images.")] = 3,
    classes: Annotated[int | None, typer.Option(metavar="K", help="Include the classifier, for K classes.")] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Show every layer, even of a long network.")] = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the full table to this file instead of printing it.")] = None,
    conv: Annotated[
        int | None, typer.Option(metavar="KERNEL", help="Show the arithmetic of one KERNEL x KERNEL convolution instead of a network.")
    ] = None,
    stride: Annotated[int | None, typer.Option(metavar="S", help="Stride of --conv. Default: 1.")] = None,
    padding: Annotated[str | None, _PADDING] = None,
    filters: Annotated[int | None, typer.Option(metavar="M", help="Number of filters of --conv.")] = None,
) -> None:
    """Show the layers of a network: shapes, parameters, multiply-adds, receptive fields, memory."""
    from transfer.errors import ConfigError

    if (network is None) == (conv is None):
        raise ConfigError(
            "Name a network (transfer anatomy vgg16), or one convolution (--conv 3 --size 32 --filters 64), not both. "
            f"Received {'neither' if network is None else 'both'}."
        )
    if conv is not None:
        only_networks = {"--classes": classes, "--layers": layers or None, "--csv": csv}
        _refuse(only_networks, "applies to networks, not to --conv")
        if size is None or filters is None:
            raise ConfigError("--conv needs the side of its input and the number of filters: --size 32 --filters 64. Received less.")
        _convolution(conv, size, channels, filters, stride, padding)
    else:
        _refuse({"--stride": stride, "--padding": padding, "--filters": filters}, "requires --conv")
        assert network is not None
        _network(network, size, channels, classes, layers, csv)


def _refuse(options: Mapping[str, object], rule: str) -> None:
    from transfer.errors import ConfigError

    for option, value in options.items():
        if value is not None:
            raise ConfigError(f"{option} {rule}. Leave it out. Received {option} {'' if value is True else value}".rstrip() + ".")


def _convolution(kernel: int, size: int, channels: int, filters: int, stride: int | None, padding: str | None) -> None:
    from transfer.models.anatomy.layer_arithmetic import Convolution, read_padding
    from transfer.reports import anatomy_text

    layer = Convolution(kernel, size, channels, filters, 1 if stride is None else stride, read_padding(padding or "valid"))
    computed = {name: getattr(layer, name) for name in ("zeros", "output", "parameters", "multiply_adds", "activation_bytes")}
    facts = {"network": None, "image_size": None, "layers": None, "convolution": asdict(layer) | computed, "file": None}
    show(anatomy_text.convolution(layer), facts)


def _network(name: str, size: int | None, channels: int, classes: int | None, layers: bool, csv: Path | None) -> None:
    from transfer.models.anatomy import layer_table

    found = layer_table.check(name, size, channels, classes)
    from transfer.system.startup import import_tensorflow_quietly

    import_tensorflow_quietly()
    from transfer.reports import anatomy_text

    table = layer_table.anatomy(name, size, channels, classes)
    side = size or found.size
    facts = {"network": found.name, "image_size": side, "layers": table, "convolution": None, "file": csv}
    if csv is not None:
        anatomy_text.write_csv(table, csv)
        show(f"{len(table)} layers: {csv}", facts)
        return
    top = "without its classifier (--classes K adds it)" if classes is None else f"with its classifier for {classes} classes"
    show(anatomy_text.block(table, found.name, f"{found.name}, {side}x{side}x{channels}, {top}: {len(table)} layers", layers), facts)
