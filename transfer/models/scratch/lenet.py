"""LeNet-5: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998.

The classic shape: two convolutions of 5x5 (6 and 16 maps), each followed by subsampling, then dense layers of 120, 84 and
`classes` units; 61,706 parameters on 32x32x1 with 10 classes. Published are grey images, tanh and average pooling, without
dropout or penalty. As usual today, the subsampling has no weights, every map of the second convolution sees all maps of the
first, and the output is softmax rather than radial basis functions. From 16 pixels on, the second subsampling leaves a value.
"""

import keras

from transfer.models.scratch.layers import Layers


def logits(x: keras.KerasTensor, layers: Layers, classes: int) -> keras.KerasTensor:
    """Standardised pixels [n, h, w, c] -> logits [n, classes]."""
    x = layers.pool(layers.conv(x, 6, 5, "c1"), 2, 2, "s2")
    x = layers.pool(layers.conv(x, 16, 5, "c3"), 2, 2, "s4")
    return layers.classify(x, classes, {"c5": 120, "f6": 84})
