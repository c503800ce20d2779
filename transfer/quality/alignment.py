"""Alignment of small images: how well do two images agree once one is moved and scaled a little?

A cropped image shows the same things slightly larger and slightly shifted. Shift and scale of both axes are found by
Gauss-Newton steps (Baker and Matthews 2004, "Lucas-Kanade 20 years on", the inverse compositional method), for hundreds of
pairs at a time. Brightness and contrast may differ. Most pairs prove to be different images at half the size, before or after
the first steps; only the others are aligned at full size.

What remains is compared with what a displacement by one pixel would change: fine drawings have sharp edges, at which even
near duplicates differ a little, while smooth figures that differ as much are different figures.
"""

import numpy as np

from transfer.quality.smoothed import Smoothed, grey
from transfer.quality.tables import blocks
from transfer.system.resources import spread

_LARGEST_SCALE = 0.12
_LARGEST_SHIFT = 0.08  # of the side
_NOISE = 4.0  # grey levels squared: a smaller variance is noise
_CONTRAST = 1.3  # the contrasts of near duplicates may differ by this factor

# At half the size, near duplicates (rescaled, compressed, cropped by up to 5 % a side, darker) of drawings, digits, clothes and
# photographs reach correlations of at least 0.47 unmoved, 0.95 after one step, 0.96 after two.
_UNMOVED = 0.4
_MOVED = (0.85, 0.9)
_COARSE_EXCESS, _COARSE_SLACK = 2.0, 0.02  # more remains there than at full size: by this factor, plus this much


def agreement(images: Smoothed, first: np.ndarray, second: np.ndarray, least: float, block: int = 256) -> np.ndarray:
    """Return the similarity of each pair of images, where that is about `least` or more.

    Args:
        images: n images.
        first, second: rows of the pairs, int [m].
        least: pairs that are clearly less similar are not aligned at full size.
        block: pairs aligned at a time by each thread.

    Returns:
        float32 [m], at most 1: 1 minus the share of the pixels' variance that remains after alignment, where a displacement
        by one pixel counts as 1. -1 for pairs that are clearly below `least`. Two images of one colour each get 1 if the
        colours are nearly the same.
    """
    found = np.full(len(first), -1, np.float32)
    order = np.argsort(first, kind="stable")  # pairs of one image together: its slopes are computed once
    parts = [order[start : start + block] for start in range(0, len(first), block)]
    promising = spread(lambda rows: _promising(images, first, second, rows, least), parts)
    if not promising:
        return found
    chosen, scales, shifts = (np.concatenate(column) for column in zip(*promising, strict=True))

    def compare(part: slice) -> None:
        rows, scale, shift = chosen[part], scales[part], shifts[part]
        ones, which = np.unique(first[rows], return_inverse=True)
        of_ones, other = images.full(ones), images.full(second[rows])
        one, grey_ones, grey_other = of_ones[which], grey(of_ones), grey(other)
        slopes, inverse = _slopes(grey_ones)
        grey_one, slopes, inverse = grey_ones[which], slopes[which], inverse[which]
        for _ in range(3):
            scale, shift = _step(grey_one, *_moved(grey_other, *_placed(scale, shift, other.shape[1])), slopes, inverse, scale, shift)
        remaining = 1 - _aligned_correlation(one, other, scale, shift)
        like = np.flatnonzero(1 - remaining >= least)  # finer images are less alike
        remaining[like] /= np.sqrt(_fineness(one[like]) * _fineness(other[like]))
        found[rows] = np.maximum(1 - remaining, -1)

    spread(compare, blocks(len(chosen), max(block // 2, 1)))
    return found


def _promising(
    images: Smoothed, first: np.ndarray, second: np.ndarray, rows: np.ndarray, least: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return those of these pairs that may be near duplicates, with their scale and shift, from grey images at half the size."""
    one, other = images.coarse(first[rows]), images.coarse(second[rows])
    keep = _correlation(one, other) >= _UNMOVED
    rows, one, other = rows[keep], one[keep], other[keep]
    scale, shift = np.zeros((2, len(rows), 2), np.float32)
    ones, which = np.unique(first[rows], return_inverse=True)
    slopes, inverse = _slopes(images.coarse(ones))
    moved, seen = _moved(other, *_placed(scale, shift, other.shape[1]))
    for limit in _MOVED:
        if not len(rows):
            break
        scale, shift = _step(one, moved, seen, slopes[which], inverse[which], scale, shift)
        moved, seen = _moved(other, *_placed(scale, shift, other.shape[1]))
        like = _correlation(one, moved, seen)
        keep = like >= limit
        rows, which, scale, shift = rows[keep], which[keep], scale[keep], shift[keep]
        one, other, moved, seen, like = one[keep], other[keep], moved[keep], seen[keep], like[keep]
    if len(rows):
        remaining = (1 - like) / np.sqrt(_fineness(one[..., None]) * _fineness(other[..., None]))
        keep = remaining <= _COARSE_EXCESS * (1 - least) + _COARSE_SLACK
        rows, scale, shift = rows[keep], scale[keep], shift[keep]
    return rows, scale, shift


def _fineness(images: np.ndarray) -> np.ndarray:
    """Share of the variance that a displacement by one pixel changes: float32 [m, s, s, c] -> [m]."""
    down, right = np.gradient(images, axis=(1, 2))
    variance = images.var((1, 2, 3))
    change = (down**2 + right**2).mean((1, 2, 3))
    result: np.ndarray = np.clip(change / np.maximum(variance, _NOISE), 0.01, 1)
    return result


def _slopes(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How grey images [m, s, s] change when moved and scaled: float32 [m, 4, s * s]; and its normal matrix's inverse [m, 4, 4]."""
    count, side, _ = images.shape
    along = _positions(side)
    down, right = np.gradient(images, axis=(1, 2))
    of_each = np.empty((count, 4, side, side), np.float32)
    for number, slope in enumerate((down, down * along[:, None], right, right * along)):
        np.multiply(slope, side, out=of_each[:, number])
    slopes = of_each.reshape(count, 4, side * side)
    normal = slopes @ slopes.transpose(0, 2, 1)
    # An image without slope in a direction is not moved in it.
    normal += np.eye(4, dtype=np.float32) * (1e-3 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1.0)
    return slopes, np.linalg.inv(normal)


def _step(
    first: np.ndarray,
    moved: np.ndarray,
    seen: np.ndarray,
    slopes: np.ndarray,
    inverse: np.ndarray,
    scale: np.ndarray,
    shift: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Improve scale (less one) and shift (share of the side) of both axes, each float32 [m, 2], on grey images [m, s, s].

    Args:
        first: the images.
        moved, seen: the other ones, moved and scaled so far, and which of their pixels were inside.
        slopes, inverse: of the first images.
        scale, shift: so far.
    """
    error = (_matched(first, moved, seen) - first) * seen
    step = (inverse @ (slopes @ error.reshape(len(first), slopes.shape[2], 1)))[:, :, 0]
    move, grow = np.clip(step[:, 0::2], -0.1, 0.1), np.clip(step[:, 1::2], -0.1, 0.1)
    # The step was found on the first image: it is inverted and composed with the earlier ones.
    shift = np.clip(shift - (1 + scale) * move / (1 + grow), -_LARGEST_SHIFT, _LARGEST_SHIFT)
    scale = np.clip((1 + scale) / (1 + grow) - 1, -_LARGEST_SCALE, _LARGEST_SCALE)
    return scale, shift


def _positions(side: int) -> np.ndarray:
    """Centres of the pixels of one axis, -0.5 to 0.5."""
    return ((np.arange(side) + 0.5) / side - 0.5).astype(np.float32)


def _placed(scale: np.ndarray, shift: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What moves and scales images: matrices from the left and the right, and which pixels are inside, each [m, side, side]."""
    down, inside_down = _weights(scale[:, 0], shift[:, 0], side)
    right, inside_right = _weights(scale[:, 1], shift[:, 1], side)
    # Contiguous, since matrices that are turned by strides are multiplied several times as slowly.
    return down, np.ascontiguousarray(right.transpose(0, 2, 1)), inside_down[:, :, None] * inside_right[:, None, :]


def _weights(scale: np.ndarray, shift: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Linear interpolation along one axis: matrices [m, side, side], and which pixels lie inside the image [m, side]."""
    where = (_positions(side) * (1 + scale[:, None]) + shift[:, None] + 0.5) * side - 0.5
    inside = ((where > -0.02) & (where < side - 0.98)).astype(np.float32)
    where = np.clip(where, 0, side - 1).reshape(-1)
    below = np.minimum(where.astype(np.int64), side - 2)
    result, rows = np.zeros((len(where), side), np.float32), np.arange(len(where))
    for pixel in (below, below + 1):
        result[rows, pixel] = np.maximum(0, 1 - np.abs(where - pixel.astype(np.float32)))
    return result.reshape(len(scale), side, side), inside


def _moved(images: np.ndarray, down: np.ndarray, right: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return images [m, s, s] moved and scaled, and which pixels were inside [m, s, s]; see `_placed`."""
    return down @ np.ascontiguousarray(images) @ right, seen


def _matched(first: np.ndarray, second: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Give the second image the first one's brightness and contrast."""
    total = seen.sum((1, 2), keepdims=True)
    mean, other_mean = ((one * seen).sum((1, 2), keepdims=True) / total for one in (first, second))
    varied = (second - other_mean) * seen
    gain = ((first - mean) * varied).sum((1, 2), keepdims=True) / ((varied**2).sum((1, 2), keepdims=True) + total * _NOISE)
    return mean + np.clip(gain, 0.5, 2) * (second - other_mean)


def _aligned_correlation(first: np.ndarray, second: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Correlation of images [m, s, s, c] where they overlap, with the second ones moved; lower if contrasts differ."""
    down, right, seen = _placed(scale, shift, second.shape[1])
    moved = np.stack([_moved(second[..., channel], down, right, seen)[0] for channel in range(second.shape[-1])], -1)
    return _correlation(first, moved, np.broadcast_to(seen[..., None], moved.shape))


def _correlation(first: np.ndarray, second: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Correlation of images [m, ...] where their weight is 1 and not 0, float32 [m]; lower if contrasts differ."""
    count, size = len(first), int(np.prod(first.shape[1:]))
    first, second = first.reshape(count, size), second.reshape(count, size)
    weight = np.ones_like(first) if weight is None else weight.reshape(count, size)
    total = weight.sum(1)
    mean, other_mean = (np.einsum("mp,mp->m", one, weight) / total for one in (first, second))
    varied, other_varied = (first - mean[:, None]) * weight, (second - other_mean[:, None]) * weight
    variance, other_variance = (np.einsum("mp,mp->m", one, one) / total for one in (varied, other_varied))
    product = np.einsum("mp,mp->m", varied, other_varied) / total
    plain = (variance < _NOISE) & (other_variance < _NOISE)
    same_color = np.abs(mean - other_mean) < 8
    variance, other_variance = np.maximum(variance, _NOISE), np.maximum(other_variance, _NOISE)
    # A difference in contrast beyond that adds to the variance that remains.
    excess = np.maximum(np.abs(np.log(variance / other_variance)) / 2 - np.log(_CONTRAST), 0)
    correlation = product / np.sqrt(variance * other_variance) - excess**2 / 2
    return np.where(plain, same_color, correlation).astype(np.float32)
