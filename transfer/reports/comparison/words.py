"""The words for sizes, differences and stretches of sizes that the text and the page of a comparison share."""

from collections.abc import Sequence

import pandas as pd

ALL = "all"


def images(number: float) -> str:
    """Return how many images a class: `252`, `1`, `2.5`."""
    return f"{number:,.0f}" if number >= 10 or abs(number - round(number)) < 0.05 else f"{number:.1f}"


def size(name: str, number: float) -> str:
    """Return `10 images a class`, or `all images (252 a class)`.

    Args:
        name: of the size, as the runs have it: "10", "all".
        number: training images a class.
    """
    if name == ALL:
        return f"all images ({images(number)} a class)"
    return f"{name} {'image' if name == '1' else 'images'} a class"


def span(rows: pd.DataFrame, last: bool) -> str:
    """Return `with 1 to 5 images a class`, `with 10 images a class`, or `from 10 images a class on` where the sizes go on to the last.

    Args:
        rows: neighbouring sizes, with `size` and `images_per_class`.
        last: they end with the largest size there is.
    """
    first, end = rows.iloc[0], rows.iloc[-1]
    if len(rows) == 1:
        return f"with {size(first['size'], first['images_per_class'])}"
    if last:
        return f"from {size(first['size'], first['images_per_class'])} on"
    return f"with {first['size']} to {size(end['size'], end['images_per_class'])}"


def points(value: float) -> str:
    """Return a difference of accuracies without its sign: `4.1 points`."""
    number = f"{abs(100 * value):.1f}"
    return f"{number} point{'' if number == '1.0' else 's'}"


def interval(low: float, high: float) -> str:
    """Return the interval of a difference, in points: `2.0 to 6.2`."""
    return f"{_signless(100 * low)} to {_signless(100 * high)}"


def percent(value: float) -> str:
    """Return a share: `73.3 %`."""
    return f"{100 * value:.1f} %"


def listed(names: Sequence[str], word: str = "and") -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 seed`, `5 seeds`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def seconds(number: float) -> str:
    """Return a time that a person can compare: `8.2 s`, `310 s`, `1 h 5 min`."""
    if number < 99.95:
        return f"{number:.1f} s"
    if number < 6000:
        return f"{number:,.0f} s"
    minutes = round(number / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def energy(watt_hours: float) -> str:
    """Return an energy in two or three figures: `2.30 Wh`, `0.012 Wh`, `1,250 Wh`."""
    if watt_hours >= 100:
        return f"{watt_hours:,.0f} Wh"
    return f"{watt_hours:.2f} Wh" if watt_hours >= 0.995 else f"{watt_hours:#.2g} Wh"


def times(ratio: float) -> str:
    """Return a ratio in two figures: `12 times`, `3.5 times`."""
    return f"{ratio:.1f} times" if ratio < 9.95 else f"{ratio:,.0f} times"


def probability(p: float) -> str:
    """Return a p: `0.034`, `below 0.001`."""
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def _signless(number: float) -> str:
    """A rounded zero has no sign."""
    text = f"{number:.1f}"
    return "0.0" if text == "-0.0" else text
