"""Prediction of any number of files into a table, in bounded memory; an interrupted one continues where it stopped."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from transfer import __version__, engines
from transfer.data.decoding import DECODER_VERSION
from transfer.data.decoding.to_8_bits import range_text
from transfer.errors import TransferError
from transfer.exporters import foreign
from transfer.exporters.compute import choice
from transfer.exporters.compute.facts import Preference
from transfer.reports.predicted import Summary
from transfer.serving.batch import tables, workers
from transfer.serving.batch.answering import Predictor
from transfer.serving.batch.request import PredictRequest
from transfer.serving.batch.shards import Shards, identified
from transfer.serving.batch.tables import Rows
from transfer.system.progress import Progress

_FORMAT = 2  # of the answers on disk
_SECONDS = 10.0  # after which new answers are written to disk
_BYTES = 1 << 25  # or as soon as they take this much memory


def carry_out(request: PredictRequest, progress: Progress) -> Summary:
    """Predict all files of a request, and write its table if it has an output.

    The table appears whole or not at all. Answers computed before an interruption are kept in a hidden folder beside it; the
    same request continues from them if the export, the settings and the files (names, sizes, times) are unchanged, and its
    table has the same bytes as that of an uninterrupted prediction.

    Raises:
        DataError: if a file has meanwhile appeared at the output.
        EngineError: if Ray is asked for, and cannot be used.
        RunError: if the export cannot be loaded or fails, or another process writes the same table.
        OSError: if the disk is full.
    """
    if request.output is None:
        return _summarised(request, progress)
    shards = Shards(request.output)
    with shards.locked():
        request.output.require_free(request.overwrite)
        predictor = _predictor(request, progress)
        missing, damaged = shards.resume(_facts(request.run.export, predictor), request.files, predictor.segment, request.known)
        files = [file for first in missing for file in request.files[first : first + predictor.segment]]
        if damaged:
            progress.say("Stored answers are damaged: they are computed again.")
        if len(files) < len(request.files):
            progress.say(f"Continued: {len(request.files) - len(files):,} of {len(request.files):,} files were done before.")
        if files:
            with _answered(request, predictor, files, progress) as found:
                _collect(_numbered(found, missing, predictor.segment, request), shards.add)
        summary = _written(shards, request, predictor.served.labels)
        shards.publish()
    return summary


@contextmanager
def _answered(
    request: PredictRequest, predictor: Predictor, files: Sequence[str], progress: Progress
) -> Iterator[Iterator[tuple[int, Rows]]]:
    """Yield the answers for files, by the engine of the request; see `workers.answered`."""
    with engines.opened(request.engine, progress) as engine, progress.step(engine.titled("Predicting"), len(files)) as advance:
        threads = max(1, math.ceil(request.engine.cpus_per_worker))
        with closing(workers.answered(engine, predictor, request.run, files, advance, threads)) as found:
            yield found


def rows_of(request: PredictRequest, progress: Progress) -> tuple[Rows, list[str]]:
    """Predict all files of a request; return their rows, in order, and the class names."""
    predictor = _predictor(request, progress)
    with _answered(request, predictor, request.files, progress) as found:
        return Rows.joined(list(workers.in_order(found))), predictor.served.labels


def _predictor(request: PredictRequest, progress: Progress) -> Predictor:
    run = request.run
    classifier = choice.load(run.export, Preference.of(run, request.compute), progress.say, run.trust)
    return Predictor.of(run, classifier, request.batch_size, request.connections)


def _facts(export: Path, predictor: Predictor) -> dict[str, Any]:
    """Return what the answers depend on, apart from the files."""
    settings = predictor.decoder.image_spec
    return {
        "format": _FORMAT, "export": foreign.digest(export), "batch_size": predictor.batch_size,
        "size": settings.size, "resize": settings.data.resize,
        "max_megapixels": settings.data.max_megapixels, "value_range": range_text(settings.value_range),
        "decoder": DECODER_VERSION, "version": __version__, "engine": predictor.classifier.engine,
    }  # fmt: skip


def _numbered(
    found: Iterable[tuple[int, Rows]], missing: Sequence[int], segment: int, request: PredictRequest
) -> Iterator[tuple[int, Rows]]:
    """Yield segments of the files that were missing with their numbers among all files, and their identities."""
    for position, rows in found:
        first = missing[position // segment]
        yield first, identified(rows, request.files[first : first + segment], request.known)


def _collect(found: Iterable[tuple[int, Rows]], store: Callable[[int, Rows], None]) -> None:
    """Store segments, in any order, some at a time: number of the first file, rows. An interruption still stores what was collected."""
    held: dict[int, Rows] = {}
    since = time.monotonic()
    try:
        for first, rows in found:
            held[first] = rows
            if time.monotonic() - since >= _SECONDS or sum(own.size for own in held.values()) >= _BYTES:
                _store(held, store)
                since = time.monotonic()
    except (KeyboardInterrupt, TransferError):
        _store(held, store)
        raise
    _store(held, store)


def _store(held: dict[int, Rows], store: Callable[[int, Rows], None]) -> None:
    """Store what is held, consecutive segments together, and hold it no longer."""
    together: list[Rows] = []
    start = expected = 0
    for first in sorted(held):
        if together and first != expected:
            store(start, Rows.joined(together))
            together = []
        start = start if together else first
        together.append(held[first])
        expected = first + len(held[first])
    if together:
        store(start, Rows.joined(together))
    held.clear()


def _written(shards: Shards, request: PredictRequest, labels: list[str]) -> Summary:
    """Write the table from all shards, but do not publish it."""
    assert request.output is not None
    summary = Summary()
    start = 0
    shards.discard_table()  # of a process that was killed while it wrote, or could not publish
    try:
        with tables.writing(shards.table, request.output.kind) as add:
            for rows in shards.read():
                table = rows.table(request.files[start : start + len(rows)], labels)
                start += len(rows)
                summary.add(table)
                add(table)
    except BaseException:
        shards.discard_table()
        raise
    return summary


def _summarised(request: PredictRequest, progress: Progress) -> Summary:
    predictor, summary = _predictor(request, progress), Summary()
    start = 0
    with _answered(request, predictor, request.files, progress) as found:
        for rows in workers.in_order(found):
            summary.add(rows.table(request.files[start : start + len(rows)], predictor.served.labels))
            start += len(rows)
    return summary
