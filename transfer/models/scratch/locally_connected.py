"""The locally connected layer: a convolution without weight sharing, each place of the map with weights of its own.

LeCun 1989, "Generalization and network design strategies"; Keras 3 no longer has it. Here the windows are unfolded and
multiplied place by place by Keras's own `EinsumDense`, so that files with it open without this package.
"""

import keras


def locally_connected(
    x: keras.KerasTensor, filters: int, kernel: int, strides: int, padding: str, name: str, seed: int, gain: float = 2.0, **options: object
) -> keras.KerasTensor:
    """Map [n, h, w, c] -> [n, h', w', filters], of the size that a convolution would give.

    The weights are [h', w', kernel * kernel * c, filters]: a window's values by row, column, channel.

    Args:
        x: the map.
        filters, kernel, strides, padding: as of a convolution; kernel and strides in pixels, padding `valid` or `same`.
        name: of the layer with the weights.
        seed: of the initial weights, normal with variance gain / (kernel * kernel * c).
        gain: 2 before ReLU and its kind (He 2015), 1 before others.
        **options: of `keras.layers.EinsumDense`: `bias_axes` (`ijm` for a bias at each place), `kernel_regularizer`.
    """
    windows = keras.ops.image.extract_patches(x, (kernel, kernel), strides=strides, padding=padding)
    _, height, width, seen = windows.shape
    initializer = keras.initializers.RandomNormal(stddev=(gain / seen) ** 0.5, seed=seed)
    layer = keras.layers.EinsumDense("nijk,ijkm->nijm", (height, width, filters), kernel_initializer=initializer, name=name, **options)
    return layer(windows)
