"""Pooling of networks trained from scratch: maximum, average, and blur pooling (Zhang 2019, arXiv:1904.11486).

Max pooling with a stride breaks shift invariance: it samples without a low-pass filter before. Blur pooling takes the
maximum at stride 1, then filters with binomial weights, (1, 2, 1) / 4 for three specs, and only then subsamples.
"""

import keras


def pool(x: keras.KerasTensor, kind: str, size: int, stride: int, name: str, specs: int = 3) -> keras.KerasTensor:
    """Pool a map [n, h, w, c] to [n, (h - size) // stride + 1, (w - size) // stride + 1, c]; borders that fill no window are cut.

    Args:
        x: the map, at least `size` high and wide.
        kind: `max`, `average` or `blur`.
        size: side of the window, in pixels.
        stride: step of the window, in pixels.
        name: of the layer, and the beginning of the names of several.
        specs: length of blur pooling's filter.
    """
    if kind == "average":
        return keras.layers.AveragePooling2D(size, stride, name=name)(x)
    if kind == "max" or stride == 1:
        return keras.layers.MaxPooling2D(size, stride, name=name)(x)
    return blur(keras.layers.MaxPooling2D(size, 1, name=f"{name}_max")(x), stride, name, specs)


def blur(x: keras.KerasTensor, stride: int, name: str, specs: int) -> keras.KerasTensor:
    """Filter a map [n, h, w, c] with binomial weights in both directions, then keep every `stride`-th value of both.

    The binomial filter of t specs is the mean of two neighbours, applied t - 1 times; so Keras's own average pooling computes
    it, without weights. The border is the map's mirror image, as in the paper; on a map smaller than the filter's half
    the filter has as many specs as its mirror image reaches.
    """
    side = min(x.shape[1], x.shape[2])
    specs = min(specs, 2 * side - 1)
    if specs < 2:  # a single value
        return keras.layers.Identity(name=name)(x)
    before, after = (specs - 1) // 2, specs // 2
    x = keras.ops.pad(x, [[0, 0], [before, after], [before, after], [0, 0]], mode="reflect")
    for number in range(1, specs - 1):
        x = keras.layers.AveragePooling2D(2, 1, name=f"{name}_blur{number}")(x)
    return keras.layers.AveragePooling2D(2, stride, name=name)(x)
