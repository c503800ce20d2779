"""How a folder of images is laid out: DATA/<class>/..., or DATA/<split>/<class>/...; judged by the names of its folders alone.

The folders at the top are splits if their names say so (`split_names.py`):

1. One of them is for training and holds folders, and one is for validation or test; a single train, test or dev is a class.
2. The two belong together: their names differ only in the word for the split, numbers, and words that say nothing (`train` and
   `Test Data`, `flowers_train_2` and `flowers_test`), or, where other words differ (`flowers_train` and `test`), they hold the
   same class folders (two or more), and no folder of another name does. So `train station` beside `airport` is a class, and so it
   is beside `airport` and `test track`.

Every folder that belongs to such a pair is a split. Other folders beside them (`pred`, `docs`) are left out.

Layouts that could mean both are refused, with the values of `data.split_folders` to choose from: names of splits without a
training folder or without class folders, and folders of other names that hold the same sub-folders (two or more), as splits do.
So is a folder one level too high, where everything lies in one folder.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from unicodedata import normalize

from transfer.config import option
from transfer.config.folders import Split, SplitFolders
from transfer.data.classes import few
from transfer.data.sources.split_names import split_name
from transfer.errors import DataError, nearest

OFF = option("data.split_folders", "off")
_SHOWN = 6


@dataclass(frozen=True)
class Layout:
    """What the folders are for.

    Attributes:
        splits: folder (path from DATA) -> the split whose class folders it holds; empty: the folders at the top are classes.
        left_out: folders at the top that are neither -> number of files in them.
    """

    splits: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    def place(self, path: str) -> tuple[str, str, int]:
        """Return the split folder that a path lies in, its split, and the number of parts of the path before the class.

        Empty texts where there are no splits, or the path lies in none of them.
        """
        if self.splits:
            parts = path.split("/")
            for depth in range(1, len(parts)):
                folder = "/".join(parts[:depth])
                if folder in self.splits:
                    return folder, self.splits[folder], depth
        return "", "", 0


class Folders:
    """The folders below DATA, with the number of files in those that hold images.

    Args:
        files: folder (path from DATA, with `/`) -> number of files that lie directly in it, 0 if none is an image.
        unread: folders that cannot be read.
    """

    def __init__(self, files: Mapping[str, int], unread: Collection[str] = ()) -> None:
        self.direct, self.total, self.unread = Counter(files), Counter[str](), unread
        self._children: dict[str, dict[str, None]] = {"": {}}
        for path, count in files.items():
            parts = path.split("/") if path else []
            for depth in range(len(parts) + 1):
                folder = "/".join(parts[:depth])
                self.total[folder] += count
                children = self._children.setdefault(folder, {})
                if depth < len(parts):
                    children[parts[depth]] = None

    def called(self, name: str) -> str:
        """Return the folder of this name, however its characters are encoded; empty: there is none."""
        if name in self._children:
            return name
        return next((folder for folder in self._children if normalize("NFC", folder) == normalize("NFC", name)), "")

    def names(self, folder: str = "", empty: bool = False) -> list[str]:
        """Return the names of the folders in a folder, sorted; those without images only with `empty`."""
        start = f"{folder}/" if folder else ""
        return sorted(name for name in self._children.get(folder, ()) if empty or self.total[start + name])

    def descended(self, folder: str) -> str:
        """Return the first folder on the way down that holds images or several folders with images."""
        while not self.direct[folder] and len(inner := self.names(folder)) == 1:
            folder = f"{folder}/{inner[0]}" if folder else inner[0]
        return folder

    def divided(self, folder: str) -> bool:
        """Whether a folder holds several folders with images, and most of its images lie in those."""
        return len(self.names(folder)) > 1 and self.direct[folder] < self.total[folder] / 2


def of(folders: Folders, setting: SplitFolders, source: str) -> Layout:
    """Return the layout of a folder.

    Args:
        folders: below DATA, without those that hold no data (`left_out.py`).
        setting: `data.split_folders`.
        source: DATA, for messages.

    Raises:
        DataError: if the layout could mean both splits and classes, the classes lie in a folder below, or the setting names a folder
            that does not exist.
    """
    if isinstance(setting, Mapping):
        return _with_rest(folders, _named(folders, setting, source))
    splits = {} if setting == "off" else _by_name(folders)
    if splits:
        _require_classes_below(folders, splits, source)
        return _with_rest(folders, splits)
    if folders.unread:
        return Layout()  # what they hold is not known
    top = _meant(folders, setting == "auto")
    if top:
        raise DataError(
            f"The folder is probably one level too high. Did you mean {source.rstrip('/')}/{top}, which holds "
            f"{few(folders.names(top), _SHOWN)}? Expected DATA/<class>/<image> or DATA/<split>/<class>/<image>. Received {source!r}."
        )
    if setting == "auto":
        _require_clear(folders, source)
    return Layout()


def _meant(folders: Folders, by_name: bool) -> str:
    """Return the folder that holds all classes, or whose folders have the names of splits; empty: there is none."""
    names = folders.names()
    only = folders.descended(names[0]) if len(names) == 1 else ""
    if only and folders.divided(only):
        return only
    return next((name for name in names if by_name and _by_name(folders, name)), "")


def _with_rest(folders: Folders, splits: Mapping[str, str]) -> Layout:
    used = {folder.split("/")[0] for folder in splits}
    return Layout(splits, {name: folders.total[name] for name in folders.names(empty=True) if name not in used})


def _named(folders: Folders, setting: Mapping[Split, tuple[str, ...]], source: str) -> dict[str, str]:
    asked = {folder: split for split, named in setting.items() for folder in named}
    for folder in asked:
        if not folders.called(folder):
            near = nearest(folder, folders.names(empty=True))
            hint = f" Did you mean {near!r}?" if near else ""
            raise DataError(
                f"data.split_folders names a folder that is not there.{hint} Expected folders of {source!r}: "
                f"{few(folders.names(empty=True), _SHOWN) or 'it holds none'}. Received {folder!r}."
            )
    return {folders.called(folder): split for folder, split in asked.items()}


def _by_name(folders: Folders, inside: str = "") -> dict[str, str]:
    """Return name of a folder in a folder (empty: DATA) -> split, by the rule above; empty if the folders are no splits."""
    start = f"{inside}/" if inside else ""
    names = {name: split_name(name) for name in folders.names(inside, empty=True)}
    train = [name for name, found in names.items() if found.split == "train" and folders.names(start + name, empty=True)]
    others = [name for name, found in names.items() if found.split in ("validation", "test")]
    neither = [folders.names(start + name) for name, found in names.items() if not found.split]

    def together(one: str, other: str) -> bool:
        if names[one].rest == names[other].rest:
            return True
        below = folders.names(start + one)
        return _alike(below, folders.names(start + other)) and not any(_alike(below, more) for more in neither)

    pairs = [(one, other) for one in train for other in others if together(one, other)]
    return {name: names[name].split for name in sorted({name for pair in pairs for name in pair})}


def _alike(some: Collection[str], others: Collection[str]) -> bool:
    """Whether two folders hold the same sub-folders: at least two, and at least half of those of the smaller one."""
    return len(set(some) & set(others)) >= max(2, min(len(some), len(others)) / 2)


def _require_classes_below(folders: Folders, splits: Mapping[str, str], source: str) -> None:
    """Check that the classes do not lie one level further down."""
    deeper = {folder: folders.descended(folder) for folder in splits}
    if any(below != folder and folders.divided(below) for folder, below in deeper.items() if splits[folder] == "train"):
        raise DataError(
            f"Each split holds one folder, which holds the classes. Expected DATA/<split>/<class>/<image>. To take the classes from there: "
            f"{_setting({below: splits[folder] for folder, below in deeper.items()})}. Received {source!r}."
        )


def _require_clear(folders: Folders, source: str) -> None:
    """Check that folders which are no known splits are classes, as far as their names and those of their sub-folders tell."""
    names, shown = folders.names(), few(folders.names(), _SHOWN)
    inner = {name: folders.names(name) for name in names if folders.divided(name)}
    widest = max(inner.values(), key=len, default=[])
    alike = len(inner) > 1 and len(inner) >= len(names) / 2 and all(_alike(widest, below) for below in inner.values())
    if _called_like_splits(names, inner):
        what = "are called like splits, but not like a training folder and others with the same classes"
    elif alike:
        what = f"hold the same folders ({few(widest, _SHOWN)}), so they may be splits or classes"
    else:
        return
    if inner and not (alike and all(split_name(name).split for name in widest)):
        raise DataError(
            f"The folders {shown} {what}. If they are splits, say which is which, for example {_guess(folders, list(inner))}; if "
            f"they are classes: {OFF}. Received {source!r}."
        )
    what = "hold folders that are called like splits" if inner else "are called like splits, but hold no class folders"
    raise DataError(
        f"The folders {shown} {what}. Expected DATA/<split>/<class>/<image>, or a table (.csv) with the columns path,label,split. "
        f"If they are classes, to be divided by content: {OFF}. Received {source!r}."
    )


def _called_like_splits(names: list[str], divided: Collection[str]) -> bool:
    """Whether all names could be those of splits, and some go together, or a training folder holds folders."""
    found = [split_name(name) for name in names]
    if not all(name.split for name in found) or len({name.split for name in found}) < 2:
        return False
    together = len({name.rest for name in found}) < len({(name.split, name.rest) for name in found})
    return together or any(split_name(name).split == "train" for name in divided)


def _guess(folders: Folders, divided: list[str]) -> str:
    """Return the option that makes folders splits, as far as their names and sizes tell which is which."""
    likely = ("train", "", "validation", "test")
    ordered = sorted(divided, key=lambda name: (likely.index(split_name(name).split), -folders.total[name]))[:_SHOWN]
    others = ordered[1:] or [name for name in folders.names() if name not in ordered][:1]
    test = next((name for name in others if split_name(name).split == "test"), others[-1])
    known = {name: split_name(name).split or "train" for name in others}
    return _setting({ordered[0]: "train", **known, test: "test"})


def _setting(splits: Mapping[str, str]) -> str:
    """Return the option that makes these folders splits."""
    named: dict[str, list[str]] = {}
    for split in ("train", "validation", "test"):
        named[split] = [folder for folder, its in splits.items() if its == split]
    short = {split: folders[0] if len(folders) == 1 else folders for split, folders in named.items() if folders}
    return option("data.split_folders", short)
