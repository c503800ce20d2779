"""The multi-layer perceptron: hidden layers that see all pixels, no convolution. The baseline that a network must beat.

LeCun, Bottou, Bengio, Haffner 1998 (see `lenet.py`), section III: 28x28 grey pixels, 300 and 100 hidden units, 10 classes:
266,610 parameters. Theirs are sigmoid units; the default here is ReLU. `dense: []` is logistic regression on pixels.
"""

import keras

from transfer.models.scratch.layers import Layers


def logits(x: keras.KerasTensor, layers: Layers, classes: int) -> keras.KerasTensor:
    """Standardised pixels [n, h, w, c] -> logits [n, classes]."""
    return layers.classify(x, classes, layers.hidden())
