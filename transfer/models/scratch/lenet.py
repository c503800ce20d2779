"""LeNet-5: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998.

The classic shape: two convolutions of 5x5 (6 and 16 maps), each followed by subsampling, then dense layers of 120, 84 and
`classes` units; 61,706 parameters on 32x32x1 with 10 classes. As is usual since, the subsampling has no weights, every map
of the second convolution sees all maps of the first, and the output is softmax rather than radial basis functions.
"""

import keras

from transfer.config import NetworkConfig
from transfer.models.registry import own_options, require_size
from transfer.models.scratch.layers import Layers

SMALLEST = 16
"""Side in pixels of which the second subsampling leaves one value."""


def build(size: int, classes: int, mean: float, variance: float, seed: int, options: NetworkConfig | None = None) -> keras.Model:
    """Build LeNet-5.

    Args:
        size: side of the images in pixels, at least 16; the published one is 32.
        classes: number of classes.
        mean, variance: of the pixel values (0..255) of the training images.
        seed: of the initial weights and dropout.
        options: empty ones as published: grey, tanh, average pooling, no dropout, no penalty.

    Returns:
        Model from RGB in 0..255, float32 [n, size, size, 3], to logits [n, classes].

    Raises:
        ConfigError: where the images are too small for two convolutions and subsamplings.
    """
    require_size("lenet", size, SMALLEST)
    layers = Layers(own_options("lenet", options), seed)
    images, x = layers.pixels(size, mean, variance)
    x = layers.pool(layers.conv(x, 6, 5, "c1"), 2, 2, "s2")
    x = layers.pool(layers.conv(x, 16, 5, "c3"), 2, 2, "s4")
    return keras.Model(images, layers.classify(x, classes, {"c5": 120, "f6": 84}), name="lenet")
