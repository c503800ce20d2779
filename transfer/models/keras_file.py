"""Keras files and files of weights that somebody else may have made, looked at before Keras reads them.

A `.keras` file can hold code (a Lambda layer), name a SavedModel that is loaded, or unpack to more than there is memory. An HDF5 file can
say that its numbers lie in another file, of which they are then a copy. None of this is in a file that Keras wrote for this package.
"""

import json
import sys
import zipfile
from pathlib import Path
from typing import IO, Any

from transfer.errors import RunError
from transfer.runs import TRUST_IT

_MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
_CONFIG = "config.json"
_PACKAGES = ("", "builtins", "keras")
FOUND_BY_KERAS = ("keras", "keras_hub")
"""Packages whose classes Keras imports by itself, registered or not."""

WITH_CODE = frozenset({"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
WITH_FILES = frozenset({"StringLookup", "IntegerLookup", "TextVectorization"})

_MOST = 20  # times its size on disk that a file may take in memory, if that is more than:
_SMALL = 1 << 30
_LARGEST_CONFIG = 64 << 20


def load(path: Path, trust: bool = False) -> Any:
    """Return the model in a `.keras` file, not compiled.

    Args:
        path: of the file.
        trust: load it unseen, and not in Keras's safe mode: it was made here, or the user says so.

    Raises:
        RunError: if it is not trusted and holds more than layers of Keras and their weights, or cannot be read.
    """
    import keras

    try:
        if not trust and (fault := found_in(path)):
            raise RunError(
                f"A Keras model may only hold layers of Keras and their weights. Found {fault}. {TRUST_IT} Received {str(path)!r}."
            )
        return keras.saving.load_model(path, compile=False, safe_mode=not trust)
    except RunError:
        raise
    except Exception as error:  # Keras raises all kinds of errors for files that are damaged or foreign
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise RunError(f"The Keras model could not be read: {reason}. Received {str(path)!r}.") from None


def found_in(path: Path) -> str:
    """Return the first thing in a `.keras`, `.h5` or `.weights.h5` file that could do more than hold a network; empty if there is none.

    Raises:
        Exception: of any kind, if it is damaged.
    """
    if path.suffix != ".keras":
        with path.open("rb") as file:
            return _in_weights(file, path.stat().st_size)
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if strange := next((one.filename for one in members if one.filename not in _MEMBERS), None):
            return f"the member {strange!r}, where {', '.join(_MEMBERS)} are expected"
        unpacked = sum(one.file_size for one in members)
        if fault := _absurd(unpacked, path.stat().st_size):
            return fault
        if archive.getinfo(_CONFIG).file_size > _LARGEST_CONFIG:
            return f"a {_CONFIG} of {archive.getinfo(_CONFIG).file_size:,} bytes"
        if fault := _in_config(json.loads(archive.read(_CONFIG))):
            return fault
        for member in (one for one in members if one.filename.endswith(".h5")):
            with archive.open(member) as weights:
                if fault := _in_weights(weights, member.file_size):
                    return fault
    return ""


def _absurd(unpacked: int, size: int) -> str:
    if unpacked <= max(_SMALL, _MOST * size):
        return ""
    return f"{unpacked / 1e9:,.0f} GB in a file of {size / 1e6:,.1f} MB"


def _in_config(tree: Any) -> str:
    """Return the first object in a model's configuration that is not one of Keras, or brings code or files with it."""
    left = [tree]
    while left:
        one = left.pop()
        if isinstance(one, list):
            left.extend(one)
        if not isinstance(one, dict):
            continue
        left.extend(one.values())
        name, module = str(one.get("class_name")), str(one.get("module") or "")
        if name in WITH_CODE:
            return f"{name}, which brings code of its own"
        if name in WITH_FILES:
            return f"the layer {name}, which can read a file"
        if "class_name" in one and module.partition(".")[0] not in _PACKAGES and not _registered(one):
            return f"{module}.{name}, which is not of Keras"
    return ""


def _registered(one: dict[str, Any]) -> bool:
    """Return whether this process has registered the class of an object, or imported KerasHub, whose classes need not be registered:
    whoever imported it knows it."""
    import keras

    package = str(one.get("module")).partition(".")[0]
    if package in FOUND_BY_KERAS and package in sys.modules:
        return True
    name = one.get("registered_name")
    return isinstance(name, str) and keras.saving.get_registered_object(name) is not None


def _in_weights(file: IO[bytes], size: int) -> str:
    """Return the first thing in an HDF5 file that is kept outside it; empty if it is whole.

    Args:
        file: opened for reading.
        size: of the file in bytes.
    """
    import h5py

    with h5py.File(file, "r") as opened:
        left, seen, values = [opened["/"]], set(), 0
        while left:
            group = left.pop()
            for name in group:
                place = f"{group.name.rstrip('/')}/{name}"
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    return f"a link to another file: {place!r} is {link.path!r} in {link.filename!r}"
                if isinstance(link, h5py.SoftLink):
                    continue  # it leads to what is found by its own name, or through an external link
                found = group[name]
                if (address := h5py.h5o.get_info(found.id).addr) in seen:
                    continue
                seen.add(address)
                if isinstance(found, h5py.Group):
                    left.append(found)
                if not isinstance(found, h5py.Dataset):
                    continue
                if found.is_virtual or found.external:
                    return f"values kept in another file: those of {place!r}"
                values += found.nbytes
    return _absurd(values, size)
