"""Build a network of the table that is trained from scratch."""

import importlib

import keras

from transfer.config import NetworkConfig
from transfer.models.backbones import building_in
from transfer.models.registry import Scratch


def build(
    network: Scratch, size: int, classes: int, mean: float, variance: float, seed: int, options: NetworkConfig | None = None,
    precision: str = "float32",
) -> keras.Model:  # fmt: skip
    """Return the model from RGB in 0..255, float32 [n, size, size, 3], to logits [n, classes]; see the network's file.

    Its products are in `precision`; its weights, the pixels that come in and the logits are in float32.
    """
    module = importlib.import_module(f"transfer.models.scratch.{network.module}")
    with building_in(precision):
        model: keras.Model = module.build(size, classes, mean, variance, seed, options)
    return model
