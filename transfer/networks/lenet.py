"""LeNet-5: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998.

The classic shape: two convolutions of 5x5 (6 and 16 maps), each followed by subsampling, then dense layers of 120, 84 and
`classes` units; 61,706 parameters on 32x32x1 with 10 classes. As is usual since, the subsampling has no weights, every map
of the second convolution sees all maps of the first, and the output is softmax rather than radial basis functions.
"""

import keras

from transfer.networks.table import require_size

SMALLEST = 16
"""Side in pixels of which the second subsampling leaves one value."""


def build(size: int, classes: int, mean: float, variance: float, seed: int, dropout: float = 0.0, l2: float = 0.0) -> keras.Model:
    """Build LeNet-5.

    Args:
        size: side of the pictures in pixels, at least 16; the published one is 32.
        classes: number of classes.
        mean, variance: of the pixel values (0..255) of the training pictures.
        seed: of the initial weights and dropout.
        dropout: share of units dropped before each hidden dense layer's successor; LeNet-5 has none.
        l2: L2 penalty on every kernel; LeNet-5 has none.

    Returns:
        Model from RGB in 0..255, float32 [n, size, size, 3], to logits [n, classes].

    Raises:
        ConfigError: where the pictures are too small for two convolutions and subsamplings.
    """
    require_size("lenet", size, SMALLEST)
    seeds = iter(range(1000 * seed, 1000 * seed + 1000))

    def options() -> dict[str, object]:
        regularizer = keras.regularizers.L2(l2) if l2 else None
        return {"kernel_initializer": keras.initializers.GlorotUniform(next(seeds)), "kernel_regularizer": regularizer}

    images = keras.Input((size, size, 3), name="images", dtype="float32")
    grey = keras.ops.image.rgb_to_grayscale(images)
    x = keras.layers.Normalization(axis=None, mean=mean, variance=max(variance, 1e-6), name="standardize")(grey)
    x = keras.layers.Conv2D(6, 5, activation="tanh", name="c1", **options())(x)
    x = keras.layers.AveragePooling2D(2, name="s2")(x)
    x = keras.layers.Conv2D(16, 5, activation="tanh", name="c3", **options())(x)
    x = keras.layers.AveragePooling2D(2, name="s4")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for units, name in ((120, "c5"), (84, "f6")):
        x = keras.layers.Dense(units, activation="tanh", name=name, **options())(x)
        if dropout:
            x = keras.layers.Dropout(dropout, seed=next(seeds), name=f"{name}_dropout")(x)
    logits = keras.layers.Dense(classes, name="logits", **options())(x)
    return keras.Model(images, logits, name="lenet")
