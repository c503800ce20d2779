"""Local response normalisation, as in AlexNet (Krizhevsky, Sutskever, Hinton 2012, section 3.3), of Keras's own operations."""

import keras

RADIUS, BIAS, ALPHA = 2, 2.0, 1e-4
"""The paper's constants: 2 maps to either side (n = 5), k, alpha; beta is 0.75."""


def normalize(x: keras.KerasTensor) -> keras.KerasTensor:
    """Divide each value of a map [n, h, w, c] by `(k + alpha * sum of squares of the 5 nearest maps there) ** 0.75`."""
    channels = x.shape[-1]
    squares = keras.ops.pad(keras.ops.square(x), [[0, 0], [0, 0], [0, 0], [RADIUS, RADIUS]])
    pairs = squares[..., :-1] + squares[..., 1:]
    total = pairs[..., :channels] + pairs[..., 2 : 2 + channels] + squares[..., 4:]
    root = keras.ops.rsqrt(BIAS + ALPHA * total)
    return x * root * keras.ops.sqrt(root)  # ** -0.75 by roots: a power is many times slower
