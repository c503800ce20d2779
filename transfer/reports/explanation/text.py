"""The output of `transfer explain`."""

from collections.abc import Mapping, Sequence
from typing import Any

from transfer.reports.names import printable, shortened
from transfer.reports.terminal import columns, table, wrapped
from transfer.reports.words import counted

_LISTED = 10
_WIDEST = 36


def block(folder: str, filters: str, layers: Sequence[str], images: Sequence[Mapping[str, Any]]) -> str:
    """Return a few lines: where the files are, what they show, the first images with their class, and all that failed.

    Args:
        folder: of the files.
        filters: what `filters.png` shows; empty: there is none.
        layers: whose activations were drawn.
        images: of each `path`, `label`, `score`, `file` (its heat map), and `error` (empty: it was explained).
    """
    good, bad = [item for item in images if not item["error"]], [item for item in images if item["error"]]
    lines = [f"{counted(len(good), 'image')} explained" + (f", {len(bad)} not" if bad else "") + f": {printable(folder)}"]
    lines.append(f"filters.png shows {filters}." if filters else "The network has no first filters that can be shown.")
    if layers:
        lines += wrapped(f"Beside each image's heat map, the activations of {', '.join(layers)}.", columns())
    else:
        lines.append("The network has no layers with maps, so there are no activations to show.")
    first = [(_short(item["file"]), _short(item["label"]), f"{item['score']:.3f}") for item in good[:_LISTED]]
    lines += table([""] * 3, first, left=(0, 1), indent=2)
    if len(good) > _LISTED:
        lines.append(f"  and {len(good) - _LISTED:,} more")
    lines += [f"not explained: {printable(item['path'])} ({item['error']})" for item in bad]
    return "\n".join(lines)


def _short(name: str) -> str:
    return shortened(printable(name), _WIDEST)
