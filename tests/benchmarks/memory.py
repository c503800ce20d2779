#!/usr/bin/env python3
"""Peak memory of `transfer fit` on many images, against the limit of 3 GB.

    python tests/benchmarks/memory.py --data FOLDER [--set KEY=VALUE ...]

`ratio` is the peak over 3 GB. The peak is what the operating system reports (ru_maxrss) for the finished process.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 3e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        environment = os.environ | {"TRANSFER_HOME": f"{folder}/home", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "transfer", "fit", str(args.data), "--name", "memory", "--output", f"{folder}/runs"]
        done = subprocess.run([*command, *(word for s in args.set for word in ("--set", s))], env=environment)
        if done.returncode:
            raise SystemExit(done.returncode)
        metrics = json.loads(Path(f"{folder}/runs/memory/metrics.json").read_text())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    result = {
        "benchmark": "memory",
        "ratio": round(peak / LIMIT, 3),
        "peak_gb": round(peak / 1e9, 2),
        "images": sum(metrics["images"].values()),
        "seconds": metrics["timing"]["total"],
        "settings": args.set,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
