"""Operations that Keras lacks, made of Keras's own, so that files with them open without this package.

Pooling with blur pooling, local response normalisation, and the locally connected layer.
"""

import keras

RADIUS, BIAS, ALPHA = 2, 2.0, 1e-4
"""Constants of local response normalisation in its paper: 2 maps to either side (n = 5), k, alpha; beta is 0.75."""


def pool(x: keras.KerasTensor, kind: str, size: int, stride: int, name: str, taps: int = 3) -> keras.KerasTensor:
    """Pool a map [n, h, w, c] to [n, (h - size) // stride + 1, (w - size) // stride + 1, c]; borders that fill no window are cut.

    Max pooling with a stride breaks shift invariance: it samples without a low-pass filter. Blur pooling (Zhang 2019,
    arXiv:1904.11486) takes the maximum at stride 1, filters with binomial weights, (1, 2, 1) / 4 for three taps, and only
    then subsamples.

    Args:
        x: the map, at least `size` high and wide.
        kind: `max`, `average` or `blur`.
        size: side of the window, in pixels.
        stride: step of the window, in pixels.
        name: of the layer, or the beginning of the names of several.
        taps: length of blur pooling's filter.
    """
    if kind == "average":
        return keras.layers.AveragePooling2D(size, stride, name=name)(x)
    if kind == "max" or stride == 1:
        return keras.layers.MaxPooling2D(size, stride, name=name)(x)
    return blur(keras.layers.MaxPooling2D(size, 1, name=f"{name}_max")(x), stride, name, taps)


def blur(x: keras.KerasTensor, stride: int, name: str, taps: int) -> keras.KerasTensor:
    """Filter a map [n, h, w, c] with binomial weights in both directions, then keep every `stride`-th value of both.

    The binomial filter of t taps is the mean of two neighbours, applied t - 1 times, which is Keras's average pooling. The
    border is mirrored, as in the paper; on a map smaller than half the filter, the filter has as many taps as fit.
    """
    side = min(x.shape[1], x.shape[2])
    taps = min(taps, 2 * side - 1)
    if taps < 2:  # a single value
        return keras.layers.Identity(name=name)(x)
    before, after = (taps - 1) // 2, taps // 2
    x = keras.ops.pad(x, [[0, 0], [before, after], [before, after], [0, 0]], mode="reflect")
    for number in range(1, taps - 1):
        x = keras.layers.AveragePooling2D(2, 1, name=f"{name}_blur{number}")(x)
    return keras.layers.AveragePooling2D(2, stride, name=name)(x)


def local_response_normalization(x: keras.KerasTensor) -> keras.KerasTensor:
    """Divide each value of a map [n, h, w, c] by `(k + alpha * sum of squares of the 5 nearest maps there) ** 0.75`.

    Krizhevsky, Sutskever, Hinton 2012 (AlexNet), section 3.3.
    """
    channels = x.shape[-1]
    squares = keras.ops.pad(keras.ops.square(x), [[0, 0], [0, 0], [0, 0], [RADIUS, RADIUS]])
    pairs = squares[..., :-1] + squares[..., 1:]
    total = pairs[..., :channels] + pairs[..., 2 : 2 + channels] + squares[..., 4:]
    root = keras.ops.rsqrt(BIAS + ALPHA * total)
    return x * root * keras.ops.sqrt(root)  # ** -0.75 by roots: a power is many times slower


def locally_connected(
    x: keras.KerasTensor, filters: int, kernel: int, strides: int, padding: str, name: str, seed: int, gain: float = 2.0, **options: object
) -> keras.KerasTensor:
    """Convolve without sharing weights: map [n, h, w, c] -> [n, h', w', filters], of the size that a convolution would give.

    LeCun 1989, "Generalization and network design strategies"; Keras 3 no longer has it. The windows are unfolded and
    multiplied place by place. The weights are [h', w', kernel * kernel * c, filters]: a window's values by row, column, channel.

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
