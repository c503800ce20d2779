#!/usr/bin/env python3
"""Seconds of each check of a data set and peak memory of the process, on made-up images and features.

    python tests/benchmarks/check_large.py [--images 20000] [--classes 10]

The features have the widths of all of VGG16's cut points; every fiftieth image is a near duplicate of another.
`ratio` is the time of all checks, without feature extraction, over 40 seconds for 20,000 images. The peak is what the operating
system reports (ru_maxrss) for a separate process, which includes making up the images (`peak_before_gb`).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 40 / 20_000
WIDTHS = {"block1_pool:avg": 64, "block2_pool:avg": 128, "block3_pool:avg": 256, "block4_pool:avg": 512, "block5_pool:avg": 512}


def made_up(count: int, classes: int) -> tuple[pd.DataFrame, dict[str, np.ndarray], np.ndarray]:
    """Return rows of a manifest, features float32 [n, width], and thumbnails uint8 [n, 32, 32, 3]."""
    from transfer.data.dataset import COLUMNS

    random = np.random.default_rng(0)
    copies = np.where(np.arange(count) % 50 == 49, np.arange(count) - 7, np.arange(count))
    label = random.integers(classes, size=count)[copies]
    features = {}
    for name, width in WIDTHS.items():
        table = random.normal(size=(count, width)).astype(np.float32)
        table += random.normal(size=(classes, width)).astype(np.float32)[label]
        features[name] = np.maximum(table[copies] + random.normal(size=(1, width)).astype(np.float32) * 0.1, 0)
    thumbnails = np.empty((count, 32, 32, 3), np.uint8)
    for start in range(0, count, 4096):
        small = random.integers(0, 256, (min(4096, count - start), 8, 8, 3), np.uint8)
        thumbnails[start : start + 4096] = small.repeat(4, axis=1).repeat(4, axis=2)
    thumbnails = np.minimum(thumbnails[copies], 250) + (copies != np.arange(count)).astype(np.uint8)[:, None, None, None] * 3
    rows = pd.DataFrame(dict.fromkeys(COLUMNS, ""), index=range(count), dtype=object)
    names = [f"{number:02d}" for number in label]
    rows = rows.assign(path=[f"{name}/{n:07d}.png" for n, name in enumerate(names)], label=names, format="PNG", status="used")
    rows = rows.assign(digest=[f"{n:064x}" for n in range(count)], width=random.integers(64, 999, count), height=256)
    rows = rows.assign(size=random.integers(1000, 99999, count), split=random.choice(["train", "validation", "test"], count))
    return rows, features, thumbnails


def measure(count: int, classes: int) -> None:
    """Run all checks in this process and print the result."""
    from transfer.config import CheckConfig
    from transfer.quality import checks, files, label_issues, leaks, near_duplicates, outliers
    from transfer.quality.stored_images import StoredImages

    rows, features, thumbnails = made_up(count, classes)
    made = _peak()
    seconds: dict[str, float] = {}
    for owner, name in ((near_duplicates, "find"), (label_issues, "find"), (outliers, "find"), (leaks, "find"), (files, "peculiar")):
        _timed(owner, name, seconds)
    images, config = StoredImages(rows, features, thumbnails), CheckConfig()
    start = time.perf_counter()
    found = near_duplicates.find(features, thumbnails, config)
    findings = checks.collect(rows, images, found, config, seed=0)
    total = time.perf_counter() - start
    result = {
        "benchmark": "check_large",
        "ratio": round(total / (LIMIT * count), 3),
        "images": count,
        "seconds": round(total, 1),
        "of_each": {name: round(value, 1) for name, value in seconds.items()},
        "peak_gb": round(_peak() / 1e9, 2),
        "peak_before_gb": round(made / 1e9, 2),
        "near_duplicates": len(findings.near_duplicates),
        "label_issues": len(findings.label_issues),
    }
    print(json.dumps(result))


def _timed(owner: Any, name: str, seconds: dict[str, float]) -> None:
    call: Callable[..., Any] = getattr(owner, name)

    def timed(*args: Any) -> Any:
        start = time.perf_counter()
        result = call(*args)
        seconds[owner.__name__.rpartition(".")[2]] = time.perf_counter() - start
        return result

    setattr(owner, name, timed)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        measure(args.images, args.classes)
        return
    command = [sys.executable, __file__, "--inside", "--images", str(args.images), "--classes", str(args.classes)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)})
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
