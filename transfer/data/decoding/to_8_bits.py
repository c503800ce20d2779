"""Samples of more than 8 bits, signed or floating-point -> 8 bits, by one rule for all images of a data set.

The rule is a value range (low, high) that becomes 0 to 255, or none: each type's own range. Stretching each image by itself would
be simpler and wrong: how bright an image is would depend on its brightest pixel.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

Range = tuple[float, float]
"""Values that become black (0) and white (255); what lies outside is clipped."""

DEEP_TYPES = ("int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")
"""Types of samples for which there is something to decide; the others are uint8."""

_BLOCK = 1 << 20  # samples converted at a time, in double precision
_TAILS = 0.001  # of the values of an image are taken for outliers, at each end
_ODD_IMAGES = 0.02  # of the images may have values outside the range, at each end
_SMALL_PART = 0.5  # of a type's range: images that use less of it are stretched
_STEPS = 16  # the range is rounded outwards to at least so many steps, so that a few more images rarely change it
_COUNTED = 1 << 16  # values of an image that are looked at


def range_text(value_range: Range | None) -> str:
    """Return a value range in words that `range_of` reads: `dtype` for none, else `low to high`."""
    return "dtype" if value_range is None else f"{value_range[0]:.17g} to {value_range[1]:.17g}"


def range_of(text: str) -> Range | None:
    """Return the value range of a text of `range_text`; none for an empty text."""
    low, _, high = text.partition(" to ")
    return (float(low), float(high)) if high else None


class Spread(NamedTuple):
    """The values that one image uses, outliers apart."""

    dtype: str
    low: float
    high: float


def type_range(dtype: str) -> Range:
    """Return the range of a type of samples: all values of integers, 0 to 1 for floating-point numbers."""
    if np.dtype(dtype).kind == "f":
        return 0.0, 1.0
    limits = np.iinfo(dtype)
    return float(limits.min), float(limits.max)


def to_8_bits(samples: np.ndarray, value_range: Range | None) -> np.ndarray:
    """Convert samples of any shape and any type of `DEEP_TYPES` to uint8; uint8 is returned as it is.

    Args:
        samples: NaN becomes black.
        value_range: None: each type's own range. Of integers, the upper 8 bits are kept then.
    """
    if samples.dtype == np.uint8:
        return samples
    if samples.dtype == np.uint16:
        return levels(value_range)[samples]
    low, high = value_range or type_range(samples.dtype.name)
    upper_bits = value_range is None and samples.dtype.kind != "f"
    step, rounded = ((high - low + 1) / 256, np.floor) if upper_bits else ((high - low) / 255, np.rint)
    result = np.empty(samples.shape, np.uint8)
    flat, out = samples.reshape(-1), result.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        block = np.nan_to_num(flat[start : start + _BLOCK].astype(np.float64), nan=low, posinf=high, neginf=low)
        out[start : start + _BLOCK] = np.clip(rounded((block - low) / step), 0, 255)
    return result


@lru_cache(maxsize=8)
def levels(value_range: Range | None) -> np.ndarray:
    """Return the 8-bit value of each 16-bit value, uint8 [65536]: the exported graph looks up the same table."""
    values = np.arange(1 << 16)
    if value_range is None:
        return (values >> 8).astype(np.uint8)
    low, high = value_range
    return np.clip(np.rint((values - low) / ((high - low) / 255)), 0, 255).astype(np.uint8)


def spread(samples: np.ndarray) -> Spread | None:
    """Return the values that an image uses, from some of its samples, evenly spaced; None if none is a finite number."""
    flat = samples.reshape(-1)
    some = flat[:: flat.size // _COUNTED | 1].astype(np.float64)  # an odd step, which meets all columns
    some = some[np.isfinite(some)]
    if not some.size:
        return None
    low, high = np.quantile(some, [_TAILS, 1 - _TAILS])
    return Spread(samples.dtype.name, float(low), float(high))


def used_part(spreads: Iterable[Spread], dtype: str) -> float:
    """Return the part of a type's range that the images of this type use together; above 1 if they exceed it."""
    low, high = _together([one for one in spreads if one.dtype == dtype])
    least, most = type_range(dtype)
    outside = low < least or high > most
    part = (high - low) / (most - least)
    return max(part, 1.0 + part) if outside else part


def choose_range(spreads: Sequence[Spread]) -> Range | None:
    """Return the value range for a data set: None if its images use most of their types' ranges, and nothing outside.

    Args:
        spreads: of training images; of at least one.
    """
    parts = [used_part(spreads, dtype) for dtype in {one.dtype for one in spreads}]
    if all(_SMALL_PART <= part <= 1.0 for part in parts):
        return None
    low, high = _together(spreads)
    return _rounded(low, high) if high > low else None


def _together(spreads: Sequence[Spread]) -> Range:
    low = np.quantile([one.low for one in spreads], _ODD_IMAGES)
    high = np.quantile([one.high for one in spreads], 1 - _ODD_IMAGES)
    return float(low), float(high)


def _rounded(low: float, high: float) -> Range:
    step = 2.0 ** (np.floor(np.log2(high - low)) - np.log2(_STEPS))
    return float(np.floor(low / step) * step), float(np.ceil(high / step) * step)
