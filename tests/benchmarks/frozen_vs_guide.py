#!/usr/bin/env python3
"""`transfer fit` from a cold store against ten epochs of the recipe of Keras's transfer-learning guide.

    python tests/benchmarks/frozen_vs_guide.py --data FOLDER [--precision auto|float32] [--epochs 10] [--guide-steps 12]

Both see the same images, VGG16 at 224 px, the same number of epochs. The time of `transfer fit` is that of the whole
command: start of Python, scan, choice of the precision, feature extraction, head, export, and the check of the export on test
images. The guide's rate is measured over some steps, after a warm-up step; its total is that rate over all epochs, without
the start of Python. A second `transfer fit` with another head then shows the gain from a warm store.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import keras_guide
from tests.benchmarks.common import describe_machine, run, used_folder

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--guide-steps", type=int, default=12)
    parser.add_argument("--guide-only", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.guide_only:
        print(json.dumps(guide(Path(args.guide_only), args.guide_steps)))
        return
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        temporary = Path(folder)
        usable = used_folder(args.data, temporary / "usable")
        environment = os.environ | {"TRANSFER_HOME": str(temporary / "home"), "PYTHONPATH": str(ROOT)}
        run([sys.executable, "-m", "transfer", "weights", "vgg16"], environment)
        cold = fit(args, usable, temporary, environment, "cold", [])
        warm = fit(args, usable, temporary, environment, "warm", ["--set", "head.dense=[128]", "--set", "head.dropout=0.3"])
        command = [sys.executable, __file__, "--data", str(args.data), "--guide-only", str(usable), "--guide-steps", str(args.guide_steps)]
        recipe = json.loads(run(command, environment).stdout.splitlines()[-1])
    epoch = recipe["train_images"] / recipe["train_images_per_s"] + recipe["validation_images"] / recipe["validation_images_per_s"]
    result = {
        "benchmark": "frozen_vs_guide",
        "ratio": round(args.epochs * epoch / cold["seconds"], 1),
        "guide_seconds": round(args.epochs * epoch, 1),
        "guide": recipe,
        "fit_seconds": round(cold["seconds"], 1),
        "stages": cold["stages"],
        "precision": cold["precision"],
        "test_accuracy": cold["test_accuracy"],
        "warm_seconds": round(warm["seconds"], 1),
        "warm_seconds_to_trained_head": round(warm["seconds"] - warm["stages"]["export"] - warm["stages"]["evaluation"], 1),
        "warm_stages": warm["stages"],
        "epochs": args.epochs,
        "machine": describe_machine(),
    }
    print(json.dumps(result))


def fit(args: argparse.Namespace, data: Path, temporary: Path, environment: dict[str, str], name: str, more: list[str]) -> dict:
    """Time one whole `transfer fit` command; early stopping is off, so that the epochs are as many as the guide's."""
    settings = [f"precision={args.precision}", f"training.epochs={args.epochs}", "training.patience=null"]
    command = [sys.executable, "-m", "transfer", "fit", str(data), "--name", name, "--output", str(temporary / "runs")]
    started = time.perf_counter()
    run([*command, *(word for setting in settings for word in ("--set", setting)), *more], environment)
    seconds = time.perf_counter() - started
    folder = temporary / "runs" / name
    metrics = json.loads((folder / "metrics.json").read_text())
    precision = json.loads((folder / "environment.json").read_text())["precision"]
    accuracy = round(metrics["test"]["accuracy"], 4)
    return {"seconds": seconds, "stages": metrics["timing"], "precision": precision, "test_accuracy": accuracy}


def guide(data: Path, steps: int) -> dict:
    """Run the guide's recipe for some steps: images/s of training and of validation."""
    import keras

    train, validation = keras.utils.image_dataset_from_directory(
        data, validation_split=0.2, subset="both", seed=0, image_size=(224, 224), batch_size=keras_guide.BATCH, verbose=False
    )
    model, _ = keras_guide.build(224, len(train.class_names))
    keras_guide.compile_model(model, 1e-3)
    counts = {"train_images": len(train.file_paths), "validation_images": len(validation.file_paths)}
    return keras_guide.rates(model, train, validation, steps) | counts


if __name__ == "__main__":
    main()
