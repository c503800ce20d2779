"""The feature store: extracted features, keyed by the content of the image.

One LMDB environment for each feature set (backbone, weights, size, decoder, precision) in the user's cache folder, with one
record for each (digest of the image bytes, view, cut point and pooling). LMDB was chosen because a record is complete or
absent even after kill -9, many processes can read while one writes, and reads are memory-mapped.
"""

import errno
import hashlib
import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import lmdb
import numpy as np

from transfer.errors import StoreError
from transfer.system.files import write_text
from transfer.system.home import cache_home

_FIRST_SIZE = 1 << 28
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
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

    @property
    def id(self) -> str:
        """Return the first 16 hexadecimal digits of the digest of all fields."""
        canonical = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def key(digest: str, view: str, output: str) -> bytes:
    """Return the key of a record: digest of the image's bytes, view (`0` is the plain image), output (cut point and pooling)."""
    return bytes.fromhex(digest) + hashlib.sha256(f"{view}/{output}".encode()).digest()[:16]


def folder() -> Path:
    """Return the folder of all feature sets."""
    return cache_home() / "features"


class Store:
    """One feature set, open for reading and writing. Use `open_store`, not the constructor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        # Other processes may have grown the map; it must not be opened smaller than the file.
        size = max(_FIRST_SIZE, 2 * _bytes(path))
        self._env = lmdb.open(str(path), map_size=size, max_readers=512, readahead=False, meminit=False)
        self._turn = threading.Lock()
        try:
            self._require_whole()
        except lmdb.Error:
            self.close()
            raise

    def close(self) -> None:
        """Release the environment."""
        self._env.close()

    def records(self) -> int:
        """Return the number of records."""
        with self._alone():
            return int(self._env.stat()["entries"])

    def _require_whole(self) -> None:
        """Refuse a truncated file: reading past its end through a memory map would kill the process."""
        needed = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
        if _bytes(self.path) < needed:
            raise lmdb.CorruptedError(f"its file is cut short ({_bytes(self.path)} of {needed} bytes)")

    def has(self, keys: Iterable[bytes]) -> list[bool]:
        """Return for each key whether it has a record."""
        with self._reading() as transaction:
            return [transaction.get(key) is not None for key in keys]

    def get(self, keys: Iterable[bytes], dtype: np.dtype, out: np.ndarray | None = None) -> np.ndarray:
        """Return the records of all keys as one array [n, width].

        Raises:
            StoreError: if a record is missing, for example pruned in the meantime.
        """
        wanted = list(keys)
        rows: list[np.ndarray] = []
        with self._reading() as transaction:
            for number, name in enumerate(wanted):
                record = transaction.get(name)
                if record is None:
                    raise StoreError(f"The feature store lost a record while it was in use. Run the command again. Store: {self.path}")
                if out is None:
                    rows.append(np.frombuffer(record, dtype).copy())
                else:
                    out[number] = np.frombuffer(record, dtype)
        return np.stack(rows) if out is None else out

    def put(self, records: Mapping[bytes, bytes]) -> None:
        """Write records atomically, all or none, and flush them to disk."""
        with self._alone():
            while True:
                try:
                    with self._env.begin(write=True) as transaction:
                        for name, value in records.items():
                            transaction.put(name, value)
                    return
                except lmdb.MapFullError:
                    self._env.set_mapsize(2 * self._env.info()["map_size"])
                except lmdb.MapResizedError:
                    self._env.set_mapsize(0)

    def notes(self, digests: Iterable[str]) -> dict[str, str]:
        """Return which of these images could not be decoded: digest -> reason."""
        found = {}
        with self._reading() as transaction:
            for digest in digests:
                reason = transaction.get(key(digest, "0", "undecodable"))
                if reason is not None:
                    found[digest] = bytes(reason).decode()
        return found

    def note_undecodable(self, reasons: Mapping[str, str]) -> None:
        """Record images that cannot be decoded, so that they are not tried again."""
        self.put({key(digest, "0", "undecodable"): reason.encode() for digest, reason in reasons.items()})

    @contextmanager
    def _reading(self) -> Iterator[lmdb.Transaction]:
        with self._alone():
            try:
                transaction = self._env.begin(buffers=True)
            except lmdb.MapResizedError:
                self._env.set_mapsize(0)
                transaction = self._env.begin(buffers=True)
            with transaction:
                yield transaction

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Lock out other threads of this process: a map that grows moves in memory and must not be read in the meantime."""
        with self._turn:
            try:
                yield
            except lmdb.Error as error:
                raise _explained(error, self.path) from None


_lock = threading.Lock()
_open: dict[Path, tuple[Store, int]] = {}


@contextmanager
def open_store(features: FeatureSet) -> Iterator[Store]:
    """Open a feature set, creating it if needed. LMDB allows one handle per process, so threads share it.

    Raises:
        StoreError: if it cannot be opened.
    """
    path = (folder() / features.id).resolve()
    with _lock:
        store, users = _open.get(path, (None, 0))
        if store is None:
            try:
                write_text(path / DESCRIPTION, json.dumps(asdict(features) | {"used": time.time()}, indent=2) + "\n")
                store = Store(path)
            except (lmdb.Error, OSError) as error:
                raise _explained(error, path) from None
        _open[path] = (store, users + 1)
    try:
        yield store
    finally:
        with _lock:
            users = _open[path][1] - 1
            if users:
                _open[path] = (store, users)
            else:
                del _open[path]
                store.close()


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


def _bytes(path: Path) -> int:
    data = path / "data.mdb"
    return data.stat().st_size if data.exists() else 0


def _explained(error: Exception, path: Path) -> StoreError:
    text = str(error)
    if "No space left" in text:
        return StoreError(
            "The disk of the feature store is full. Completed work is kept: free some space (transfer store prune), then "
            f"run the same command again. Store: {path}"
        )
    if isinstance(error, OSError) and error.errno in _NOT_WRITABLE:  # nothing is damaged
        return StoreError(
            f"The feature store cannot be written: {error.strerror}. Set TRANSFER_HOME to a folder that you can write, or change the "
            f"permissions. Store: {path}"
        )
    return StoreError(
        f"The feature store cannot be used: {text}. If it is damaged, delete it (it is rebuilt when needed): transfer store prune "
        f"--set {path.name}. Store: {path}"
    )
