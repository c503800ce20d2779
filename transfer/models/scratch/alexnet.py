"""AlexNet: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks", 2012.

Five convolutions and three dense layers, ReLU, local response normalisation after the first two convolutions, overlapping
max pooling, dropout. In one tower, with the widths of Krizhevsky 2014 (arXiv:1404.5997) as torchvision has them: 61,100,840
parameters at 227 px and 1,000 classes. (The two towers of 2012, 96, 256, 384, 384, 256 maps together, see half of each other
in three layers and have 60,965,224; one tower of those widths, `filters: [96, 256, 384, 384, 256]`, has 62,378,344.) The
initial weights are He's instead of 0.01, so that Adam trains it without tuning. From 67 pixels on, the last pooling leaves a
value. `normalization`: `local` (after the first two convolutions), `batch` (everywhere) or `none`.
"""

import keras

from transfer.models.scratch.layers import Layers


def logits(x: keras.KerasTensor, layers: Layers, classes: int) -> keras.KerasTensor:
    """Standardised pixels [n, h, w, c] -> logits [n, classes]."""
    first, second, third, fourth, fifth = layers.options.filters or ()
    x = layers.pool(layers.conv(x, first, 11, "conv1", strides=4), 3, 2, "pool1")
    x = layers.pool(layers.conv(x, second, 5, "conv2", padding="same"), 3, 2, "pool2")
    for name, filters in (("conv3", third), ("conv4", fourth), ("conv5", fifth)):
        x = layers.conv(x, filters, 3, name, padding="same", local=False)
    return layers.classify(layers.pool(x, 3, 2, "pool5"), classes, layers.hidden(first=6))
