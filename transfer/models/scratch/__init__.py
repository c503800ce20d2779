"""Networks trained from scratch, one cited architecture a file: each has `logits(x, layers, classes)`."""

import importlib

import keras

from transfer.config import NetworkConfig
from transfer.models.backbones import building_in
from transfer.models.registry import Scratch, own_options, require_size
from transfer.models.scratch.layers import Layers

__all__ = ["build"]


def build(
    network: Scratch, size: int, classes: int, mean: float, variance: float, seed: int, options: NetworkConfig | None = None,
    precision: str = "float32",
) -> keras.Model:  # fmt: skip
    """Build a network of the table.

    Args:
        network: row of the table.
        size: side of the images in pixels.
        classes: number of classes.
        mean, variance: of the pixel values (0..255) of the training images.
        seed: of the initial weights and dropout.
        options: those left empty are the network's own.
        precision: of the products; the weights, the pixels that come in and the logits are in float32.

    Returns:
        Model from RGB in 0..255, float32 [n, size, size, 3], to logits [n, classes].

    Raises:
        ConfigError: if the images are too small for the network with these options.
    """
    chosen = own_options(network.name, options)
    require_size(network.name, size, network.smallest_with(chosen))
    architecture = importlib.import_module(f"transfer.models.scratch.{network.name}")
    with building_in(precision):
        layers = Layers(chosen, seed)
        images, x = layers.pixels(size, mean, variance)
        return keras.Model(images, architecture.logits(x, layers, classes), name=network.name)
