"""Answers kept on disk until their table is whole: a hidden folder beside it, in which one process at a time works.

    .NAME.unfinished/
      lock             held by the process that works here
      facts.json       what the answers depend on, beside the files
      000000000128     answers for some segments, from this row on: an Arrow file that appears whole or not at all

A piece counts for as long as the files that it answers for are the same, by name, size and time.
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
import pyarrow as pa

from transfer.errors import RunError
from transfer.serving.batch import files
from transfer.serving.batch.rows import Rows
from transfer.system.files import taken_by_another, write_bytes, write_text

_LOCK, _FACTS, _TABLE = "lock", "facts.json", "table"
_LONGEST = 150  # bytes of the output's name that are part of the folder's; a name of a file has 255


class Pieces:
    """The hidden folder of one output.

    Attributes:
        folder: where it lies.
        table: where the table may be written before it is published.
    """

    def __init__(self, output: Path) -> None:
        name = os.fsencode(output.name)
        if len(name) > _LONGEST:
            name = name[: _LONGEST - 17] + b"-" + hashlib.sha256(name).hexdigest()[:16].encode()
        self._output, self.folder = output, output.with_name(f".{os.fsdecode(name)}.unfinished")
        self.table = self.folder / _TABLE

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Make the folder and keep other processes out for as long as the block lasts; it stays if there are answers in it.

        Raises:
            RunError: where another process is at work.
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
                    continue  # the process that had it has just finished and deleted the folder
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

    def begin(self, facts: dict[str, Any], paths: Sequence[str], segment: int) -> int:
        """Keep the pieces that still count, delete the others; return for how many files, from the first on, there are answers.

        Args:
            facts: what the answers depend on.
            paths: all files.
            segment: files that belong together.
        """
        text = json.dumps(facts, indent=1, sort_keys=True)
        same = self._facts() == text
        done = 0
        for file in self._files():
            piece = _read(file) if same else None
            if piece and int(file.name) == done and _answers_for(piece, paths[done : done + len(piece[1])], len(paths) - done, segment):
                done += len(piece[1])
            else:
                same = False  # what comes after a gap begins anew
                file.unlink()
        for left in self.folder.glob(".*"):  # by a process that was killed while it wrote
            left.unlink()
        write_text(self.folder / _FACTS, text)
        return done

    def _facts(self) -> str:
        try:
            return (self.folder / _FACTS).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.name.isdigit())

    def add(self, first: int, rows: Rows, digest: str) -> None:
        """Keep the answers for files, from number `first` on; `digest` is `files.together` of their segments' digests."""
        flat = pa.array(rows.probabilities.ravel())
        columns = {
            "error": pa.array(rows.errors, pa.string()),
            "ood_score": pa.array(rows.ood_score),
            "is_ood": pa.array(rows.is_ood),
            "probabilities": pa.FixedSizeListArray.from_arrays(flat, rows.probabilities.shape[1]),
        }
        table = pa.table(columns).replace_schema_metadata({"digest": digest})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        write_bytes(self.folder / f"{first:012}", sink.getvalue().to_pybytes())

    def kept(self) -> Iterator[Rows]:
        """Yield all answers, piece by piece."""
        for file in self._files():
            piece = _read(file)
            if piece is None:
                raise RunError(f"What was computed cannot be read any more. The same command computes it again. Received {str(file)!r}.")
            yield piece[1]

    def publish(self) -> None:
        """Give the table its final name, and delete everything else."""
        with self.table.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(self.table, self._output)
        self.delete()

    def delete(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _answers_for(piece: tuple[str, Rows], paths: Sequence[str], left: int, segment: int) -> bool:
    """Whether a piece holds the answers for these files, the next ones of so many that are left, in whole segments."""
    digest, rows = piece
    if not len(rows) or len(rows) > left or (len(rows) % segment and len(rows) != left):
        return False
    return digest == files.together([files.digest(paths[start : start + segment]) for start in range(0, len(paths), segment)])


def _read(file: Path) -> tuple[str, Rows] | None:
    """Return digest and rows of a piece; None where it is damaged."""
    try:
        table = pa.ipc.open_file(pa.BufferReader(file.read_bytes())).read_all().combine_chunks()
        probabilities = table["probabilities"].combine_chunks()
        width = probabilities.type.list_size
        arrays = [
            probabilities.flatten().to_numpy(zero_copy_only=False).reshape(-1, width),
            table["ood_score"].to_numpy(),
            table["is_ood"].to_numpy(),
        ]
        return table.schema.metadata[b"digest"].decode(), Rows(table["error"].to_pylist(), *map(np.asarray, arrays))
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, AttributeError):
        return None
