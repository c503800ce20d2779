#!/usr/bin/env python3
"""A 12-megapixel JPEG decoded to 224 px: at reduced scale, as the decoder does it, against full scale.

    python tests/benchmarks/decode_large_jpeg.py [--data FOLDER]

With --data the largest JPEG of the folder is used; else a made-up photograph of 4000x3000 pixels. Full scale is TensorFlow's
decoder followed by its anti-aliased resize. The entropy-coded data must be read at any scale, so the more bytes the file has,
the smaller the gain: --quality shows it.
"""

import argparse
import io
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from PIL import Image

from tests.benchmarks.common import describe_machine


def photograph(quality: int) -> bytes:
    """A scene of smooth shapes with a little noise, as a camera saves it: 1.5 MB at quality 85."""
    generator = np.random.default_rng(0)
    coarse = Image.fromarray(generator.integers(0, 256, (30, 40, 3), dtype=np.uint8)).resize((4000, 3000), Image.Resampling.BICUBIC)
    noise = generator.normal(0, 3, (3000, 4000, 1))
    pixels = np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--quality", type=int, default=85)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    import tensorflow as tf

    from transfer.data.decoding.decode import decode

    files = sorted(args.data.rglob("*.jp*g"), key=lambda path: -path.stat().st_size) if args.data else []
    data = files[0].read_bytes() if files else photograph(args.quality)

    @tf.function(autograph=False)
    def reduced(image_bytes: tf.Tensor) -> tf.Tensor:
        return decode(image_bytes, 224)

    @tf.function(autograph=False)
    def full(image_bytes: tf.Tensor) -> tf.Tensor:
        pixels = tf.io.decode_jpeg(image_bytes, channels=3, dct_method="INTEGER_ACCURATE")
        return tf.image.resize(pixels, (224, 224), antialias=True)

    encoded = tf.constant(data)
    reduced(encoded), full(encoded)
    seconds = {"reduced": [], "full": []}
    for _ in range(args.rounds):
        for name, function in (("reduced", reduced), ("full", full)):
            started = time.perf_counter()
            function(encoded).numpy()
            seconds[name].append(time.perf_counter() - started)
    difference = np.abs(reduced(encoded).numpy().astype(float) - full(encoded).numpy()).mean()
    result = {
        "benchmark": "decode_large_jpeg",
        "ratio": round(statistics.median(seconds["full"]) / statistics.median(seconds["reduced"]), 2),
        "reduced_ms": round(1000 * statistics.median(seconds["reduced"]), 1),
        "full_ms": round(1000 * statistics.median(seconds["full"]), 1),
        "mean_difference_of_256": round(float(difference), 2),
        "megabytes": round(len(data) / 1e6, 1),
        "machine": describe_machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
