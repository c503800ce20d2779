"""The command line of the feature store: `transfer store show`, `transfer store verify` and `transfer store prune`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transfer.cli.console import answering, line, show

if TYPE_CHECKING:
    from transfer.features.inventory import StoredSet, Verified

app = typer.Typer(help="Show, verify or prune the feature store.", rich_markup_mode=None, no_args_is_help=True)


def show_sets() -> None:
    """List the feature sets and their sizes."""
    from transfer.features import inventory

    sets = inventory.listing()
    show(feature_sets(sets), {"sets": list(map(asdict, sets)), "bytes": sum(item.bytes for item in sets)})


def verify(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDER]...", help="Runs, comparisons, or unfinished predictions; none: the whole cache.", show_default=False
        ),
    ] = None,
    ids: Annotated[list[str] | None, typer.Option("--set", metavar="ID", help="Verify only this feature set.")] = None,
) -> None:
    """Read everything that is kept and compare checksums; nothing is changed. Exit 1 if something is damaged."""
    from transfer.errors import StoreError
    from transfer.features import inventory
    from transfer.system.names import printable
    from transfer.workflows.verification import verify_cache, verify_folder

    _require_known(ids)
    for folder in folders or []:
        if not folder.is_dir():
            raise StoreError(f"There is no such folder. Expected that of a run, a comparison or a prediction. Received {str(folder)!r}.")
    sets, files = [], []
    for item in [] if folders else inventory.verify(ids):
        line(verdict(item))
        sets.append(item)
    for found in map(verify_folder, folders) if folders else [] if ids else [verify_cache()]:
        for path, problem in found:
            line(printable(f"{path}  {problem}"))
            files.append({"path": path, "problem": problem})
    whole = not files and not any(item.damaged or item.problem for item in sets)
    show("No damage found." if whole else "", {"sets": list(map(asdict, sets)), "files": files, "whole": whole})
    if not whole:
        raise typer.Exit(1)


def prune(
    older_than: Annotated[float | None, typer.Option(metavar="DAYS", help="Delete sets unused for at least DAYS.")] = None,
    ids: Annotated[list[str] | None, typer.Option("--set", metavar="ID", help="Delete this set.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete all sets.")] = False,
) -> None:
    """Delete feature sets, and copies of compressed archives; they are made again when needed."""
    from transfer.data.storage import archive_members
    from transfer.errors import StoreError
    from transfer.features import inventory

    if older_than is None and not ids and not everything:
        raise StoreError("Specify what to delete: --older-than DAYS, --set ID, or --all. Received none of them.")
    _require_known(ids)
    deleted = inventory.prune(older_than, ids, everything)
    unused = 0.0 if everything else older_than
    copies = 0 if unused is None else archive_members.prune(unused)
    text = f"Deleted {_total(deleted)}{f', and {copies / 1e6:.1f} MB of decompressed archives' if copies else ''}."
    total = sum(item.bytes for item in deleted)
    show(text, {"deleted": list(map(asdict, deleted)), "bytes": total, "archives_bytes": copies})


for name, command in {"show": show_sets, "verify": verify, "prune": prune}.items():
    app.command(name)(answering(command, f"store {name}"))


def _require_known(ids: list[str] | None) -> None:
    from transfer.errors import StoreError
    from transfer.features import inventory

    known = {item.id for item in inventory.listing()}
    unknown = [name for name in ids or [] if name not in known]
    if unknown:
        raise StoreError(f"There is no such feature set; transfer store show lists them. Received {unknown[0]!r}.")


def verdict(item: "Verified") -> str:
    """Return the line of `transfer store verify` about a set."""
    if item.outdated:
        return f"{item.id}  made by an earlier version, not used any more (transfer store prune --set {item.id})"
    if item.problem:
        return f"{item.id}  damaged: {item.problem}"
    found = f"{item.id}  {item.records:,} {'record' if item.records == 1 else 'records'}"
    return f"{found}, {item.damaged:,} of them damaged" if item.damaged else f"{found}, all of them whole"


def feature_sets(sets: "list[StoredSet]") -> str:
    """Return the table of `transfer store show`."""
    from transfer.reports.terminal import fitted

    if not sets:
        return "The feature store is empty."
    rows = [
        [
            item.id, item.network, str(item.size), item.precision, item.engine, "damaged" if item.records < 0 else f"{item.records:,}",
            f"{item.bytes / 1e6:.1f}", f"{item.days_unused:.1f}",
        ]
        for item in sets
    ]  # fmt: skip
    head = ["id", "network", "size", "precision", "engine", "records", "MB", "days unused"]
    return "\n".join([*fitted(head, rows, left=(0, 1, 3, 4)), _total(sets)])


def _total(sets: "list[StoredSet]") -> str:
    return f"{len(sets)} feature {'set' if len(sets) == 1 else 'sets'}, {sum(item.bytes for item in sets) / 1e6:.1f} MB"
