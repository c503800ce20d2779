"""AlexNet: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks", 2012.

Five convolutions and three dense layers, ReLU, local response normalisation after the first two convolutions, overlapping
max pooling, dropout. In one tower, with the widths of Krizhevsky 2014 (arXiv:1404.5997) as torchvision has them: 61,100,840
parameters at 227 px and 1,000 classes. (The two towers of 2012, 96, 256, 384, 384, 256 maps together, see half of each other
in three layers and have 60,965,224; one tower of those widths, `filters: [96, 256, 384, 384, 256]`, has 62,378,344.) The
weights start as He's instead of at 0.01, so that Adam trains it without tuning.
"""

import keras

from transfer.config import NetworkConfig
from transfer.models.registry import own_options, require_size
from transfer.models.scratch.layers import Layers

SMALLEST = 67
"""Side in pixels of which the last pooling leaves one value."""


def build(size: int, classes: int, mean: float, variance: float, seed: int, options: NetworkConfig | None = None) -> keras.Model:
    """Build AlexNet.

    Args:
        size: side of the images in pixels, at least 67; the published one is 227.
        classes: number of classes.
        mean, variance: of the pixel values (0..255) of the training images.
        seed: of the initial weights and dropout.
        options: empty ones as published. `normalization`: `local` (after the first two convolutions), `batch`
            (everywhere) or `none`; `filters` are five.

    Returns:
        Model from RGB in 0..255, float32 [n, size, size, 3], to logits [n, classes].

    Raises:
        ConfigError: where the images are too small.
    """
    require_size("alexnet", size, SMALLEST)
    chosen = own_options("alexnet", options)
    layers = Layers(chosen, seed)
    first, second, third, fourth, fifth = chosen.filters or ()
    images, x = layers.pixels(size, mean, variance)
    x = layers.pool(layers.conv(x, first, 11, "conv1", strides=4), 3, 2, "pool1")
    x = layers.pool(layers.conv(x, second, 5, "conv2", padding="same"), 3, 2, "pool2")
    for name, filters in (("conv3", third), ("conv4", fourth), ("conv5", fifth)):
        x = layers.conv(x, filters, 3, name, padding="same", local=False)
    x = layers.pool(x, 3, 2, "pool5")
    hidden = {f"fc{number}": units for number, units in enumerate(chosen.dense or (), start=6)}
    return keras.Model(images, layers.classify(x, classes, hidden), name="alexnet")
