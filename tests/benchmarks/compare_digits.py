#!/usr/bin/env python3
"""A comparison of 7 sizes x 5 seeds x 2 frozen methods on the digits of scikit-learn, VGG16 at 64 px, with a warm store.

    python tests/benchmarks/compare_digits.py [--weights imagenet] [--sizes 1 2 5 10 25 100 all] [--seeds 5]

The features are stored before the clock starts; everything else is timed, from the scan to the report.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.common import describe_machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--sizes", nargs="+", default=["1", "2", "5", "10", "25", "100", "all"])
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()

    import transfer
    from transfer.data import digits
    from transfer.system.terminal import Terminal

    sizes = [size if size == "all" else int(size) for size in args.sizes]
    settings = {
        "common": {"backbone": "vgg16", "weights": args.weights, "image_size": 64},
        "methods": {"block4_pool": {"truncate_at": "block4_pool"}, "block5_pool": {"truncate_at": "block5_pool"}},
    }
    with tempfile.TemporaryDirectory() as folder:
        data = digits.write_folder(Path(folder) / "digits", train=124, validation=10, test=40)
        short = {"common.training.epochs": 1, "sizes": [1], "seeds": [0], "energy": "off"}
        transfer.compare(data, settings | short, name="warm", output=folder, progress=Terminal())
        started = time.perf_counter()
        done = transfer.compare(
            data, settings, name="timed", output=folder, progress=Terminal(), sizes=sizes, seeds=list(range(args.seeds))
        )  # fmt: skip
        seconds = time.perf_counter() - started
        accuracy = {f"{row.method} {row.size}": round(row.accuracy, 3) for row in done.summary.itertuples()}
        runs = done.runs  # read before the folder goes
        print(done.paragraph, file=sys.stderr)
    result = {
        "benchmark": "compare_digits",
        "seconds": round(seconds, 1),
        "runs": len(runs),
        "seconds_a_run": round(seconds / len(runs), 2),
        "seconds_training": round(float(runs["seconds_training"].sum()), 1),
        "accuracy": accuracy,
        "machine": describe_machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
