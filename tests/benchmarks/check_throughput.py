#!/usr/bin/env python3
"""Scanning with decode test against plain tf.data, a second scan against the first, and near duplicates.

    python tests/benchmarks/check_throughput.py [--data FOLDER] [--size 224]

Without --data, 20,000 JPEG images of 96 px are made. A scan walks the folder, reads each file, computes its digest, examines its
header and decodes its pixels; its rate is compared with two tf.data pipelines over the same files, with AUTOTUNE and prefetch:

    recipe   the usual one of a loader: read, decode_image, resize to --size, batches of 32
    shapes   the harder one: read, decode_image, keep the shape only, batches of 256

`ratio` is the scan over the harder one, `ratio_recipe` over the usual one; 0.8 is wanted. `second_over_first` is the time of a
scan of the unchanged folder over that of the first one; under 0.1 is wanted. Rounds of all take turns, and the best of each
counts, since other work on the machine only adds; the first round, in which graphs are built, is left out. Near duplicates:
20,000 vectors of 512, seconds and peak memory.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image

from tests.benchmarks.common import describe_machine

ROOT = Path(__file__).resolve().parents[2]

NEAR_DUPLICATES = """
import json, resource, time
import numpy as np
from transfer.quality import candidates
vectors = np.random.default_rng(0).normal(size=(20_000, 512)).astype(np.float32)
vectors[10_000:11_000] = vectors[:1000] + 0.1 * vectors[5000:6000]
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
started = time.perf_counter()
found = candidates.pairs(vectors, 0.9)
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps({"pairs": len(found), "seconds": round(seconds, 2), "peak_gb": round(peak, 2)}))
"""


def images(folder: Path, count: int) -> Path:
    """Write small JPEG files, in ten classes."""
    generator = np.random.default_rng(0)
    for number in range(count):
        coarse = Image.fromarray(generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize((96, 96), Image.Resampling.BICUBIC)
        path = folder / f"class{number % 10}" / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse.save(path, quality=90)
    time.sleep(3)  # files that were changed just now are not remembered
    return folder


def scan(folder: Path) -> None:
    """Scan a folder as `transfer check` does."""
    from transfer.config import DataConfig
    from transfer.data import sources
    from transfer.system.progress import Silent

    sources.read(DataConfig(source=str(folder)), Silent(), decode_test=True)


def plain(files: list[str], size: int | None) -> None:
    """Decode all files in tf.data: to batches of one size, or only to their shapes."""
    import tensorflow as tf

    def recipe(file: "tf.Tensor") -> "tf.Tensor":
        image = tf.io.decode_image(tf.io.read_file(file), channels=3, expand_animations=False)
        return tf.shape(image) if size is None else tf.image.resize(image, (size, size))

    dataset = tf.data.Dataset.from_tensor_slices(files).map(recipe, num_parallel_calls=tf.data.AUTOTUNE)
    for _ in dataset.batch(256 if size is None else 32).prefetch(tf.data.AUTOTUNE):
        pass


def seconds(work: Callable[[], None]) -> tuple[float, float]:
    """Return how long some work takes, and how much processor time."""
    started, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - started, time.process_time() - processor


def measure(folder: Path, files: list[str], size: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the least seconds of each contestant, and its least processor time."""
    times: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds + 1):
        with tempfile.TemporaryDirectory() as home:
            os.environ["TRANSFER_HOME"] = home
            contestants: dict[str, Callable[[], None]] = {
                "first": lambda: scan(folder),
                "second": lambda: scan(folder),
                "shapes": lambda: plain(files, None),
                "recipe": lambda: plain(files, size),
            }
            for name, work in contestants.items():
                times.setdefault(name, []).append(seconds(work))
    return {name: _least(values[1:]) for name, values in times.items()}


def _least(values: list[tuple[float, float]]) -> tuple[float, float]:
    return min(wall for wall, _ in values), min(processor for _, processor in values)


def near_duplicates() -> dict[str, float]:
    """Return seconds and peak memory of a process that looks for near duplicates."""
    done = subprocess.run([sys.executable, "-c", NEAR_DUPLICATES], cwd=ROOT, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.data or images(Path(temporary) / "data", args.count)).absolute()
        files = sorted(os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names)  # noqa: PTH118
        took = measure(folder, files, args.size, args.rounds)
    result = {
        "benchmark": "check_throughput",
        "ratio": round(took["shapes"][0] / took["first"][0], 2),
        "ratio_recipe": round(took["recipe"][0] / took["first"][0], 2),
        "second_over_first": round(took["second"][0] / took["first"][0], 3),
        "files": len(files),
        "files_per_second": {name: round(len(files) / wall) for name, (wall, _) in took.items()},
        "processor_seconds": {name: round(processor, 2) for name, (_, processor) in took.items()},
        "near_duplicates": near_duplicates(),
        "machine": describe_machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
