"""Clients' unusual images: their headers are read first, then they become PNG, one at a time, as each takes hundreds of megabytes.

An image that is being decoded cannot be interrupted. So its work is bounded before it starts: by its pixels, and by refusing what
would wait too long behind others. An image whose client has gone, or whose time is over, leaves the queue.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from transfer.data.decoding.to_8_bits import Range
from transfer.serving import admission
from transfer.serving.admission import Admitted
from transfer.serving.bodies import Need
from transfer.serving.refusals import ImageError, RefusedError, busy
from transfer.serving.settings import MEGA

_HISTORY = 0.2  # weight of the newest image in the running mean of seconds a pixel


class Transcoder:
    """The threads, and the queue in front of the one that decodes.

    Attributes:
        pixels: of the images that wait or are being decoded.
        seconds_per_pixel: running mean.
    """

    def __init__(self, seconds: float) -> None:
        """Prepare; an image that would wait for more than `seconds` is refused."""
        self._seconds = seconds
        self._headers, self._decoding = ThreadPoolExecutor(1, "headers"), ThreadPoolExecutor(1, "transcoder")
        self.pixels, self.seconds_per_pixel = 0, 0.0

    async def admit(
        self, images: Sequence[bytes], max_megapixels: float, together: float, value_range: Range | None, need: Need
    ) -> list[Admitted | ImageError]:
        """Return for each image of a request what the model is given, or why it is refused.

        Args:
            max_megapixels, together: limits of one image, and of all.
            value_range: of the model, for images of more than 8 bits per sample.
            need: reserves memory for what images become.

        Raises:
            RefusedError: 413 if they have too many pixels together, before any is decoded; 429.
        """
        examined = await self._examined(images, max_megapixels, together)
        verdicts: list[Admitted | ImageError] = []
        size = 0
        for position, (data, found) in enumerate(zip(images, examined, strict=True)):
            if isinstance(found, ImageError):
                verdicts.append(found)
                continue
            pixels, transcodes = found
            try:
                if transcodes:
                    data = await self._png(data, value_range, pixels)
                    need(size := size + len(data))
                verdicts.append(Admitted(data, pixels))
            except ImageError as error:
                verdicts.append(ImageError(error.text, position))
        return verdicts

    async def _examined(self, images: Sequence[bytes], max_megapixels: float, together: float) -> list[tuple[int, bool] | ImageError]:
        """Return of each image the number of pixels, and whether it must be transcoded, from its header."""
        examined: list[tuple[int, bool] | ImageError] = []
        total = 0
        run = asyncio.get_running_loop().run_in_executor
        for position, data in enumerate(images):
            try:
                ordinary = admission.ordinary(data, max_megapixels)
                found = (ordinary.pixels, False) if ordinary else await run(self._headers, admission.uploaded, data, max_megapixels)
            except ImageError as error:
                examined.append(ImageError(error.text, position))
                continue
            examined.append(found)
            total += found[0]
            if total > together * MEGA:
                raise RefusedError(413, f"The images of one request may have {together:g} megapixels together: send fewer at a time.")
        return examined

    async def _png(self, data: bytes, value_range: Range | None, pixels: int) -> bytes:
        """Return an image of so many pixels as PNG.

        Raises:
            ImageError: if it cannot be decoded.
            RefusedError: 429 if it would wait too long.
        """
        wait = self.pixels * self.seconds_per_pixel
        if wait > self._seconds:
            raise busy(wait)
        loop = asyncio.get_running_loop()
        job = self._decoding.submit(self._timed, data, value_range, pixels)
        self.pixels += pixels

        def ended(job: "Future[Any]") -> None:  # also if it was cancelled before it began; if it goes on in vain, only at its end
            loop.call_soon_threadsafe(self._left, pixels)

        job.add_done_callback(ended)
        return await asyncio.wrap_future(job)

    def stop(self) -> None:
        """Drop what waits; what is being decoded is not waited for."""
        for threads in (self._headers, self._decoding):
            threads.shutdown(wait=False, cancel_futures=True)

    def _timed(self, data: bytes, value_range: Range | None, pixels: int) -> bytes:
        started = time.perf_counter()
        try:
            return admission.transcoded(data, value_range)
        finally:
            took = (time.perf_counter() - started) / max(1, pixels)
            mean = self.seconds_per_pixel
            self.seconds_per_pixel = took if not mean else (1 - _HISTORY) * mean + _HISTORY * took

    def _left(self, pixels: int) -> None:
        self.pixels -= pixels
