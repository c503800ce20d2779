"""Counts and lists as text."""

from collections.abc import Iterable


def counted(number: int, one: str, many: str = "") -> str:
    """Return `1 image` or `1,200 images`; the plural takes an s where none is given."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(names: Iterable[str], word: str = "and") -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last
