"""Digits, and near duplicates of them."""

import io
from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageEnhance

DIGITS = 600


def recompressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=50)
    return Image.open(buffer)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "rescaled": lambda image: image.resize((40, 40), Image.Resampling.BICUBIC),
    "recompressed": recompressed,
    "cropped": lambda image: image.crop((2, 1, 61, 62)),
    "brightness": lambda image: ImageEnhance.Brightness(image).enhance(0.85),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
}


def thumbnail(image: Image.Image) -> np.ndarray:
    whole = image.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR)
    return np.asarray(whole.resize((32, 32), Image.Resampling.BOX))


@cache
def digits() -> tuple[Image.Image, ...]:
    from sklearn.datasets import load_digits

    pixels = np.round(load_digits().images[:DIGITS] * (255 / 16)).astype(np.uint8)
    return tuple(Image.fromarray(one).resize((64, 64), Image.Resampling.BICUBIC) for one in pixels)
