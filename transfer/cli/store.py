"""The command line of the feature store: `transfer store show` and `transfer store prune`."""

from typing import Annotated

import typer

app = typer.Typer(help="Show or prune the store of computed features.", rich_markup_mode=None, no_args_is_help=True)


@app.command("show")
def show() -> None:
    """List the feature sets and their sizes."""
    from transfer.features import inventory
    from transfer.reports import tables

    print(tables.feature_sets(inventory.listing()))


@app.command("prune")
def prune(
    older_than: Annotated[float | None, typer.Option(metavar="DAYS", help="Delete sets not used for so many days.")] = None,
    ids: Annotated[list[str] | None, typer.Option("--set", metavar="ID", help="Delete this set.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete all sets.")] = False,
) -> None:
    """Delete feature sets; they are computed again when they are needed."""
    from transfer.errors import StoreError
    from transfer.features import inventory
    from transfer.reports import tables

    if older_than is None and not ids and not everything:
        raise StoreError("Say what to delete: --older-than DAYS, --set ID, or --all. Received none of them.")
    known = {item.id for item in inventory.listing()}
    unknown = [name for name in ids or [] if name not in known]
    if unknown:
        raise StoreError(f"There is no such feature set; transfer store show lists them. Received {unknown[0]!r}.")
    print(tables.pruned(inventory.prune(older_than, ids, everything)))
