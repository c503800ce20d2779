#!/usr/bin/env python3
"""Memory of the driver while `transfer predict` runs on a Ray cluster of this machine, against the limit of 3 GB.

    python tests/benchmarks/engine_memory.py [--images 200000] [--engine ray] [--workers 2] [--folder FOLDER]

`ratio` is the larger peak over 3 GB. Made-up PNG of 28 px are predicted by a tiny export, so that what is left is the work of the engine
and of the driver. `first_half_gb` and `second_half_gb` are the peaks of this process (VmHWM, reset in the middle), each with what it
had at its end (`rss`): flat if the second is no larger than the first. Processes of Ray and the workers are not counted.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 3e9


def memory_gb(what: str) -> float:
    """Return a line of the system's on this process: `VmHWM`, its peak, or `VmRSS`, what it has."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith(what)) * 1024 / 1e9, 3)


class Halves:
    """Progress that takes down the memory in the middle of the work and at its end."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        self.done, self.seconds = 0, 0.0

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[object]:
        began = time.perf_counter()

        def advance(count: int) -> None:
            before, self.done = self.done, self.done + count
            if total and before < total // 2 <= self.done:
                self.note("first_half")

        Path("/proc/self/clear_refs").write_text("5")
        yield advance
        self.note("second_half")
        self.seconds = time.perf_counter() - began

    def note(self, half: str) -> None:
        self.figures |= {f"{half}_gb": memory_gb("VmHWM"), f"{half}_rss_gb": memory_gb("VmRSS")}
        print(f"{self.done:,} images: {self.figures}", file=sys.stderr, flush=True)
        Path("/proc/self/clear_refs").write_text("5")

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--engine", default="ray")
    parser.add_argument("--workers", default="auto")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    args = parser.parse_args()

    os.environ["PYTHONPATH"] = str(ROOT)
    from tests.benchmarks.common import describe_machine
    from tests.benchmarks.memory import make_images
    from tests.reports.made_up_run import write_run
    from transfer.system.startup import import_tensorflow_quietly

    import_tensorflow_quietly()
    from transfer.serving.batch import prediction
    from transfer.serving.batch.request import predict_request

    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=args.folder) as name:
        folder = Path(name)
        make_images(folder / "images", args.images)
        run = write_run(folder / "run", export=True)
        layer = {"engine.kind": args.engine, "engine.workers": args.workers}
        request = predict_request(run, [folder / "images"], f"{folder}/out/", compute="tensorflow", settings=[layer])
        halves = Halves()
        summary = prediction.carry_out(request, halves)
    assert (summary.files, summary.failed) == (args.images, 0)
    peak = max(halves.figures["first_half_gb"], halves.figures["second_half_gb"])
    result = {
        "benchmark": "engine_memory", "ratio": round(peak * 1e9 / LIMIT, 3), **halves.figures, "peak_with_table_gb": memory_gb("VmHWM"),
        "images": args.images, "images_per_s": round(args.images / halves.seconds, 1), "engine": args.engine, "workers": args.workers,
        "load_before": round(os.getloadavg()[0], 1), "machine": describe_machine(),
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
