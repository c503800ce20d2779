#!/usr/bin/env python3
"""Small jobs as whole processes: a tiny fit, and with `--data` a fit with another head on features that are all stored.

    python tests/benchmarks/small_jobs.py [--baseline CHECKOUT] [--data FOLDER [--home FOLDER]] [--rounds 3]

The tiny fits have 42 made-up images of 32 px: two blocks of VGG16 with random weights, and LeNet. Each is run as a command, once to warm
up and then `--rounds` times, in turn with that of an older checkout; the median counts. `--home` is a cache folder (`TRANSFER_HOME`) that
holds the features of `--data`, and is copied; without it, they are extracted first. Of each command: seconds, and processor seconds of
it and the programs it starts, which tell more on a busy machine. `ratio` is that of the seconds of the first tiny fit, old over new.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.common import describe_machine, run

ROOT = Path(__file__).resolve().parents[2]
JOBS = {
    "tiny": ["--backbone", "vgg16", "--set", "weights=random", "--set", "image_size=32", "--set", "truncate_at=block2_pool"],
    "tiny from scratch": ["--backbone", "lenet"],
}
WARM = "warm, another head"


def write_images(folder: Path) -> Path:
    """Write three classes of noise, each brighter in one channel."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for channel, name in enumerate(("blue", "green", "red")):
        (folder / name).mkdir(parents=True)
        for number in range(14):
            pixels = generator.integers(0, 120, (32, 32, 3))
            pixels[..., channel] += 100
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def fit(code: Path, home: Path, data: Path, output: Path, options: list[str]) -> dict[str, Any]:
    """Run one command and return its seconds, processor seconds and stages."""
    command = [sys.executable, "-m", "transfer", "fit", str(data), "--output", str(output), "--name", "run", "--overwrite", *options]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run(command, os.environ | {"TRANSFER_HOME": str(home), "PYTHONPATH": str(code)}, code)  # where `-m` looks first
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    stages = json.loads((output / "run" / "metrics.json").read_text())["timing"]
    return {"seconds": round(seconds, 2), "processor_seconds": round(processor, 2), "stages": stages}


def median(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the round with the median of the seconds, with the median of the processor seconds."""
    middle = sorted(found, key=lambda one: one["seconds"])[len(found) // 2]
    return middle | {"processor_seconds": statistics.median(one["processor_seconds"] for one in found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baseline", type=Path, help="checkout of an older state, for a comparison")
    parser.add_argument("--data", type=Path, help="folder of images, for the fit with another head")
    parser.add_argument("--home", type=Path, help="cache folder with the features of --data")
    parser.add_argument("--settings", nargs="*", default=["precision=float32"], help="of the fit with another head")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    codes = {"now": ROOT} | ({"before": args.baseline.resolve()} if args.baseline else {})
    figures: dict[str, dict[str, Any]] = {name: {} for name in codes}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        temporary = Path(folder)
        tiny = write_images(temporary / "tiny")
        jobs = {name: (tiny, options, options) for name, options in JOBS.items()}
        if args.data:
            same = [word for setting in args.settings for word in ("--set", setting)]
            jobs[WARM] = (args.data.resolve(), same, [*same, "--set", "head.dropout=0.4"])
        for name in codes:
            if args.home:
                shutil.copytree(args.home, temporary / name)
        for job, (data, first, options) in jobs.items():
            found: dict[str, list[dict[str, Any]]] = {name: [] for name in codes}
            for number in range(-1, args.rounds if job != WARM else 1):
                for name, code in codes.items():
                    one = fit(code, temporary / name, data, temporary / f"runs-{name}", options if number >= 0 else first)
                    print(f"{job}, {name}: {one['seconds']} s, of the processor {one['processor_seconds']} s", file=sys.stderr)
                    if number >= 0:
                        found[name].append(one)
            for name in codes:
                figures[name][job] = median(found[name])
    ratios = {job: round(figures["before"][job]["seconds"] / figures["now"][job]["seconds"], 2) for job in jobs} if args.baseline else {}
    result = {"benchmark": "small_jobs", "ratio": ratios.get("tiny"), "ratios": ratios, **figures, "machine": describe_machine()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
