"""Answers kept on disk until their table is complete: a hidden folder beside it, in which one process at a time works.

    .NAME.unfinished/
      lock                 held by the process that works here
      facts.json           what the answers depend on, apart from the files
      000000000128.npz     answers for some segments, from this row on; appears whole or not at all, and ends with its checksum

A shard is valid as long as it is not damaged and the files that it covers are unchanged, by name, size, times and inode. Answers may
come in any order: what is missing between shards is computed by the next process.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, TypeAlias

import numpy as np

from transfer.data.reading import identity_of
from transfer.data.storage import is_remote
from transfer.errors import RunError
from transfer.serving.batch.outputs import Output
from transfer.serving.batch.tables import ARRAYS, Rows
from transfer.system.files import write_text
from transfer.system.locks import taken_by_another
from transfer.system.sealed import read_arrays, write_arrays

_LOCK, _FACTS, _TABLE, _ENDING = "lock", "facts.json", "table", ".npz"
IDENTITY = np.dtype("V16")

Identities: TypeAlias = Mapping[str, tuple[int, int, int, int]]
"""Objects -> what changes when they do; see `storage.Object`."""

NONE_KNOWN: Identities = MappingProxyType({})


class Shards:
    """The hidden folder of one output.

    Attributes:
        folder: its path.
        table: where the table is written before it is published.
    """

    def __init__(self, output: Output) -> None:
        self._output, self.folder = output, output.hidden
        self.table = self.folder / _TABLE

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create the folder and keep other processes out until the block ends; the folder stays if it holds answers.

        Raises:
            RunError: if another process holds the lock.
        """
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / _LOCK).open("a+", encoding="utf-8") as lock:
                if other := taken_by_another(lock):
                    raise RunError(
                        f"Another process ({other}) writes this --output. Wait until it has finished, or choose another name. "
                        f"Received {self._output.name!r}."
                    )
                if not self._still_there(lock):
                    continue  # the process that held it has just finished and deleted the folder
                try:
                    yield
                finally:
                    if self.folder.is_dir() and not self._files():
                        self.delete()
                return

    def _still_there(self, lock: IO[str]) -> bool:
        try:
            return os.path.samestat(os.fstat(lock.fileno()), os.stat(self.folder / _LOCK))
        except FileNotFoundError:
            return False

    def resume(self, facts: dict[str, Any], paths: Sequence[str], segment: int, known: Identities = NONE_KNOWN) -> tuple[list[int], int]:
        """Keep the shards that are still valid and delete the rest.

        Args:
            facts: what the answers depend on.
            paths: all files.
            segment: files in a segment.
            known: see `identities_of`.

        Returns:
            The first file of each segment that no shard covers, in order; and how many shards were damaged.
        """
        text = json.dumps(facts, indent=1, sort_keys=True)
        same = self._facts() == text
        covered = np.zeros(-(-len(paths) // segment), bool)
        damaged = 0
        for file in self._files():
            first, shard = int(file.stem), _read(file) if same else None
            damaged += same and shard is None
            if shard and _covers(shard, paths, first, segment, known):
                covered[first // segment : -(-(first + len(shard)) // segment)] = True
            else:
                file.unlink()
        for left in self.folder.glob(".*"):  # by a process killed while writing
            left.unlink()
        write_text(self.folder / _FACTS, text)
        return (np.flatnonzero(~covered) * segment).tolist(), damaged

    def _facts(self) -> str:
        try:
            return (self.folder / _FACTS).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.suffix == _ENDING and path.stem.isdigit())

    def add(self, first: int, rows: Rows) -> None:
        """Store the answers for some complete segments, whose first file has this number."""
        arrays = {name: getattr(rows, name) for name in ARRAYS}
        write_arrays(self.folder / f"{first:012}{_ENDING}", {"errors": np.array(rows.errors, np.str_), **arrays})

    def read(self) -> Iterator[Rows]:
        """Yield all answers, shard by shard."""
        for file in self._files():
            shard = _read(file)
            if shard is None:
                raise RunError(f"Stored answers cannot be read. Run the same command again to recompute them. Received {str(file)!r}.")
            yield shard

    def discard_table(self) -> None:
        """Delete a table that is not complete: it may have filled the disk."""
        if self.table.is_dir():
            shutil.rmtree(self.table)
        else:
            self.table.unlink(missing_ok=True)

    def publish(self) -> None:
        """Move the table to its final name and delete everything else."""
        self._output.publish(self.table)
        self.delete()

    def delete(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def identities_of(files: Sequence[str], known: Identities = NONE_KNOWN) -> np.ndarray:
    """Return a digest of each file's name and its identity (`reading.identity_of`), V16 [n]: it changes if the file does.

    Another file may have the same size and time, which can be set; not the same inode and time of the last change of any kind.

    Args:
        known: of objects, as their folders listed them; they are not asked again, and have none if it is not known.
    """
    return np.frombuffer(b"".join(_identity(file, known) for file in files), IDENTITY)


def identified(rows: Rows, files: Sequence[str], known: Identities) -> Rows:
    """Return rows with the identities of objects, which are known where they were listed and not where they are read."""
    objects = np.array([file in known for file in files], bool)
    if not objects.any():
        return rows
    identities = rows.identities.copy()
    identities[objects] = identities_of([file for file in files if file in known], known)
    return replace(rows, identities=identities)


def _identity(file: str, known: Identities) -> bytes:
    try:
        state = " ".join(map(str, known.get(file, ()) if is_remote(file) else identity_of(os.stat(file))))
    except OSError as error:
        state = f"error {error.errno}"
    return hashlib.sha256(b"%d " % len(name := os.fsencode(file)) + name + state.encode()).digest()[: IDENTITY.itemsize]


def _covers(shard: Rows, paths: Sequence[str], first: int, segment: int, known: Identities) -> bool:
    """Whether a shard holds the answers for the files from number `first` on, in complete segments."""
    stop = first + len(shard)
    if not len(shard) or first % segment or stop > len(paths) or (stop % segment and stop != len(paths)):
        return False
    return shard.identities.tobytes() == identities_of(paths[first:stop], known).tobytes()


def _read(file: Path) -> Rows | None:
    """Return the rows of a shard; None if it is damaged."""
    arrays = read_arrays(file)
    if arrays is None or not {"errors", *ARRAYS} <= set(arrays):
        return None
    return Rows(arrays["errors"].tolist(), *(arrays[name] for name in ARRAYS))
