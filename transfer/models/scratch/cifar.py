"""The smallest convolutional network: INPUT - CONV - RELU - POOL - FC, with 12 maps.

Karpathy and others, Stanford CS231n, "Convolutional neural networks: architectures", 2015: on CIFAR-10's 32x32x3 the
convolution gives 32x32x12 and the pooling 16x16x12, from which 10 class scores are computed. The convolution is 3x3, padded
with zeros: 31,066 parameters. More numbers in `filters` repeat CONV - RELU - POOL; with `locally_connected` the convolution
does not share its weights.
"""

import keras

from transfer.models.scratch.layers import Layers


def logits(x: keras.KerasTensor, layers: Layers, classes: int) -> keras.KerasTensor:
    """Standardised pixels [n, h, w, c] -> logits [n, classes]."""
    for number, filters in enumerate(layers.options.filters or (), start=1):
        x = layers.conv(x, filters, 3, f"conv{number}", padding=layers.options.padding or "same")
        x = layers.pool(x, 2, 2, f"pool{number}")
    return layers.classify(x, classes, layers.hidden())
