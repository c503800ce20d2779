"""Unusual images of clients: bounded in sum before any is decoded, one at a time, in a process that is killed with its request."""

import asyncio
import io
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from tests.serving.running import image
from transfer.serving.png_process import PngProcess
from transfer.serving.refusals import ImageError, RefusedError
from transfer.serving.transcoding import Transcoder


def tiff(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side)).save(buffer, "TIFF", compression="tiff_deflate")
    return buffer.getvalue()


def play(story: Callable[[Transcoder], Any], seconds: float = 30) -> None:
    async def whole() -> None:
        transcoder = Transcoder(100, seconds)
        try:
            await asyncio.wait_for(story(transcoder), 60)
        finally:
            await transcoder.stop()
        assert transcoder.pixels == 0

    asyncio.run(whole())


async def admit(transcoder: Transcoder, *images: bytes, together: float = 100, needed: Callable[[int], None] = lambda size: None) -> Any:
    return await transcoder.admit(images, together, None, needed)


def test_images_are_admitted_or_refused_one_by_one() -> None:
    sizes: list[int] = []

    async def story(transcoder: Transcoder) -> None:
        ordinary = image()
        verdicts = await admit(transcoder, tiff(20), b"text", ordinary, tiff(200)[:-300], needed=sizes.append)
        assert verdicts[0].data.startswith(b"\x89PNG") and verdicts[0].pixels == 400
        assert verdicts[2].data is ordinary
        assert [(type(verdicts[number]), verdicts[number].position) for number in (1, 3)] == [(ImageError, 1), (ImageError, 3)]
        assert sizes == [len(verdicts[0].data)]

    play(story)


def test_pixels_are_bounded_in_sum_before_any_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PngProcess, "png", None)

    async def story(transcoder: Transcoder) -> None:
        with pytest.raises(RefusedError) as refused:
            await admit(transcoder, tiff(1000), image(size=(1000, 1000)), together=1.5)
        assert refused.value.status == 413
        assert "1.5 megapixels together" in refused.value.text

    play(story)


def test_what_would_wait_too_long_is_refused_and_what_is_given_up_is_killed() -> None:
    async def story(transcoder: Transcoder) -> None:
        large = tiff(3000)
        first, second = (asyncio.create_task(admit(transcoder, large)) for _ in range(2))
        while transcoder._process._process is None:
            await asyncio.sleep(0.01)
        process = transcoder._process._process
        with pytest.raises(RefusedError) as refused:
            await admit(transcoder, large)
        assert refused.value.status == 429
        first.cancel()
        (verdict,) = await second
        assert verdict.data.startswith(b"\x89PNG")
        assert process.returncode == -signal.SIGKILL

    play(story, seconds=0.4)


def killed(transcoder: Transcoder) -> None:
    process = transcoder._process._process
    if process is not None and process.returncode is None:
        os.kill(process.pid, signal.SIGKILL)


def test_an_image_is_tried_again_if_the_process_dies_and_once_only() -> None:
    async def story(transcoder: Transcoder) -> None:
        await admit(transcoder, tiff(20))
        killed(transcoder)
        (verdict,) = await admit(transcoder, tiff(20))
        assert verdict.data.startswith(b"\x89PNG"), "it had died before"
        decoding = asyncio.create_task(admit(transcoder, tiff(5000)))
        while not decoding.done():
            if transcoder.pixels:
                killed(transcoder)
            await asyncio.sleep(0.01)
        (verdict,) = decoding.result()
        assert isinstance(verdict, ImageError)
        (verdict,) = await admit(transcoder, tiff(20))
        assert verdict.data.startswith(b"\x89PNG")

    play(story)
