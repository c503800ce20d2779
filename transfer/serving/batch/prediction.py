"""Prediction of any number of files into a table, in bounded memory; an interrupted one continues where it stopped."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transfer import __version__
from transfer.data.decoding import DECODER_VERSION
from transfer.data.decoding.to_8_bits import range_text
from transfer.errors import RunError
from transfer.exporters import foreign
from transfer.exporters.compute import choice
from transfer.exporters.compute.facts import Preference
from transfer.reports.predicted import Summary
from transfer.serving.batch import tables
from transfer.serving.batch.answering import Predictor
from transfer.serving.batch.request import PredictRequest, require_free
from transfer.serving.batch.shards import Shards, combined, files_digest
from transfer.serving.batch.tables import Rows
from transfer.system.progress import Progress

_SECONDS = 10.0  # after which new answers are written to disk
_BYTES = 1 << 25  # or as soon as they take this much memory


def carry_out(request: PredictRequest, progress: Progress) -> Summary:
    """Predict all files of a request, and write its table if it has an output.

    The table appears whole or not at all. Answers computed before an interruption are kept in a hidden folder beside it; the
    same request continues from them if the export, the settings and the files (names, sizes, times) are unchanged, and its
    table has the same bytes as that of an uninterrupted prediction.

    Raises:
        DataError: if a file has meanwhile appeared at the output.
        RunError: if the export cannot be loaded or fails, or another process writes the same table.
        OSError: if the disk is full.
    """
    if request.output is None:
        return _summarised(request, progress)
    shards = Shards(request.output)
    with shards.locked():
        require_free(request.output, request.overwrite)
        predictor = _predictor(request, progress)
        done, damaged = shards.resume(_facts(request.run.export, predictor), request.files, predictor.segment)
        if damaged:
            progress.say(f"Stored answers are damaged: from file {done + 1:,} on, all are computed again.")
        if done:
            progress.say(f"Continued: {done:,} of {len(request.files):,} files were done before.")
        with progress.step("Predicting", len(request.files) - done) as advance:
            digests: list[str] = []
            answers = predictor.answers(request.files[done:], advance, lambda files: digests.append(files_digest(files)))
            for first, rows, digest in _in_shards(((rows, digests.pop(0)) for rows in answers), done):
                shards.add(first, rows, digest)
        summary = _written(shards, request, predictor.served.labels)
        shards.publish()
    return summary


def _predictor(request: PredictRequest, progress: Progress) -> Predictor:
    run = request.run
    classifier = choice.load(run.export, Preference.of(run, request.compute), progress.say, run.trust)
    return Predictor.of(run, classifier, request.batch_size)


def _facts(export: Path, predictor: Predictor) -> dict[str, Any]:
    """Return what the answers depend on, apart from the files."""
    settings = predictor.decoder.image_spec
    return {
        "export": foreign.digest(export), "batch_size": predictor.batch_size, "size": settings.size, "resize": settings.data.resize,
        "max_megapixels": settings.data.max_megapixels, "value_range": range_text(settings.value_range),
        "decoder": DECODER_VERSION, "version": __version__, "engine": predictor.classifier.engine,
    }  # fmt: skip


def _in_shards(answers: Iterator[tuple[Rows, str]], first: int) -> Iterator[tuple[int, Rows, str]]:
    """Collect segments into shards: number of the first file, rows, digest. An interruption still yields what was collected."""
    held: list[tuple[Rows, str]] = []
    since = time.monotonic()

    def shard() -> tuple[int, Rows, str]:
        nonlocal first, since
        rows = Rows.joined([part for part, _ in held])
        found = first, rows, combined([digest for _, digest in held])
        held.clear()
        first, since = first + len(rows), time.monotonic()
        return found

    try:
        for answer in answers:
            held.append(answer)
            if time.monotonic() - since >= _SECONDS or sum(rows.size for rows, _ in held) >= _BYTES:
                yield shard()
    except (KeyboardInterrupt, RunError):
        if held:
            yield shard()
        raise
    if held:
        yield shard()


def _written(shards: Shards, request: PredictRequest, labels: list[str]) -> Summary:
    """Write the table from all shards, but do not publish it."""
    assert request.output is not None
    summary = Summary()
    start = 0
    try:
        with tables.writing(shards.table, request.output.suffix.lower()) as add:
            for rows in shards.read():
                table = rows.table(request.files[start : start + len(rows)], labels)
                start += len(rows)
                summary.add(table)
                add(table)
    except BaseException:
        shards.table.unlink(missing_ok=True)  # may have filled the disk
        raise
    return summary


def _summarised(request: PredictRequest, progress: Progress) -> Summary:
    predictor, summary = _predictor(request, progress), Summary()
    start = 0
    with progress.step("Predicting", len(request.files)) as advance:
        for rows in predictor.answers(request.files, advance):
            summary.add(rows.table(request.files[start : start + len(rows)], predictor.served.labels))
            start += len(rows)
    return summary
