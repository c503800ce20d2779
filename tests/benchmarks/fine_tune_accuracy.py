#!/usr/bin/env python3
"""Test accuracy and processor time of fine-tuning VGG16 from `block5_conv1`, by one recipe or several on the same splits.

    python tests/benchmarks/fine_tune_accuracy.py --data FOLDER [--size 96] [--seeds 3] [--recipes earlier,new,short]

`earlier` has the defaults of before: a lower rate, and the epoch with the lowest validation loss; `new` has the defaults; `cuts` also
gives the head the features of `block4_pool`; `short` is `cuts` with 6 epochs. Each seed has a split of its own. The first run extracts
the features of the images, later ones find them in the store; `seconds` are processor seconds of the whole command.

Accuracies are those of all test images of all seeds together; differences are to the first recipe, in points, with 95 % intervals and
McNemar's p.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.common import describe_machine, run

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
RECIPES = {
    "new": [],
    "cuts": ["truncate_at=[block4_pool, block5_pool]", "head.pooling=avg+max"],
    "short": ["truncate_at=[block4_pool, block5_pool]", "head.pooling=avg+max", "fine_tuning.epochs=6"],
    "earlier": [
        "fine_tuning.learning_rate=0.00003",
        "fine_tuning.epochs=12",
        "fine_tuning.keep=loss",
        "fine_tuning.keep_tolerance=0",
        "fine_tuning.views=all",
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--recipes", default="earlier,new,short")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="further settings of all recipes")
    parser.add_argument("--runs", type=Path, help="keep the runs in this folder")
    args = parser.parse_args()
    names, seeds = args.recipes.split(","), range(args.first_seed, args.first_seed + args.seeds)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        runs = args.runs or Path(folder)
        done = {name: [fit(args, runs, name, seed) for seed in seeds] for name in names}
    right = {name: [one for trial in trials for one in trial.pop("right")] for name, trials in done.items()}
    result = {
        "benchmark": "fine_tune_accuracy",
        "size": args.size,
        "seeds": list(seeds),
        "test_images": len(right[names[0]]),
        "accuracy": {name: round(sum(answers) / len(answers), 4) for name, answers in right.items()},
        "points_over_first": {name: compared(right[name], right[names[0]]) for name in names[1:]},
        "runs": done,
    }
    print(json.dumps(result | {"machine": describe_machine()}))


def fit(args: argparse.Namespace, runs: Path, name: str, seed: int) -> dict[str, Any]:
    """Fine-tune with the command line; return accuracy and processor seconds, and for each test image whether it is right."""
    import pandas as pd

    folder = runs / f"{name} {seed}"
    settings = [f"image_size={args.size}", f"seed={seed}", "unfreeze_from=block5_conv1", *RECIPES[name], *args.set]
    command = [sys.executable, "-m", "transfer", "fit", str(args.data), "--name", folder.name, "--output", str(runs), "--overwrite"]
    before = processor_seconds()
    run([*command, *(word for setting in settings for word in ("--set", setting))], ENVIRONMENT)
    seconds = processor_seconds() - before
    metrics, history = json.loads((folder / "metrics.json").read_text()), pd.read_csv(folder / "history.csv")
    predicted = pd.read_csv(folder / "predictions.csv", keep_default_na=False, dtype={"label": str, "predicted": str})
    test = predicted[predicted["split"] == "test"].sort_values("path")
    return {
        "seed": seed,
        "accuracy": round(metrics["test"]["accuracy"], 4),
        "log_loss": round(metrics["test"]["log_loss"], 4),
        "seconds": round(seconds, 1),
        "epochs": int((history["stage"] == "fine-tuning").sum()),
        "kept": int(metrics["best_epoch"] - (history["stage"] == "head").sum()),
        "right": (test["label"] == test["predicted"]).tolist(),
    }


def processor_seconds() -> float:
    """Return the processor time of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compared(answers: list[bool], first: list[bool]) -> dict[str, float]:
    """Return the difference of two accuracies on the same images, in points, with its 95 % interval and McNemar's exact p."""
    import numpy as np

    from transfer.evaluation.paired_differences import one_seed

    found = one_seed(np.array(answers, int) - np.array(first, int))
    return {
        "points": round(100 * found.value, 1),
        "low": round(100 * found.low, 1),
        "high": round(100 * found.high, 1),
        "p": round(found.p, 4),
    }


if __name__ == "__main__":
    main()
