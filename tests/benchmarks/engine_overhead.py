#!/usr/bin/env python3
"""The frozen pass on a Ray cluster of this machine over the frozen pass in this process: what the engine costs.

    python tests/benchmarks/engine_overhead.py --data FOLDER [--backbone vgg16] [--size 224] [--images 320] [--workers 2]

Both read, decode, compute and store the same images, in turn, several times. Each time counts from the first stored batch to the last,
so the start of workers is not in it; `startup_s` tells it: from the call that starts Ray to the first stored batch. `ratio` is the
median over the rounds of the images/s through Ray over those here; wanted: at least 0.85. Features are compared bit for bit.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.common import describe_machine, used_rows


class Timed:
    """A progress that keeps the time of each batch."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.times: list[float] = []

    def say(self, text: str) -> None:
        print(text, file=sys.stderr)

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Any]:
        def advance(count: int) -> None:
            self.counts.append(count)
            self.times.append(time.perf_counter())

        yield advance

    def rate(self, after: int) -> float:
        """Return images/s from batch number `after` on."""
        return sum(self.counts[after:]) / (self.times[-1] - self.times[after - 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--backbone", default="vgg16")
    parser.add_argument("--size", type=int)
    parser.add_argument("--weights", default="random")
    parser.add_argument("--compute", default="tensorflow")
    parser.add_argument("--images", type=int, default=320, help="images in one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()

    started = time.perf_counter()
    from transfer import engines
    from transfer.config import Config
    from transfer.data.pipeline import ImageSpec
    from transfer.features import store
    from transfer.features.extraction import compute_missing
    from transfer.features.extractor import BackboneExtractor
    from transfer.features.specs import batch_size
    from transfer.models.pretrained import FeatureSpec, Pretrained
    from transfer.models.registry import find
    from transfer.system.progress import Silent

    backbone = find(args.backbone)
    size = args.size or backbone.size
    config = Config(backbone=backbone.name, engine={"kind": "ray", "workers": args.workers})
    rows = used_rows(args.data, args.images)
    pretrained = Pretrained.load(backbone, args.weights, size, "float32", 0, Silent()).with_engine(args.compute)
    batch = batch_size(config, size)
    extractor = BackboneExtractor(pretrained, ImageSpec(size), (FeatureSpec("top", "avg"),), batch)
    ready = time.perf_counter() - started

    def passed(engine: engines.Engine) -> tuple[Timed, bytes]:
        with tempfile.TemporaryDirectory() as folder:
            opened, progress = store.Store(Path(folder)), Timed()
            failures = compute_missing(
                rows, args.data, extractor.image_spec, extractor.outputs, extractor, batch, opened, progress, engine=engine
            )
            assert not failures, failures
            names = [store.key(digest, "0", extractor.outputs[0]) for digest in rows["digest"]]
            found = opened.get(names, extractor.dtype(extractor.outputs[0])).tobytes()
            opened.close()
        return progress, found

    rates: dict[str, list[float]] = {"local": [], "ray": []}
    begun = time.perf_counter()
    with engines.opened(config.engine, Timed()) as ray:
        startup, after = 0.0, 1 + args.workers  # each worker compiles with its first batch
        for number in range(args.rounds):
            found = {}
            for name, engine in (("local", engines.LOCAL), ("ray", ray))[:: 1 if number % 2 else -1]:
                progress, found[name] = passed(engine)
                rates[name].append(progress.rate(after))
                startup = startup or progress.times[0] - begun
            assert found["local"] == found["ray"]
            print(f"round {number + 1}: {rates}", file=sys.stderr)
    print(
        json.dumps(
            {
                "benchmark": "engine_overhead",
                "ratio": round(statistics.median(one / other for one, other in zip(rates["ray"], rates["local"], strict=True)), 3),
                "startup_s": round(startup, 1),
                "imports_and_weights_s": round(ready, 1),
                "images_per_second": {name: [round(rate, 2) for rate in found] for name, found in rates.items()},
                "backbone": backbone.name, "size": size, "compute": args.compute, "batch": batch, "workers": args.workers,
                "images": args.images, "machine": describe_machine(),
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
