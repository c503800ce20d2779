"""A process of its own that turns images into PNG: it can be killed, and neither a lock nor a crash of a library stops the server.

Pillow decodes some formats (JPEG 2000) without letting other threads run, for seconds; nothing that it does can be interrupted.
"""

import asyncio
import os
import resource
import struct
import sys
from contextlib import suppress
from typing import BinaryIO

from transfer.data.decoding.to_8_bits import Range
from transfer.data.decoding.transcode import to_png
from transfer.serving.admission import DAMAGED
from transfer.serving.refusals import ImageError

_QUESTION = struct.Struct("<Q?dd")  # bytes of the image, whether there is a value range, its ends
_ANSWER = struct.Struct("<?Q")  # whether it is a PNG, otherwise the reason in words; bytes
_BYTES_A_PIXEL, _BYTES = 40, 1_000_000_000  # of memory: the most that any format was seen to take, and what the libraries take

_END_SECONDS = 2.0  # to wait for a process that was killed


class PngProcess:
    """The process, started when it is first needed, and again after it was killed. One image at a time."""

    def __init__(self, max_megapixels: float) -> None:
        """Prepare; the process may use the memory that an image of `max_megapixels` needs."""
        self._memory = int(_BYTES + _BYTES_A_PIXEL * max_megapixels * 1e6)
        self._process: asyncio.subprocess.Process | None = None

    async def png(self, data: bytes, value_range: Range | None) -> bytes:
        """Return `to_png` of an image. If this is cancelled, the process is killed.

        Raises:
            ImageError: if it cannot be decoded.
        """
        while True:
            fresh = self._process is None or self._process.returncode is not None
            process = await self._started() if fresh or self._process is None else self._process
            self._process = process
            try:
                return await self._answered(process, data, value_range)
            except (asyncio.IncompleteReadError, ConnectionError):  # it has crashed, or was killed for its memory
                if fresh:
                    raise ImageError(DAMAGED) from None  # else it may have died before this image: another one is tried

    async def _answered(self, process: asyncio.subprocess.Process, data: bytes, value_range: Range | None) -> bytes:
        assert process.stdin is not None and process.stdout is not None
        done = False
        try:
            low, high = value_range or (0.0, 0.0)
            process.stdin.write(_QUESTION.pack(len(data), value_range is not None, low, high))
            process.stdin.write(data)
            await process.stdin.drain()
            good, size = _ANSWER.unpack(await process.stdout.readexactly(_ANSWER.size))
            answer = await process.stdout.readexactly(size)
            done = True
        finally:
            if not done:
                await self.stop()
        if not good:
            raise ImageError(answer.decode())
        return answer

    async def stop(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        if process.returncode is None:
            process.kill()
        process.stdin.close()
        with suppress(RuntimeError, TimeoutError):  # the server stops at once, and another task still reads; or the end is not noticed
            async with asyncio.timeout(_END_SECONDS):
                while await process.stdout.read(1 << 20):  # what it had written; then both pipes are closed
                    pass
                await process.wait()

    async def _started(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, str(self._memory),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,  # Ctrl-C ends the server, which first answers what is in progress
        )  # fmt: skip


def work(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there are no more questions."""
    while head := questions.read(_QUESTION.size):
        size, has_range, low, high = _QUESTION.unpack(head)
        try:
            good, answer = True, to_png(questions.read(size), (low, high) if has_range else None)
        except Exception as error:  # UnreadableError, and whatever else a library raises
            good, answer = False, (str(error) or type(error).__name__).encode("utf-8", "replace")
        answers.write(_ANSWER.pack(good, len(answer)))
        answers.write(answer)
        answers.flush()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what a library prints is no answer
        work(sys.stdin.buffer, answers)
