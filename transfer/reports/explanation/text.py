"""What `transfer explain` says when it is done."""

from collections.abc import Mapping, Sequence
from typing import Any

from transfer.reports.names import padded, printable

_LISTED = 10
_WIDEST = 36


def block(folder: str, filters: str, layers: Sequence[str], images: Sequence[Mapping[str, Any]]) -> str:
    """Return a few lines: where the files lie, what they show, the first images with their class, and all that failed.

    Args:
        folder: where the files lie.
        filters: what `filters.png` shows; empty: there is none.
        layers: whose activations were drawn.
        images: of each `path`, `label`, `score`, `file` (its heat map), and `error` (empty: it was explained).
    """
    good, bad = [item for item in images if not item["error"]], [item for item in images if item["error"]]
    lines = [f"{_counted(len(good))} explained" + (f", {len(bad)} not" if bad else "") + f": {printable(folder)}"]
    lines.append(f"filters.png shows {filters}." if filters else "The network has no first filters that can be shown.")
    if layers:
        lines.append(f"Beside each image's heat map, the activations of {', '.join(layers)}.")
    else:
        lines.append("The network has no layers with maps, so there are no activations to show.")
    width = max((min(len(printable(item["file"])), _WIDEST) for item in good[:_LISTED]), default=0)
    lines += [f"  {padded(printable(item['file']), width)}  {printable(item['label'])} {item['score']:.3f}" for item in good[:_LISTED]]
    if len(good) > _LISTED:
        lines.append(f"  and {len(good) - _LISTED:,} more")
    lines += [f"not explained: {printable(item['path'])} ({item['error']})" for item in bad]
    return "\n".join(lines)


def _counted(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"
