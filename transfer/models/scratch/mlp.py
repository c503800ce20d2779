"""The multi-layer perceptron: hidden layers that see all pixels, no convolution. The baseline that a network must beat.

LeCun, Bottou, Bengio, Haffner 1998 (see `lenet.py`), section III: 28x28 grey pixels, 300 and 100 hidden units, 10 classes:
266,610 parameters. Theirs are sigmoid units; the default here is ReLU.
"""

import keras

from transfer.config import NetworkConfig
from transfer.models.registry import own_options
from transfer.models.scratch.layers import Layers


def build(size: int, classes: int, mean: float, variance: float, seed: int, options: NetworkConfig | None = None) -> keras.Model:
    """Build a multi-layer perceptron.

    Args:
        size: side of the images in pixels; the published one is 28.
        classes: number of classes.
        mean, variance: of the pixel values (0..255) of the training images.
        seed: of the initial weights and dropout.
        options: empty ones as above; `dense: []` leaves logistic regression on pixels.

    Returns:
        Model from RGB in 0..255, float32 [n, size, size, 3], to logits [n, classes].
    """
    chosen = own_options("mlp", options)
    layers = Layers(chosen, seed)
    images, x = layers.pixels(size, mean, variance)
    hidden = {f"fc{number}": units for number, units in enumerate(chosen.dense or (), start=1)}
    return keras.Model(images, layers.classify(x, classes, hidden), name="mlp")
