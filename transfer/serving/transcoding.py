"""Clients' unusual images: their headers are read first, then they become PNG, one at a time, as each takes hundreds of megabytes.

What would wait too long behind others is refused. An image whose client has gone, or whose time is over, leaves the queue, and the
process that decodes it is killed.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from transfer.data.decoding.to_8_bits import Range
from transfer.serving import admission
from transfer.serving.admission import Admitted
from transfer.serving.bodies import Need
from transfer.serving.png_process import PngProcess
from transfer.serving.refusals import ImageError, RefusedError, busy
from transfer.serving.settings import MEGA

_KEPT = 0.8  # share of the earlier images in the running sums, with each image
_GUESS = (3.0, 100.0 * MEGA)  # seconds and pixels, before any image was seen


class Transcoder:
    """The queue, and the process behind it.

    Attributes:
        pixels: of the images that wait or are being decoded.
    """

    def __init__(self, max_megapixels: float, seconds: float) -> None:
        """Prepare; images that would wait for more than `seconds` are refused."""
        self._max_megapixels, self._seconds = max_megapixels, seconds
        self._headers = ThreadPoolExecutor(1, "headers")
        self._process, self._turn = PngProcess(max_megapixels), asyncio.Lock()
        self._took, self._pixels_done = _GUESS  # seconds and pixels, both fading
        self.pixels = 0

    async def stop(self) -> None:
        """Drop what waits, and end the process."""
        self._headers.shutdown(wait=False, cancel_futures=True)
        await self._process.stop()

    async def admit(self, images: Sequence[bytes], together: float, value_range: Range | None, need: Need) -> list[Admitted | ImageError]:
        """Return for each image of a request what the model is given, or why it is refused.

        Args:
            together: most megapixels of all.
            value_range: of the model, for images of more than 8 bits per sample.
            need: reserves memory for what images become.

        Raises:
            RefusedError: 413 if they have too many pixels together, before any is decoded; 429.
        """
        examined = await self._examined(images, together)
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

    async def _examined(self, images: Sequence[bytes], together: float) -> list[tuple[int, bool] | ImageError]:
        """Return of each image the number of pixels, and whether it must be transcoded, from its header."""
        examined: list[tuple[int, bool] | ImageError] = []
        total, limit = 0, self._max_megapixels
        run = asyncio.get_running_loop().run_in_executor
        for position, data in enumerate(images):
            try:
                ordinary = admission.ordinary(data, limit)
                found = (ordinary.pixels, False) if ordinary else await run(self._headers, admission.uploaded, data, limit)
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
        wait = self.pixels * self._took / self._pixels_done
        if wait > self._seconds:
            raise busy(wait)
        self.pixels += pixels
        try:
            async with self._turn:
                started = time.monotonic()
                try:
                    return await self._process.png(data, value_range)
                finally:
                    self._took = _KEPT * self._took + time.monotonic() - started
                    self._pixels_done = _KEPT * self._pixels_done + pixels
        finally:
            self.pixels -= pixels
