"""Which files of a folder are no data: hidden ones, those that systems and programs leave, and what `data.exclude` names."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from fnmatch import translate

from transfer.data.scan import Found
from transfer.errors import nearest
from transfer.system.progress import Progress

_NETWORK_DISK = "left by a network disk"
_WINDOWS, _MACOS, _LINUX = "left by Windows", "left by macOS", "left by the file system"
_SYSTEM_FOLDERS = {
    "@eadir": "thumbnails of a Synology disk", "#recycle": _NETWORK_DISK, "#snapshot": _NETWORK_DISK, "@tmp": _NETWORK_DISK,
    "@recycle": _NETWORK_DISK, "@recently-snapshot": _NETWORK_DISK, ".@__thumb": "thumbnails of a QNAP disk",
    "__macosx": _MACOS, ".trashes": _MACOS, ".appledouble": _MACOS, ".fseventsd": _MACOS, ".spotlight-v100": _MACOS,
    ".temporaryitems": _MACOS, ".documentrevisions-v100": _MACOS, "network trash folder": _MACOS,
    "system volume information": _WINDOWS, "$recycle.bin": _WINDOWS, "found.000": _WINDOWS,
    "lost+found": _LINUX, ".thumbnails": "thumbnails", ".ipynb_checkpoints": "copies made by Jupyter", "__pycache__": "left by Python",
}  # fmt: skip
"""Names of folders, in lower case -> what made them."""

_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r"}


def by_name(name: str, is_folder: bool) -> str:
    """Return why a file or folder of this name is no data, with everything in it; empty: it is."""
    if is_folder and name.lower() in _SYSTEM_FOLDERS:
        return f"system folder: {name}, {_SYSTEM_FOLDERS[name.lower()]}"
    if name.startswith("."):
        return f"hidden {'folder' if is_folder else 'file'}"
    return "system file" if not is_folder and name.lower() in _SYSTEM_FILES else ""


def excluding(patterns: Sequence[str]) -> Callable[[str], str]:
    """Return a function: path from the data folder, with `/` -> the pattern that leaves it out; empty: none does.

    A pattern without `/` is the name of a file or folder wherever it lies, one with `/` is a path from the data folder. `*`,
    `?` and `[...]` are wildcards, `*` also for `/`. Everything in a folder that is left out is left out. Upper and lower case
    differ; how accents are encoded does not matter.
    """
    rules = [(pattern, "/" in pattern.removeprefix("**/").rstrip("/"), re.compile(translate(_plain(pattern)))) for pattern in patterns]

    def excluded(path: str) -> str:
        parts = unicodedata.normalize("NFC", path).rstrip("/").split("/")
        for pattern, from_root, rule in rules:
            candidates = ("/".join(parts[: end + 1]) for end in range(len(parts))) if from_root else parts
            if any(rule.match(candidate) for candidate in candidates):
                return pattern
        return ""

    return excluded if rules else lambda path: ""


def _plain(pattern: str) -> str:
    return unicodedata.normalize("NFC", pattern).removeprefix("./").removeprefix("**/").strip("/")


def reason(pattern: str) -> str:
    """Return the reason of a file that a pattern of `data.exclude` leaves out."""
    return f"excluded by data.exclude: {pattern}"


def tell_unused(patterns: Iterable[str], paths: Iterable[str], progress: Progress) -> None:
    """Say which patterns matched nothing, with what may have been meant among the paths from the data folder."""
    names = {part for path in paths for part in path.split("/")[:2] if part} if (unused := list(patterns)) else set()
    for pattern in unused:
        near = nearest(pattern, names)
        progress.say(f"data.exclude: {pattern!r} matches nothing.{f' Did you mean {near!r}?' if near else ''}")


def without(found: Sequence[Found], patterns: Sequence[str]) -> list[Found]:
    """Return files with the reason of those that a pattern leaves out; they have no class then."""
    excluded = excluding(patterns)
    named = [(item, "" if item.reason else excluded(item.path)) for item in found]
    return [Found(item.path, "", "", reason(pattern), item.group) if pattern else item for item, pattern in named]
