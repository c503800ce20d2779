"""Prediction of any number of files into a table: in bounded memory, continued where it was interrupted."""

import hashlib
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transfer import __version__
from transfer.data.decoding import DECODER_VERSION
from transfer.errors import RunError
from transfer.exporters.served import Served
from transfer.reports.predicted import Summary
from transfer.serving.batch import answering, files, tables
from transfer.serving.batch.images import Decoder, settings_of
from transfer.serving.batch.pieces import Pieces
from transfer.serving.batch.request import Request, require_free
from transfer.serving.batch.rows import Rows
from transfer.system.progress import Advance, Progress

_SECONDS = 10.0  # after which what was computed is written to the disk
_BYTES = 1 << 25  # or as soon as it takes so much memory


def carry_out(request: Request, progress: Progress) -> Summary:
    """Predict all files of a request, and write its table if it asks for one.

    The table appears whole or not at all. What is computed before an interruption is kept in a hidden folder beside it, and
    the same request goes on from there, if the export, the settings and the files (names, sizes, times) are the same; the
    table then has the same bytes as without an interruption.

    Raises:
        DataError: where something has taken the place of the table.
        RunError: where the export cannot be loaded or fails, another process writes the same table, or the disk is full.
    """
    if request.output is None:
        return _summarised(request, progress)
    pieces = Pieces(request.output)
    with pieces.alone():
        require_free(request.output, request.overwrite)
        work = _Work(request)
        done = pieces.begin(work.facts(), request.files, work.step)
        if done:
            progress.say(f"Continued: {done:,} of {len(request.files):,} files were done before.")
        with progress.step("Predicting", len(request.files) - done) as advance:
            for first, rows, digest in _piecewise(work.answers(done, advance), done):
                pieces.add(first, rows, digest)
        summary = _written(pieces, request, work.served.labels)
        pieces.publish()
    return summary


class _Work:
    """A request with its export loaded.

    Attributes:
        served: the export.
        step: files of a segment.
    """

    def __init__(self, request: Request) -> None:
        self._request, self.served = request, Served(request.run.export)
        self._decoder = Decoder(settings_of(request.run, self.served.size))
        self._batch_size = request.batch_size or answering.batch_of(self.served.size)
        self.step = answering.segment_size(self._batch_size)

    def facts(self) -> dict[str, Any]:
        """Return what the answers depend on, beside the files themselves."""
        settings = self._decoder.image_spec
        return {
            "export": _digest_of(self._request.run.export), "batch_size": self._batch_size, "size": settings.size,
            "resize": settings.data.resize, "max_megapixels": settings.data.max_megapixels, "decoder": DECODER_VERSION,
            "version": __version__,
        }  # fmt: skip

    def answers(self, done: int, advance: Advance) -> Iterator[tuple[Rows, str]]:
        """Yield the rows of each segment from file number `done` on, with the digest of its files before they were read."""
        paths, digests = self._request.files, deque[str]()

        def segments() -> Iterator[Sequence[str]]:
            for start in range(done, len(paths), self.step):
                own = paths[start : start + self.step]
                digests.append(files.digest(own))
                yield own

        for rows in answering.answers(self.served, self._decoder, segments(), self._batch_size, advance):
            yield rows, digests.popleft()


def _digest_of(export: Path) -> str:
    found = hashlib.sha256(export.name.encode())
    for path in sorted(path for path in export.rglob("*") if path.is_file() and path.parent.name != "assets.extra"):
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


def _piecewise(answers: Iterator[tuple[Rows, str]], first: int) -> Iterator[tuple[int, Rows, str]]:
    """Yield what is to be kept together: number of the first file, rows, digest. What an interruption leaves over as well."""
    held: list[tuple[Rows, str]] = []
    since = time.monotonic()

    def piece() -> tuple[int, Rows, str]:
        nonlocal first, since
        rows = Rows.joined([part for part, _ in held])
        found = first, rows, files.together([digest for _, digest in held])
        held.clear()
        first, since = first + len(rows), time.monotonic()
        return found

    try:
        for answer in answers:
            held.append(answer)
            if time.monotonic() - since >= _SECONDS or sum(rows.size for rows, _ in held) >= _BYTES:
                yield piece()
    except (KeyboardInterrupt, RunError):
        if held:
            yield piece()
        raise
    if held:
        yield piece()


def _written(pieces: Pieces, request: Request, labels: list[str]) -> Summary:
    """Write the table from all pieces, but do not publish it."""
    assert request.output is not None
    summary = Summary()
    start = 0
    try:
        with tables.writing(pieces.table, request.output.suffix.lower()) as add:
            for rows in pieces.kept():
                table = rows.table(request.files[start : start + len(rows)], labels)
                start += len(rows)
                summary.add(table)
                add(table)
    except BaseException:
        pieces.table.unlink(missing_ok=True)  # may have filled the disk
        raise
    return summary


def _summarised(request: Request, progress: Progress) -> Summary:
    work, summary = _Work(request), Summary()
    start = 0
    with progress.step("Predicting", len(request.files)) as advance:
        for rows, _ in work.answers(0, advance):
            summary.add(rows.table(request.files[start : start + len(rows)], work.served.labels))
            start += len(rows)
    return summary
