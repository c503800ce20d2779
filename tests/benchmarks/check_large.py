#!/usr/bin/env python3
"""Seconds of each check of a data set and peak memory of the process, on made-up images and features; recall of the near duplicates.

    python tests/benchmarks/check_large.py [--images 20000] [--classes 10] [--limit-gb 6]
    python tests/benchmarks/check_large.py --recall 30000

The features have the widths of all of VGG16's cut points (1,472 values); every fiftieth image is a near duplicate of another. Above
`check.exact_images` features and thumbnails are computed when rows are asked for, in place of a store, so that they are never in memory
as a whole. `ratio` is the time of all checks, without feature extraction, over 0.5 ms an image (10 s for 20,000). The peak is what the
operating system reports (ru_maxrss) for a separate process, which includes the manifest (`peak_before_gb`). `--limit-gb` limits its
address space, as `ulimit -v` does.

`--recall` compares the search in lists with the exact one on made-up images of pairs of digits, every twentieth with a copy that is
rescaled, recompressed, cropped, brighter or of another contrast: of the copies that the exact search finds, how many the other one
finds (`recall`; 0.99 is wanted), and of all pairs (`of_all`); `more` are pairs that only the search in lists reports.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pandas as pd

from tests.benchmarks.common import describe_machine

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 10 / 20_000
WIDTHS = {"block1_pool:avg": 64, "block2_pool:avg": 128, "block3_pool:avg": 256, "block4_pool:avg": 512, "block5_pool:avg": 512}
_POOL = 8192


@dataclass(frozen=True)
class MadeUp:
    """Rows made of a pool of random ones, the same whenever they are asked for: features float32 [n, width].

    Attributes:
        one, other: numbers of the two rows of the pool that are added, int [n].
        label: class number of each row, int [n].
        pool: float32 [m, width].
        centres: of the classes, float32 [classes, width].
    """

    one: np.ndarray
    other: np.ndarray
    label: np.ndarray
    pool: np.ndarray
    centres: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.one), self.pool.shape[1]

    def __len__(self) -> int:
        return len(self.one)

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        table = self.pool[self.one[rows]]
        table += self.pool[self.other[rows]]
        table += self.centres[self.label[rows]]
        return np.maximum(table, 0, out=table)


@dataclass(frozen=True)
class MadeUpThumbnails:
    """Squares of random colours: uint8 [n, 32, 32, 3]; copies are a little brighter."""

    one: np.ndarray
    other: np.ndarray
    copied: np.ndarray
    pool: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.one), 32, 32, 3

    def __len__(self) -> int:
        return len(self.one)

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        small = np.minimum(self.pool[self.one[rows]] ^ self.pool[self.other[rows]], 250)
        small += self.copied[rows].astype(np.uint8)[:, None, None, None] * np.uint8(3)
        return small.repeat(4, axis=1).repeat(4, axis=2)


def made_up(count: int, classes: int) -> tuple[pd.DataFrame, dict[str, MadeUp], MadeUpThumbnails]:
    """Return rows of a manifest, features [n, width] and thumbnails [n, 32, 32, 3]."""
    from transfer.data.dataset import COLUMNS

    random = np.random.default_rng(0)
    copies = np.where(np.arange(count) % 50 == 49, np.arange(count) - 7, np.arange(count))
    one, other = random.integers(_POOL, size=(2, count))[:, copies]
    label = random.integers(classes, size=count)[copies]
    features = {}
    for name, width in WIDTHS.items():
        pool, centres = (random.normal(size=(rows, width)).astype(np.float32) for rows in (_POOL, classes))
        features[name] = MadeUp(one, other, label, pool * np.float32(0.5**0.5), centres)
    pool = random.integers(0, 256, (_POOL, 8, 8, 3), np.uint8)
    thumbnails = MadeUpThumbnails(one, other, copies != np.arange(count), pool)
    rows = pd.DataFrame(dict.fromkeys(COLUMNS, ""), index=range(count), dtype=object)
    names = np.array([f"{number:02d}" for number in range(classes)], object)[label]
    rows = rows.assign(path=[f"{name}/{n:07d}.png" for n, name in enumerate(names)], label=names, format="PNG", status="used")
    rows = rows.assign(digest=[f"{n:064x}" for n in range(count)], width=random.integers(64, 999, count), height=256)
    rows = rows.assign(size=random.integers(1000, 99999, count))
    return rows.assign(split=np.array(["train", "validation", "test"], object)[random.integers(3, size=count)]), features, thumbnails


def measure(count: int, classes: int) -> None:
    """Run all checks in this process and print the result."""
    from transfer.config import CheckConfig
    from transfer.quality import checks, files, label_issues, leaks, near_duplicates, outliers
    from transfer.quality.stored_images import StoredImages

    rows, lazy, lazy_thumbnails = made_up(count, classes)
    config = CheckConfig()
    at_once = count <= config.exact_images
    features: Any = {name: table[:] for name, table in lazy.items()} if at_once else lazy
    thumbnails: Any = lazy_thumbnails[:] if at_once else lazy_thumbnails
    made = _peak()
    seconds: dict[str, list[float]] = {}
    for owner, name in ((near_duplicates, "find"), (label_issues, "find"), (outliers, "find"), (leaks, "find"), (files, "peculiar")):
        _timed(owner, name, seconds)
    start, processor = time.perf_counter(), time.process_time()
    found = near_duplicates.find(features, thumbnails, config, 0)
    findings = checks.collect(rows, StoredImages(rows, features, thumbnails), found, config, seed=0)
    total, processor = time.perf_counter() - start, time.process_time() - processor
    result = {
        "benchmark": "check_large",
        "ratio": round(total / (LIMIT * count), 3),
        "images": count,
        "seconds": round(total, 1),
        "processor_seconds": round(processor, 1),
        "of_each": {name: [round(value, 1) for value in values] for name, values in seconds.items()},
        "peak_gb": round(_peak() / 1e9, 2),
        "peak_before_gb": round(made / 1e9, 2),
        "near_duplicates": len(findings.near_duplicates),
        "planted": count // 50,
        "label_issues": len(findings.label_issues),
        "outliers": len(findings.outliers),
    }
    print(json.dumps(result))


def recall(count: int) -> None:
    """Look for planted copies in both ways and print the result."""
    from transfer.config import CheckConfig
    from transfer.quality import near_duplicates

    features, thumbnails, planted = with_copies(count)
    found, seconds = [], []
    for most in (len(thumbnails), 0):
        start = time.process_time()
        pairs = near_duplicates.find(features, thumbnails, CheckConfig(exact_images=most)).pairs
        seconds.append(round(time.process_time() - start, 1))
        found.append(set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)))
    exact, listed = found
    result = {
        "benchmark": "check_large --recall",
        "images": len(thumbnails),
        "planted": len(planted),
        "exact": len(exact & planted),
        "recall": round(len(exact & planted & listed) / max(len(exact & planted), 1), 4),
        "of_all": round(len(exact & listed) / max(len(exact), 1), 4),
        "pairs": len(exact),
        "more": len(listed - exact),
        "processor_seconds": {"exact": seconds[0], "lists": seconds[1]},
    }
    print(json.dumps(result))


def with_copies(count: int) -> tuple[dict[str, np.ndarray], np.ndarray, set[tuple[int, int]]]:
    """Return features, thumbnails, and the pairs of an image and its copy; a copy follows its image by `count` rows."""
    from PIL import Image
    from sklearn.datasets import load_digits

    from tests.quality.made_up_duplicates import CHANGES, thumbnail

    random = np.random.default_rng(0)
    digits = [Image.fromarray(np.round(one * (255 / 16)).astype(np.uint8)) for one in load_digits().images]
    images, copied, changes = [], [], list(CHANGES.values())
    for number in range(count):
        image = Image.new("L", (64, 64), int(random.integers(60)))
        for left in (0, 32):
            side = random.integers(24, 40, 2).tolist()
            digit = digits[random.integers(len(digits))].resize(side, Image.Resampling.BICUBIC)
            image.paste(digit, (left + int(random.integers(-4, 6)), int(random.integers(28))))
        images.append(thumbnail(image))
        if number % 20 == 0:
            copied.append(thumbnail(changes[number // 20 % len(changes)](image)))
    thumbnails = np.stack([*images, *copied])
    pixels = thumbnails[..., 0].reshape(len(thumbnails), -1).astype(np.float32) / 255
    weights = random.normal(size=(pixels.shape[1], 1280)).astype(np.float32) / 10
    features = {"made up": np.maximum(pixels @ weights + random.normal(size=1280).astype(np.float32), 0)}
    return features, thumbnails, {(20 * number, count + number) for number in range(len(copied))}


def _timed(owner: Any, name: str, seconds: dict[str, list[float]]) -> None:
    call: Callable[..., Any] = getattr(owner, name)

    def timed(*args: Any, **options: Any) -> Any:
        start, processor = time.perf_counter(), time.process_time()
        result = call(*args, **options)
        seconds[owner.__name__.rpartition(".")[2]] = [time.perf_counter() - start, time.process_time() - processor]
        return result

    setattr(owner, name, timed)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--limit-gb", type=float)
    parser.add_argument("--recall", type=int, metavar="IMAGES")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        if args.limit_gb:
            resource.setrlimit(resource.RLIMIT_AS, (int(args.limit_gb * 1e9),) * 2)
        recall(args.recall) if args.recall else measure(args.images, args.classes)
        return
    command = [sys.executable, __file__, "--inside", *sys.argv[1:]]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    print(json.dumps(json.loads(done.stdout) | {"machine": describe_machine()}))  # not inside: TensorFlow takes memory


if __name__ == "__main__":
    main()
