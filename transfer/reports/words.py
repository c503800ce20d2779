"""Counts and lists as text."""

import math
from collections.abc import Iterable


def counted(number: int, one: str, many: str = "") -> str:
    """Return `1 image` or `1,200 images`; the plural takes an s where none is given."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Iterable[str], word: str = "and") -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def share(value: float) -> str:
    """Return a share of 0 to 1 in three decimals, `0.703`, and in more where it is close to 0 or 1: `0.9965`, `0.99950`."""
    return f"{value:.{3 if _clear(value) else 2 + _zeros(value)}f}"


def percent(value: float) -> str:
    """Return a share of 0 to 1 in percent, `70.3 %`, and in more decimals where it is close to 0 or 1: `99.65 %`, `99.950 %`."""
    return f"{100 * value:.{1 if _clear(value) else _zeros(value)}f} %"


def _clear(value: float) -> bool:
    return min(value, 1 - value) >= 0.01 or value in (0, 1)


def _zeros(value: float) -> int:
    """Return the decimal place of the first digit of a share, or of what it lacks to 1: 3 for 0.0035, so that two digits follow."""
    return min(math.floor(-math.log10(min(value, 1 - value))), 6)
