"""Alignment of small images: how well do two images agree once one is moved and scaled a little?

A cropped image shows the same things slightly larger and slightly shifted. Shift and scale of both axes are found by
Gauss-Newton steps (Baker and Matthews 2004, "Lucas-Kanade 20 years on", the inverse compositional method), for hundreds of
pairs at a time. Brightness and contrast may differ. Most pairs prove to be different images at half the size, before or after
the first steps; only the others are aligned at full size.

What remains is compared with what a displacement by one pixel would change: fine drawings have sharp edges, at which even
near duplicates differ a little, while smooth figures that differ as much are different figures.
"""

import numpy as np

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


def agreement(thumbnails: np.ndarray, first: np.ndarray, second: np.ndarray, least: float, block: int = 256) -> np.ndarray:
    """Return the similarity of each pair of images, where that is about `least` or more.

    Args:
        thumbnails: uint8 [n, s, s, 3], s even, RGB, smoothed.
        first, second: rows of the pairs, int [m].
        least: pairs that are clearly less similar are not aligned at full size.
        block: pairs aligned at a time by each thread.

    Returns:
        float32 [m], at most 1: 1 minus the share of the pixels' variance that remains after alignment, where a displacement
        by one pixel counts as 1. -1 for pairs that are clearly below `least`. Two images of one colour each get 1 if the
        colours are nearly the same.
    """
    found = np.full(len(first), -1, np.float32)
    coarse = grey(halved(thumbnails))
    order = np.argsort(first, kind="stable")  # pairs of one image together: its slopes are computed once

    def compare(start: int) -> None:
        rows = order[start : start + block]
        rows, scale, shift = _promising(coarse, first, second, rows, least)
        if len(rows):
            one, other = thumbnails[first[rows]].astype(np.float32), thumbnails[second[rows]].astype(np.float32)
            grey_one, grey_other = grey(one), grey(other)
            slopes, inverse = _slopes(grey_one)
            for _ in range(3):
                scale, shift = _step(grey_one, grey_other, slopes, inverse, scale, shift)
            remaining = 1 - _aligned_correlation(one, other, scale, shift)
            found[rows] = np.maximum(1 - remaining / np.sqrt(_fineness(one) * _fineness(other)), -1)

    spread(compare, range(0, len(first), block))
    return found


def _promising(
    coarse: np.ndarray, first: np.ndarray, second: np.ndarray, rows: np.ndarray, least: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return those of these pairs that may be near duplicates, with their scale and shift, from grey images at half the size."""
    rows = rows[_correlation(coarse[first[rows]], coarse[second[rows]]) >= _UNMOVED]
    scale, shift = np.zeros((2, len(rows), 2), np.float32)
    ones, which = np.unique(first[rows], return_inverse=True)
    slopes, inverse = _slopes(coarse[ones])
    for limit in _MOVED:
        if not len(rows):
            break
        one, other = coarse[first[rows]], coarse[second[rows]]
        scale, shift = _step(one, other, slopes[which], inverse[which], scale, shift)
        like = _aligned_correlation(one[..., None], other[..., None], scale, shift)
        keep = like >= limit
        rows, which, scale, shift = rows[keep], which[keep], scale[keep], shift[keep]
        one, other, like = one[keep], other[keep], like[keep]
    if len(rows):
        remaining = (1 - like) / np.sqrt(_fineness(one[..., None]) * _fineness(other[..., None]))
        keep = remaining <= _COARSE_EXCESS * (1 - least) + _COARSE_SLACK
        rows, scale, shift = rows[keep], scale[keep], shift[keep]
    return rows, scale, shift


def smoothed(thumbnails: np.ndarray, block: int = 1024) -> np.ndarray:
    """Blur slightly, uint8 [n, s, s, c] -> the same: aligned images are interpolated, so the others must be no sharper."""
    result = np.empty_like(thumbnails)
    for start in range(0, len(thumbnails), block):
        part = thumbnails[start : start + block].astype(np.uint16)
        wide = np.pad(part, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
        down = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
        result[start : start + block] = (down[:, :, :-2] + 2 * down[:, :, 1:-1] + down[:, :, 2:] + 8) >> 4
    return result


def _fineness(images: np.ndarray) -> np.ndarray:
    """Share of the variance that a displacement by one pixel changes: float32 [m, s, s, c] -> [m]."""
    down, right = np.gradient(images, axis=(1, 2))
    variance = images.var((1, 2, 3))
    change = (down**2 + right**2).mean((1, 2, 3))
    result: np.ndarray = np.clip(change / np.maximum(variance, _NOISE), 0.01, 1)
    return result


def halved(thumbnails: np.ndarray) -> np.ndarray:
    """Average squares of 2x2 pixels: uint8 [n, s, s, c] -> float32 [n, s / 2, s / 2, c]."""
    top, bottom = thumbnails[:, 0::2].astype(np.uint16), thumbnails[:, 1::2]
    rows = top + bottom
    return (rows[:, :, 0::2] + rows[:, :, 1::2]) / np.float32(4)


def grey(images: np.ndarray) -> np.ndarray:
    """Mean of the three channels: float32 [n, s, s, 3] -> float32 [n, s, s]."""
    return (images[..., 0] + images[..., 1] + images[..., 2]) / np.float32(3)


def _slopes(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How grey images [m, s, s] change when moved and scaled: float32 [m, 4, s * s]; and its normal matrix's inverse [m, 4, 4]."""
    count, side, _ = images.shape
    along = _positions(side)
    down, right = np.gradient(images, axis=(1, 2))
    slopes = np.stack([down, down * along[:, None], right, right * along], 1).reshape(count, 4, side * side) * side
    normal = slopes @ slopes.transpose(0, 2, 1)
    # An image without slope in a direction is not moved in it.
    normal += np.eye(4, dtype=np.float32) * (1e-3 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1.0)
    return slopes, np.linalg.inv(normal)


def _step(
    first: np.ndarray, second: np.ndarray, slopes: np.ndarray, inverse: np.ndarray, scale: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Improve scale (less one) and shift (share of the side) of both axes, each float32 [m, 2], on grey images [m, s, s]."""
    moved, seen = _moved(second, scale, shift)
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


def _weights(scale: np.ndarray, shift: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Linear interpolation along one axis: matrices [m, side, side], and which pixels lie inside the image [m, side]."""
    where = (_positions(side) * (1 + scale[:, None]) + shift[:, None] + 0.5) * side - 0.5
    inside = ((where > -0.02) & (where < side - 0.98)).astype(np.float32)
    distance = np.abs(np.clip(where, 0, side - 1)[:, :, None] - np.arange(side, dtype=np.float32))
    return np.maximum(0, 1 - distance), inside


def _moved(images: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return images [m, s, s] moved and scaled, and which pixels were inside [m, s, s]."""
    side = images.shape[1]
    down, inside_down = _weights(scale[:, 0], shift[:, 0], side)
    right, inside_right = _weights(scale[:, 1], shift[:, 1], side)
    return down @ images @ right.transpose(0, 2, 1), inside_down[:, :, None] * inside_right[:, None, :]


def _matched(first: np.ndarray, second: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Give the second image the first one's brightness and contrast."""
    total = seen.sum((1, 2), keepdims=True)
    mean, other_mean = ((one * seen).sum((1, 2), keepdims=True) / total for one in (first, second))
    varied = (second - other_mean) * seen
    gain = ((first - mean) * varied).sum((1, 2), keepdims=True) / ((varied**2).sum((1, 2), keepdims=True) + total * _NOISE)
    return mean + np.clip(gain, 0.5, 2) * (second - other_mean)


def _aligned_correlation(first: np.ndarray, second: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Correlation of images [m, s, s, c] where they overlap, with the second ones moved; lower if contrasts differ."""
    channels = range(second.shape[-1])
    moved, seen = zip(*(_moved(second[..., channel], scale, shift) for channel in channels), strict=True)
    return _correlation(first, np.stack(moved, -1), np.stack(seen, -1))


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
