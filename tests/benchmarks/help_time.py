#!/usr/bin/env python3
"""Time of `transfer --help`, as a whole process, against half a second.

python tests/benchmarks/help_time.py [--data FOLDER]   (the folder is not used)
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data")
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()
    seconds = []
    for _ in range(args.rounds + 1):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "transfer", "--help"], cwd=ROOT, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds[1:])
    print(json.dumps({"benchmark": "help_time", "ratio": round(median / LIMIT, 3), "seconds": round(median, 3)}))


if __name__ == "__main__":
    main()
