"""Sizes, differences, times and energies as text, for the paragraph, the table and the page of a comparison."""

ALL = "all"
"""Name of the size at which every training image is used."""


def images(number: float) -> str:
    """Return a number of images per class, which is a mean: `252`, `1`, `2.5`."""
    return f"{number:,.0f}" if number >= 10 or abs(number - round(number)) < 0.05 else f"{number:.1f}"


def size(name: str, number: float) -> str:
    """Return `10 images per class`, or `all images (252 per class)`.

    Args:
        name: of the size, as the runs have it: "10", "all".
        number: training images per class.
    """
    if name == ALL:
        return f"all images ({images(number)} per class)"
    return f"{name} {'image' if name == '1' else 'images'} per class"


def head(name: str, number: float) -> str:
    """Return a size as the head of a column: `10`, `all (252)`."""
    return f"all ({images(number)})" if name == ALL else name


def interval(low: float, high: float) -> str:
    """Return the interval of a difference of accuracies, in percentage points: `2.0 to 6.2`."""
    return f"{100 * low:z.1f} to {100 * high:z.1f}"


def gain(difference: float, low: float, high: float) -> str:
    """Return a difference of accuracies without its sign, and its interval seen from the better method: `4.1 points (2.0 to 6.2)`."""
    points = f"{abs(100 * difference):.1f}"
    return f"{points} point{'' if points == '1.0' else 's'} ({interval(low, high) if difference >= 0 else interval(-high, -low)})"


def percent(value: float) -> str:
    """Return a share: `73.3 %`."""
    return f"{100 * value:.1f} %"


def seconds(number: float) -> str:
    """Return a time: `8.2 s`, `310 s`, `1 h 50 min`."""
    if number < 6000:
        return f"{number:.1f} s" if number < 99.95 else f"{number:,.0f} s"
    minutes = round(number / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def energy(watt_hours: float) -> str:
    """Return an energy in two or three figures: `2.30 Wh`, `0.012 Wh`, `1,250 Wh`."""
    if watt_hours >= 100:
        return f"{watt_hours:,.0f} Wh"
    return f"{watt_hours:.2f} Wh" if watt_hours >= 0.995 else f"{watt_hours:#.2g} Wh"


def probability(p: float) -> str:
    """Return a p-value: `0.034`, `below 0.001`."""
    return "below 0.001" if p < 0.001 else f"{p:.3f}"
