"""Tiny VGG: Wang and others, "CNN Explainer: learning convolutional neural networks with interactive visualization", 2020.

arXiv:2004.15004. VGG's plan (Simonyan and Zisserman 2015) made small: blocks of two 3x3 convolutions and a max pooling, here
two blocks of 10 maps without padding, then the class scores; 19,920 parameters on 64x64x3 with 10 classes. More numbers in
`filters` are more blocks; `dense` adds hidden layers, as VGG has.
"""

import keras

from transfer.config import NetworkConfig
from transfer.models.registry import SCRATCH, own_options, require_size
from transfer.models.scratch.layers import Layers


def build(size: int, classes: int, mean: float, variance: float, seed: int, options: NetworkConfig | None = None) -> keras.Model:
    """Build a tiny VGG.

    Args:
        size: side of the images in pixels; the published one is 64.
        classes: number of classes.
        mean, variance: of the pixel values (0..255) of the training images.
        seed: of the initial weights and dropout.
        options: empty ones as published.

    Returns:
        Model from RGB in 0..255, float32 [n, size, size, 3], to logits [n, classes].

    Raises:
        ConfigError: where the images are too small for so many blocks.
    """
    chosen = own_options("tiny_vgg", options)
    require_size("tiny_vgg", size, SCRATCH["tiny_vgg"].smallest_with(chosen))
    layers = Layers(chosen, seed)
    images, x = layers.pixels(size, mean, variance)
    for block, filters in enumerate(chosen.filters or (), start=1):
        for number in (1, 2):
            x = layers.conv(x, filters, 3, f"block{block}_conv{number}", padding=chosen.padding or "valid")
        x = layers.pool(x, 2, 2, f"block{block}_pool")
    hidden = {f"fc{number}": units for number, units in enumerate(chosen.dense or (), start=1)}
    return keras.Model(images, layers.classify(x, classes, hidden), name="tiny_vgg")
