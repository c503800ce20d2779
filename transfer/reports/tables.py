"""Tables for the terminal: what the feature store holds."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transfer.features.inventory import StoredSet


def feature_sets(sets: "list[StoredSet]") -> str:
    """Return the table of `transfer store show`."""
    if not sets:
        return "The feature store is empty."
    lines = [f"{'id':16}  {'network':20} {'size':>5}  {'precision':9} {'records':>9} {'MB':>9}  days unused"]
    for item in sets:
        records = "damaged" if item.records < 0 else f"{item.records:,}"
        lines.append(
            f"{item.id:16}  {item.network:20} {item.size:5}  {item.precision:9} "
            f"{records:>9} {item.bytes / 1e6:9.1f}  {item.days_unused:.1f}"
        )
    lines.append(f"{len(sets)} sets, {sum(item.bytes for item in sets) / 1e6:.1f} MB")
    return "\n".join(lines)


def pruned(sets: "list[StoredSet]") -> str:
    """Return what `transfer store prune` did."""
    return f"Deleted {len(sets)} feature sets, {sum(item.bytes for item in sets) / 1e6:.1f} MB."
