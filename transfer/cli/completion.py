"""What the shell offers when a word is completed: runs and networks. Imports little: it runs at every press of the tab key."""

import os
from pathlib import Path

_RUNS = Path("saved_models")  # `runs.DEFAULT_OUTPUT`, whose module imports pandas
_FINISHED = "metrics.json"


def runs(incomplete: str) -> list[str]:
    """Return the names of finished runs, and the folders that begin with what was typed."""
    names = [entry.name for entry in _folders(_RUNS) if (Path(entry.path) / _FINISHED).is_file()]
    found = [name for name in names if name.startswith(incomplete)]
    head, _, tail = incomplete.rpartition("/")
    if "/" in incomplete or not found:
        found += [os.path.join(head or ("/" if incomplete.startswith("/") else ""), entry.name) for entry in _folders(Path(head or "."))  # noqa: PTH118
                  if entry.name.startswith(tail) and not entry.name.startswith(".")]  # fmt: skip
    return sorted(found)


def networks(incomplete: str) -> list[str]:
    """Return the names of backbones and networks from scratch that begin with what was typed."""
    from transfer.models.registry import names

    return [name for name in names() if name.startswith(incomplete.lower())]


def _folders(folder: Path) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_dir()]
    except OSError:
        return []
