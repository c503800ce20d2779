"""The smallest convolutional network: INPUT - CONV - RELU - POOL - FC, with 12 maps.

Karpathy and others, Stanford CS231n, "Convolutional neural networks: architectures", 2015: on CIFAR-10's 32x32x3 the
convolution gives 32x32x12 and the pooling 16x16x12, from which 10 class scores are computed. The convolution is 3x3, padded
with zeros: 31,066 parameters. More numbers in `filters` repeat CONV - RELU - POOL.
"""

import keras

from transfer.config import NetworkConfig
from transfer.models.registry import SCRATCH, own_options, require_size
from transfer.models.scratch.layers import Layers


def build(size: int, classes: int, mean: float, variance: float, seed: int, options: NetworkConfig | None = None) -> keras.Model:
    """Build the network.

    Args:
        size: side of the images in pixels; the published one is 32.
        classes: number of classes.
        mean, variance: of the pixel values (0..255) of the training images.
        seed: of the initial weights and dropout.
        options: empty ones as above. `locally_connected` makes of the convolution a layer without shared weights.

    Returns:
        Model from RGB in 0..255, float32 [n, size, size, 3], to logits [n, classes].

    Raises:
        ConfigError: where the images are too small for so many blocks.
    """
    chosen = own_options("cifar", options)
    require_size("cifar", size, SCRATCH["cifar"].smallest_with(chosen))
    layers = Layers(chosen, seed)
    images, x = layers.pixels(size, mean, variance)
    for number, filters in enumerate(chosen.filters or (), start=1):
        x = layers.conv(x, filters, 3, f"conv{number}", padding=chosen.padding or "same")
        x = layers.pool(x, 2, 2, f"pool{number}")
    hidden = {f"fc{number}": units for number, units in enumerate(chosen.dense or (), start=1)}
    return keras.Model(images, layers.classify(x, classes, hidden), name="cifar")
