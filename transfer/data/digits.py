"""The handwritten digits of scikit-learn (1,797 images of 8x8 pixels, UCI 1998) as an image folder."""

import io
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image


def write_folder(folder: Path, train: int, validation: int, test: int, seed: int = 0) -> Path:
    """Write `folder/train|val|test/<digit>/*.png`.

    Args:
        folder: made if it is missing.
        train, validation, test: images per class; the classes hold 174 to 183.
        seed: chooses the images.

    Returns:
        `folder`.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    generator = np.random.default_rng(seed)
    for label in range(10):
        order = generator.permutation(np.flatnonzero(digits.target == label))
        start = 0
        for split, count in (("train", train), ("val", validation), ("test", test)):
            parent = folder / split / str(label)
            parent.mkdir(parents=True, exist_ok=True)
            for number in order[start : start + count]:
                (parent / f"{number:04d}.png").write_bytes(_png(digits.images[number]))
            start += count
    return folder


@cache
def images() -> tuple[bytes, ...]:
    """Return all 1,797 digits as PNG files, the same bytes that `write_folder` writes."""
    from sklearn.datasets import load_digits

    return tuple(_png(image) for image in load_digits().images)


def _png(image: np.ndarray) -> bytes:
    """Encode float [8, 8] in 0..16."""
    buffer = io.BytesIO()
    Image.fromarray(np.round(image * (255 / 16)).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
