"""The feature store: extracted features, keyed by the content of the image.

One LMDB environment for each feature set (backbone, weights, size, decoder, precision, engine) in the user's cache folder, with one
record for each (digest of the image, view, cut point and pooling). LMDB was chosen because a record is complete or absent after kill
-9, many processes can read while one writes, and reads are memory-mapped. What is damaged on the disk is never
used: a record that fails its checksum is missing (`records`), and a damaged set is made anew (`pages`).
"""

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import lmdb
import numpy as np

from transfer.errors import StoreError
from transfer.features import pages, records
from transfer.features.keys import by_image
from transfer.features.keys import key as key
from transfer.features.records import Blocks
from transfer.system.files import write_text
from transfer.system.home import cache_home
from transfer.system.progress import Progress, Silent

FORMAT = 2
"""Raise it whenever the form of the records changes: 2 seals them with checksums."""

DESCRIPTION = "set.json"


@dataclass(frozen=True)
class FeatureSet:
    """Everything that determines features apart from the image, its view, the cut point and the pooling."""

    network: str
    weights_digest: str
    size: int
    resize: str
    decoder: str
    precision: str
    engine: str = "tensorflow"
    format: int = FORMAT

    @property
    def id(self) -> str:
        """Return the first 16 hexadecimal digits of the digest of all fields, but for the engine if it is TensorFlow, once the only one."""
        fields = {name: value for name, value in asdict(self).items() if (name, value) != ("engine", "tensorflow")}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


def folder() -> Path:
    """Return the folder of all feature sets."""
    return cache_home() / "features"


class Store:
    """One feature set, open for reading and writing. Use `open_store`, not the constructor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self._env = pages.open_environment(path, padding=records.MOST_BYTES)
        self._turn, self._mapped = threading.Lock(), pages.Mapped()

    def close(self) -> None:
        """Release the environment."""
        self._env.close()

    def records(self) -> int:
        """Return the number of records."""
        with self._alone():
            return int(self._env.stat()["entries"])

    def has(self, keys: Sequence[bytes]) -> list[bool]:
        """Return for each key whether it has a record."""
        with self._alone(), self._looked_up(keys) as blocks:
            return [record is not None for _, _, found in blocks for record in found]

    def get(self, keys: Sequence[bytes], dtype: np.dtype, out: np.ndarray | None = None) -> np.ndarray:
        """Return the records of all keys as one array [n, width].

        Raises:
            StoreError: if a record is missing, for example pruned in the meantime.
        """
        length = 0 if out is None else out[:1].nbytes + records.BYTES
        with self._alone(), self._looked_up(keys, length) as blocks:
            for start, names, found in blocks:
                if out is None:
                    width = len(found[0] or b"") - records.BYTES
                    out = np.empty((len(keys), max(width, 0) // dtype.itemsize), dtype)
                if not records.unseal_into(out[start : start + len(found)], names, found):
                    lost = "The feature store lost a record while it was in use. Run the command again: what is missing or damaged is"
                    raise StoreError(f"{lost} computed anew. Store: {self.path}")
        return np.empty((0, 0), dtype) if out is None else out

    def sound(self, keys: Sequence[bytes], progress: Progress) -> list[bool]:
        """Return for each key whether it has a record that is not damaged; damaged ones are deleted and told.

        If the tree of pages is found damaged, the whole set is made anew, and nothing is stored any more.
        """
        sound, damaged = list[bool](), list[bytes]()
        with self._alone():
            try:
                with self._looked_up(keys) as blocks:
                    for _, names, found in blocks:
                        whole, broken = records.examine(names, found)
                        sound += whole
                        damaged += broken
                if damaged:
                    self._delete(damaged, progress)
                return sound
            except pages.DAMAGE as error:
                self._env.close()
                with pages.lock(self.path):
                    _make_anew(self.path, str(error), progress)
                    with suppress(OSError):
                        shutil.copyfile(pages.aside(self.path) / DESCRIPTION, self.path / DESCRIPTION)
                    self._env = pages.open_environment(self.path)
                return [False] * len(keys)

    def _delete(self, names: list[bytes], progress: Progress) -> None:
        what = "1 damaged record" if len(names) == 1 else f"{len(names):,} damaged records"
        progress.say(f"{what} in the feature store: computing again")
        with self._env.begin(write=True) as transaction:
            for name in names:
                transaction.delete(name)

    def put(self, contents: Mapping[bytes, bytes]) -> None:
        """Seal and write records atomically, all or none, and flush them to disk."""
        with self._alone():
            while True:
                try:
                    with self._env.begin(write=True) as transaction:
                        for name, content in contents.items():
                            transaction.put(name, records.seal(name, content))
                    self._mapped.looked_at(self._env, pages.AROUND * len(contents))
                    return
                except lmdb.MapFullError:
                    self._env.set_mapsize(2 * self._env.info()["map_size"])
                except lmdb.MapResizedError:
                    self._env.set_mapsize(0)

    def notes(self, digests: Sequence[str]) -> dict[str, str]:
        """Return which of these images could not be decoded: digest -> reason."""
        found = self.contents(by_image(digests, [("0", "undecodable")]))
        return {digest: reason.decode() for digest, reason in zip(digests, found, strict=True) if reason is not None}

    def contents(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return each record as it is, of any length; None where there is none, or a damaged one."""
        contents: list[bytes | None] = []
        with self._alone(), self._looked_up(keys) as blocks:
            for _, names, found in blocks:
                contents += [None if one is None else bytes(one) for one in map(records.unsealed, names, found)]
        return contents

    def note_undecodable(self, reasons: Mapping[str, str]) -> None:
        """Record images that cannot be decoded, so that they are not tried again."""
        self.put({key(digest, "0", "undecodable"): reason.encode() for digest, reason in reasons.items()})

    def _looked_up(self, names: Sequence[bytes], length: int = 0) -> closing[Blocks]:
        return closing(records.blocks(self._begin, names, length, lambda size: self._mapped.looked_at(self._env, size)))

    def _begin(self) -> lmdb.Transaction:
        try:
            return self._env.begin(buffers=True)
        except lmdb.MapResizedError:
            self._env.set_mapsize(0)
            return self._env.begin(buffers=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Lock out other threads of this process: a map that grows moves in memory and must not be read in the meantime."""
        with self._turn:
            try:
                yield
            except lmdb.Error as error:
                raise pages.explained(error, self.path) from None


_lock = threading.Lock()
_open: dict[Path, tuple[Store, int]] = {}


@contextmanager
def open_store(features: FeatureSet, progress: Progress | None = None) -> Iterator[Store]:
    """Open a feature set, creating it if needed. LMDB allows one handle per process, so threads share it.

    A set whose pages are damaged is moved aside, and deleted once a new one has been used without an error.

    Args:
        features: which set.
        progress: told if the set is damaged.

    Raises:
        StoreError: if it cannot be opened.
    """
    path = (folder() / features.id).resolve()
    with _lock:
        store, users = _open.get(path, (None, 0))
        if store is None:
            try:
                store = _opened(path, features, progress or Silent())
            except (lmdb.Error, OSError) as error:
                raise pages.explained(error, path) from None
        _open[path] = (store, users + 1)
    try:
        yield store
        shutil.rmtree(pages.aside(path), ignore_errors=True)
    finally:
        with _lock:
            users = _open[path][1] - 1
            if users:
                _open[path] = (store, users)
            else:
                del _open[path]
                store.close()


def _opened(path: Path, features: FeatureSet, progress: Progress) -> Store:
    with pages.lock(path):
        problem = pages.problem(path)
        if problem:
            _make_anew(path, problem, progress)
        write_text(path / DESCRIPTION, json.dumps(asdict(features) | {"used": time.time()}, indent=2) + "\n")
        return Store(path)


def _make_anew(path: Path, problem: str, progress: Progress) -> None:
    progress.say(f"The set {path.name} of the feature store is damaged ({problem}): its features are extracted again")
    pages.set_aside(path)
    path.mkdir()


def count(path: Path) -> int:
    """Return the number of records of a feature set, whether or not it is open in this process; -1 if it is damaged."""
    with _lock:
        store, _ = _open.get(path.resolve(), (None, 0))
        if store is not None:
            return store.records()
        try:
            with lmdb.open(str(path), readonly=True, lock=False) as env:
                return int(env.stat()["entries"])
        except (lmdb.Error, OSError):
            return -1
