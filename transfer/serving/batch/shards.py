"""Answers kept on disk until their table is complete: a hidden folder beside it, in which one process at a time works.

    .NAME.unfinished/
      lock                 held by the process that works here
      facts.json           what the answers depend on, apart from the files
      000000000128.npz     answers for some segments, from this row on; appears whole or not at all, and ends with its checksum

A shard is valid as long as it is not damaged and the files that it covers are unchanged, by name, size, times and inode.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from transfer.data.reading import present_identity
from transfer.errors import RunError
from transfer.serving.batch.tables import Rows
from transfer.system.files import write_text
from transfer.system.locks import taken_by_another
from transfer.system.sealed import read_arrays, write_arrays

_LOCK, _FACTS, _TABLE, _ENDING = "lock", "facts.json", "table", ".npz"
_LONGEST = 150  # bytes of the output's name used in the folder's name; file names may have 255


class Shards:
    """The hidden folder of one output.

    Attributes:
        folder: its path.
        table: where the table is written before it is published.
    """

    def __init__(self, output: Path) -> None:
        name = os.fsencode(output.name)
        if len(name) > _LONGEST:
            name = name[: _LONGEST - 17] + b"-" + hashlib.sha256(name).hexdigest()[:16].encode()
        self._output, self.folder = output, output.with_name(f".{os.fsdecode(name)}.unfinished")
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
                        f"Received {str(self._output)!r}."
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

    def resume(self, facts: dict[str, Any], paths: Sequence[str], segment: int) -> tuple[int, bool]:
        """Keep the shards that are still valid and delete the rest.

        Args:
            facts: what the answers depend on.
            paths: all files.
            segment: files in a segment.

        Returns:
            The number of files, from the first, that the shards cover, and whether they end before one that is damaged.
        """
        text = json.dumps(facts, indent=1, sort_keys=True)
        same = self._facts() == text
        done, damaged = 0, False
        for file in self._files():
            shard = _read(file) if same else None
            if shard and int(file.stem) == done and _covers(shard, paths[done : done + len(shard[1])], len(paths) - done, segment):
                done += len(shard[1])
            else:
                damaged |= same and shard is None
                same = False  # everything after a gap is computed again
                file.unlink()
        for left in self.folder.glob(".*"):  # by a process killed while writing
            left.unlink()
        write_text(self.folder / _FACTS, text)
        return done, damaged

    def _facts(self) -> str:
        try:
            return (self.folder / _FACTS).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.suffix == _ENDING and path.stem.isdigit())

    def add(self, first: int, rows: Rows, digest: str) -> None:
        """Store the answers for files, from number `first` on; `digest` is `combined` over their segments' digests."""
        texts = {"digest": np.array(digest), "errors": np.array(rows.errors, np.str_)}
        numbers = {"probabilities": rows.probabilities, "ood_score": rows.ood_score, "is_ood": rows.is_ood}
        write_arrays(self.folder / f"{first:012}{_ENDING}", texts | numbers)

    def read(self) -> Iterator[Rows]:
        """Yield all answers, shard by shard."""
        for file in self._files():
            shard = _read(file)
            if shard is None:
                raise RunError(f"Stored answers cannot be read. Run the same command again to recompute them. Received {str(file)!r}.")
            yield shard[1]

    def publish(self) -> None:
        """Move the table to its final name and delete everything else."""
        with self.table.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(self.table, self._output)
        self.delete()

    def delete(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def files_digest(files: Sequence[str]) -> str:
    """Return a digest of names and of what `present_identity` says: unchanged as long as no file is changed, added or removed.

    Another file may have the same size and time, which can be set; not the same inode and time of the last change of any kind.
    """
    found = hashlib.sha256()
    for file in files:
        try:
            state = " ".join(map(str, present_identity(file)))
        except OSError as error:
            state = f"error {error.errno}"
        found.update(b"%d " % len(name := os.fsencode(file)) + name + state.encode() + b"\n")
    return found.hexdigest()


def combined(digests: Sequence[str]) -> str:
    """Return one digest of several."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _covers(shard: tuple[str, Rows], paths: Sequence[str], left: int, segment: int) -> bool:
    """Whether a shard holds the answers for these files, the next of `left` remaining ones, in complete segments."""
    digest, rows = shard
    if not len(rows) or len(rows) > left or (len(rows) % segment and len(rows) != left):
        return False
    return digest == combined([files_digest(paths[start : start + segment]) for start in range(0, len(paths), segment)])


def _read(file: Path) -> tuple[str, Rows] | None:
    """Return the digest and the rows of a shard; None if it is damaged."""
    arrays = read_arrays(file)
    if arrays is None or not {"digest", "errors", "probabilities", "ood_score", "is_ood"} <= set(arrays):
        return None
    return str(arrays["digest"]), Rows(arrays["errors"].tolist(), arrays["probabilities"], arrays["ood_score"], arrays["is_ood"])
