"""What `server_soak.py` needs of a model: a run, images with their right answers, and an image that is large to decode."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

IMAGES = 24
_SIDE = 10_000
_ARRAYS, _LARGEST_SIDE = 8, 64


def _images() -> Iterator[tuple[str, bytes]]:
    """Yield small images of different colours, sizes and formats, some of which TensorFlow cannot read itself."""
    generator = np.random.default_rng(0)
    kinds = [("jpg", "JPEG"), ("png", "PNG"), ("tiff", "TIFF"), ("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")]
    for number in range(IMAGES):
        ending, kind = kinds[number % len(kinds)]
        width, height = generator.integers(24, 160, 2)
        pixels = generator.integers(0, 256, 3) * 0.7 + generator.integers(0, 77, (height, width, 3))
        buffer = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, kind)
        yield f"{number:02d}.{ending}", buffer.getvalue()


def write(folder: Path, run: Path | None) -> None:
    """Write a tiny run (unless one is given), images, `right.json` with what the export answers directly, and `large.tiff`.

    Args:
        folder: to write to.
        run: an existing run; none: `folder`/run is made.
    """
    from transfer.system.startup import import_tensorflow_quietly

    import_tensorflow_quietly()
    from tests.serving.running import tiny_run
    from transfer.reports.names import printable
    from transfer.serving.admission import unusual
    from transfer.serving.model import load

    export = (run or tiny_run(folder / "run")) / "export"
    loaded = load(max(export.iterdir(), key=lambda path: int(path.name)))
    images = dict(_images())
    for name, data in images.items():
        (folder / name).write_bytes(data)
    admitted = [unusual(data, 100, None).data for data in images.values()]
    right = loaded.signatures["serving_default"].run({"image_bytes": admitted})["probabilities"]
    arrays: list[object] = []
    of_arrays: list[object] = []
    if "images" in loaded.signatures and loaded.side <= _LARGEST_SIDE:
        values = np.random.default_rng(1).integers(0, 256, (_ARRAYS, loaded.side, loaded.side, 3)).astype(np.float32)
        values *= np.linspace(0.2, 1, _ARRAYS * 3, dtype=np.float32).reshape(_ARRAYS, 1, 1, 3)
        arrays = values.round(1).tolist()
        (entry,) = loaded.signatures["images"].inputs
        of_arrays = loaded.signatures["images"].run({entry: arrays})["probabilities"].tolist()
    known = {
        "labels": [printable(label) for label in loaded.labels], "images": dict(zip(images, right.tolist(), strict=True)),
        "arrays": arrays, "of_arrays": of_arrays,
    }  # fmt: skip
    (folder / "right.json").write_text(json.dumps(known))
    Image.new("RGB", (_SIDE, _SIDE), (120, 30, 200)).save(folder / "large.tiff", compression="tiff_adobe_deflate")
