"""What connects the routes to the model: admission, the queue, and waiting for the answer."""

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from transfer.errors import RunError
from transfer.serving import big_json, tf_json
from transfer.serving.admission import Admitted
from transfer.serving.batching import Batcher
from transfer.serving.bodies import Held, Need
from transfer.serving.metrics import Metrics
from transfer.serving.model import DEFAULT, Loaded, Signature, grey
from transfer.serving.pieces import Answer, Limits, Piece, new_piece, pieces_of, result_of
from transfer.serving.refusals import ImageError, too_many_images
from transfer.serving.settings import MEGA, Settings
from transfer.serving.tf_json import Question
from transfer.serving.transcoding import Transcoder
from transfer.serving.versions import Versions
from transfer.system import memory

_INLINE = 1 << 16
"""Bytes of JSON that are parsed at once; a larger body is given to another thread."""


class Engine:
    """One server's model and its queue.

    Attributes:
        settings: limits and times.
        versions: the model's versions.
        metrics: counters.
        held: memory of requests in progress.
    """

    def __init__(self, settings: Settings, versions: Versions, reference_file: Path | None = None) -> None:
        """Prepare; `start` starts.

        Args:
            reference_file: the sample of training images kept with the run; None: no neighbours are shown.
        """
        self.settings, self.versions, self.metrics = settings, versions, Metrics()
        self.held = Held(settings.held_mb * MEGA)
        rows, size, pixels = settings.batch_of(versions.current.side), settings.batch_mb * MEGA, settings.batch_megapixels * MEGA
        self._limits = Limits(rows, size, pixels, settings.queue_images, settings.request_seconds)
        counts = self.metrics
        self._batcher = Batcher(
            self._limits, tf.errors.InvalidArgumentError, counts.batch.observe, settings.batches, counts.threads_replaced.inc
        )
        self._transcoder = Transcoder(settings.max_megapixels, settings.request_seconds)
        self._parser = ThreadPoolExecutor(1, "parser")  # one at a time: ten million values take a gigabyte
        self._probe: asyncio.Task[bool] | None = None
        self._reference_file, self._reference = reference_file, None  # type: Path | None, Any
        self._reading = threading.Lock()
        self._watching: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the model's threads, and the watch for new versions."""
        self._batcher.start()
        self._watching.append(asyncio.create_task(self.versions.watch(self.settings.poll_seconds)))
        self._watching.append(asyncio.create_task(self._tidy()))

    async def stop(self) -> None:
        """Stop both; requests in progress must have ended."""
        for task in self._watching:
            task.cancel()
        await asyncio.to_thread(self._batcher.stop, self.settings.stop_seconds)
        await self._transcoder.stop()
        self._parser.shutdown(wait=False, cancel_futures=True)

    def read_metrics(self) -> bytes:
        """Return the counters in Prometheus's text format."""
        self._note()
        return self.metrics.text()

    async def _tidy(self) -> None:
        """Every second note what another worker may be asked for, and give back memory after large requests."""
        while True:
            self._note()
            if self.held.rested():
                await asyncio.to_thread(memory.give_back)
            await asyncio.sleep(1)

    def _note(self) -> None:
        self.metrics.waiting.set(self._batcher.waiting)
        self.metrics.held.set(self.held.now)
        self.metrics.version.set(self.versions.current.version)

    async def healthy(self) -> bool:
        """Return whether the model answers: it did not long ago, or does now, before all others, for a tiny image."""
        if self._batcher.answered_at and time.monotonic() - self._batcher.answered_at < self.settings.health_seconds:
            return True
        if self._probe is None or self._probe.done():  # one for all who ask
            self._probe = asyncio.create_task(self._answers())
        return await asyncio.shield(self._probe)

    async def _answers(self) -> bool:
        loaded = self.versions.current
        image = grey(loaded.side)
        key = (loaded.version, DEFAULT)
        piece = new_piece(key, loaded.signatures[DEFAULT].run, {"image_bytes": [image]}, [len(image)], [loaded.side**2])
        try:
            async with asyncio.timeout(self.settings.health_seconds):
                self._batcher.submit_first(piece)
                await piece.future
            return True
        except Exception:  # whatever the model raises, or no answer in time
            return False
        finally:
            self._batcher.drop([piece])

    async def parsed(self, loaded: Loaded, body: bytes) -> Question:
        """Parse a request of TensorFlow Serving's form, a large one in another thread.

        Raises:
            RefusedError: as `tf_json.parse`.
        """
        parse = partial(tf_json.parse, body, loaded.signatures, self.settings.max_images)
        if len(body) <= _INLINE:
            return parse()
        light = await asyncio.to_thread(lambda: None if big_json.is_heavy(body) else parse())
        if light is not None:
            return light
        return await asyncio.get_running_loop().run_in_executor(self._parser, parse)

    async def rows(self, loaded: Loaded, signature: Signature, inputs: Mapping[str, Any], rows: int) -> Answer:
        """Compute all rows of a request, or none.

        Raises:
            ImageError: if a row is bad, with its position.
            RefusedError: 413, 429.
        """
        self._check_count(rows)
        ready = dict(inputs)
        sizes, pixels = [0] * rows, [loaded.side**2] * rows
        with self.held.account() as need:
            for name, kind in signature.inputs.items():
                if kind.is_string:
                    admitted = await self._admitted(loaded, ready[name], need)
                    ready[name] = [image.data for image in admitted]
                    sizes, pixels = [len(image.data) for image in admitted], [image.pixels for image in admitted]
            pieces = []
            for part in pieces_of(rows, sizes, pixels, self._limits):
                own = {name: value[part] for name, value in ready.items()}
                pieces.append(new_piece((loaded.version, signature.name), signature.run, own, sizes[part], pixels[part]))
            results = await self._computed(pieces)
        parts, start = [], 0
        for piece, result in zip(pieces, results, strict=True):
            if isinstance(result, ImageError):
                raise ImageError(result.text, start + result.position)
            parts.append(result)
            start += piece.rows
        return parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    async def images(self, loaded: Loaded, images: Sequence[bytes]) -> list[Answer | ImageError]:
        """Classify each image independently: a bad one does not affect the answers for the others."""
        self._check_count(len(images))
        signature = loaded.signatures[DEFAULT]
        with self.held.account() as need:
            results: list[Any] = await self._verdicts(loaded, images, need)
            good = [number for number, result in enumerate(results) if not isinstance(result, ImageError)]
            pieces = []
            for admitted in (results[number] for number in good):
                inputs = {"image_bytes": [admitted.data]}
                pieces.append(new_piece((loaded.version, signature.name), signature.run, inputs, [len(admitted.data)], [admitted.pixels]))
            for number, result in zip(good, await self._computed(pieces), strict=True):
                results[number] = result
        bad = sum(isinstance(result, ImageError) for result in results)
        self._count(len(results) - bad, bad)
        return results

    async def explain(self, loaded: Loaded, image: bytes, class_name: str | None) -> dict[str, Any]:
        """Explain one image, for the page.

        Raises:
            ImageError, RefusedError: as in `rows`.
            DataError: if there is no such class.
        """
        from transfer.serving.explanation import explain

        def run(inputs: Mapping[str, Any]) -> Any:
            return [explain(loaded.served, self._neighbours(), inputs["image"][0], class_name)]

        with self.held.account() as need:
            (admitted,) = await self._admitted(loaded, [image], need)
            piece = new_piece(object(), run, {"image": [admitted.data]}, [len(admitted.data)], [admitted.pixels])
            (result,) = await self._computed([piece])
        if isinstance(result, ImageError):
            raise result
        answer: dict[str, Any] = result[0]
        return answer

    def _neighbours(self) -> Any:
        """Return the sample of training images, read on first use in one of the model's threads."""
        with self._reading:
            if self._reference is None and self._reference_file is not None and self._reference_file.exists():
                from transfer.evaluation.ood import Reference

                try:
                    self._reference = Reference.read(self._reference_file)
                except (OSError, ValueError, KeyError, RunError):
                    self._reference_file = None
            return self._reference

    def _check_count(self, rows: int) -> None:
        if rows > self.settings.max_images:
            raise too_many_images(self.settings.max_images, rows)

    async def _verdicts(self, loaded: Loaded, images: Sequence[bytes], need: Need) -> list[Admitted | ImageError]:
        own = self.settings
        return await self._transcoder.admit(images, own.most_megapixels, loaded.served.value_range, need)

    async def _admitted(self, loaded: Loaded, images: Sequence[bytes], need: Need) -> list[Admitted]:
        admitted = []
        for verdict in await self._verdicts(loaded, images, need):
            if isinstance(verdict, ImageError):
                self._count(0, 1)
                raise verdict
            admitted.append(verdict)
        return admitted

    def _count(self, good: int, bad: int) -> None:
        if good:
            self.metrics.answered.inc(good)
        if bad:
            self.metrics.refused.inc(bad)

    async def _computed(self, pieces: Sequence[Piece]) -> list[Any]:
        """Return the result of each piece, or its `ImageError`; if this is cancelled, they are dropped."""
        if not pieces:
            return []
        self._batcher.submit(pieces)
        try:
            if len(pieces) > 1:
                await asyncio.wait([piece.future for piece in pieces])
            return [await result_of(piece) for piece in pieces]
        except asyncio.CancelledError:
            self._batcher.drop(pieces)
            raise
