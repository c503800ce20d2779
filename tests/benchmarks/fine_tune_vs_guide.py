#!/usr/bin/env python3
"""An epoch of fine-tuning VGG16 from `block5_conv1` against the same epoch in the recipe of Keras's transfer-learning guide.

    python tests/benchmarks/fine_tune_vs_guide.py --data FOLDER [--precision auto|float32] [--size 224] [--guide-steps 6]
                                                  [--accuracy-seeds 3 --accuracy-size 64]

Both train the same layers with batches of 32 and evaluate a validation split after the epoch. The seconds of `transfer fit` are
those of its history, without the first epoch (in which both build their graphs); the guide's rates are taken from some steps.
The ratio is for the same numbers of training and validation images. What comes before the epochs is reported separately:
feature extraction and the head here, the frozen epochs there.

With --accuracy-seeds both also train to the end on the same training images and are evaluated on the same test images, for each
seed with a different split, at a size at which the guide takes minutes (its recipe: 8 frozen epochs, then 2 of fine-tuning).
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import keras_guide
from tests.benchmarks.common import describe_machine, run, used_folder

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
FROM, FROZEN_EPOCHS, TUNED_EPOCHS = "block5_conv1", 8, 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--guide-steps", type=int, default=6)
    parser.add_argument("--accuracy-seeds", type=int, default=0)
    parser.add_argument("--accuracy-size", type=int, default=64)
    parser.add_argument("--guide-only", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.guide_only:
        steps = None if args.guide_steps == 0 else args.guide_steps
        print(json.dumps(guide(Path(args.guide_only), args.size, steps)))
        return
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        temporary = Path(folder)
        usable = used_folder(args.data, temporary / "usable")
        settings = [f"image_size={args.size}", f"precision={args.precision}"]
        settings += [f"fine_tuning.epochs={args.epochs}", "fine_tuning.patience=null"]
        ours = fit(usable, temporary, "timed", settings)
        recipe = run_guide(by_split(usable, ours["manifest"], temporary / "timed split"), args.size, args.guide_steps)
        train, validation = ours["images"]["train"], ours["images"]["validation"]
        epoch = train / recipe["train_images_per_s"] + validation / recipe["validation_images_per_s"]
        result = {
            "benchmark": "fine_tune_vs_guide",
            "ratio": round(epoch / ours["epoch_seconds"], 1),
            "guide_epoch_seconds": round(epoch, 1),
            "epoch_seconds": round(ours["epoch_seconds"], 1),
            "train_images_per_s": round(train / ours["epoch_seconds"], 1),
            "guide": recipe,
            "precision": ours["precision"],
            "stages": ours["stages"],
            "images": ours["images"],
        }
        if args.accuracy_seeds:
            seeds = range(args.accuracy_seeds)
            result["accuracy"] = [accuracy(usable, temporary, args.accuracy_size, args.precision, seed) for seed in seeds]
    print(json.dumps(result | {"machine": describe_machine()}))


def fit(data: Path, temporary: Path, name: str, settings: list[str]) -> dict:
    """Fine-tune with the command line; return what its run says."""
    settings = [*settings, f"unfreeze_from={FROM}"]
    command = [sys.executable, "-m", "transfer", "fit", str(data), "--name", name, "--output", str(temporary / "runs")]
    run([*command, *(word for setting in settings for word in ("--set", setting))], ENVIRONMENT)
    import pandas as pd

    folder = temporary / "runs" / name
    metrics = json.loads((folder / "metrics.json").read_text())
    history = pd.read_csv(folder / "history.csv")
    tuned = history[history["stage"] == "fine-tuning"]["seconds"]
    return {
        "epoch_seconds": float(tuned.iloc[1:].mean()),
        "stages": metrics["timing"],
        "precision": json.loads((folder / "environment.json").read_text())["precision"],
        "images": metrics["images"],
        "accuracy": metrics["test"]["accuracy"],
        "manifest": folder / "manifest.csv",
    }


def by_split(data: Path, manifest: Path, target: Path) -> Path:
    """Link the images of a run as `target/<split>/<class>/...`, so that the guide has the same splits."""
    import pandas as pd

    for row in pd.read_csv(manifest, keep_default_na=False, dtype={"label": str}).itertuples():
        if row.split in ("train", "validation", "test") and row.status != "skipped":
            link = target / row.split / row.label / f"{row.Index}{Path(row.path).suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((data / row.path).resolve())
    return target


def accuracy(data: Path, temporary: Path, size: int, precision: str, seed: int) -> dict:
    """Train both to the end on one split; return their test accuracies."""
    ours = fit(data, temporary, f"seed {seed}", [f"image_size={size}", f"precision={precision}", f"seed={seed}"])
    recipe = run_guide(by_split(data, ours["manifest"], temporary / f"split {seed}"), size, 0)
    return {"seed": seed, "size": size, "fine_tuned": round(ours["accuracy"], 4), "guide": round(recipe["test_accuracy"], 4)}


def run_guide(data: Path, size: int, steps: int) -> dict:
    command = [sys.executable, __file__, "--data", str(data), "--guide-only", str(data), "--size", str(size), "--guide-steps", str(steps)]
    recipe: dict = json.loads(run(command, ENVIRONMENT).stdout.splitlines()[-1])
    return recipe


def guide(data: Path, size: int, steps: int | None) -> dict:
    """Run the guide's recipe: some steps of fine-tuning for its rates, or with no number of steps all of it for its accuracy."""
    import keras

    keras.utils.set_random_seed(0)
    options = {"image_size": (size, size), "batch_size": keras_guide.BATCH, "verbose": False}
    train = keras.utils.image_dataset_from_directory(data / "train", seed=0, **options)
    validation = keras.utils.image_dataset_from_directory(data / "validation", shuffle=False, **options)
    test = keras.utils.image_dataset_from_directory(data / "test", shuffle=False, **options)
    model, base = keras_guide.build(size, len(train.class_names))
    if steps is None:
        keras_guide.compile_model(model, 1e-3)
        model.fit(train, epochs=FROZEN_EPOCHS, verbose=0)
    base.trainable = True
    for layer in base.layers[: [layer.name for layer in base.layers].index(FROM)]:
        layer.trainable = False
    keras_guide.compile_model(model, 1e-5)
    if steps is not None:
        return keras_guide.rates(model, train, validation, steps)
    model.fit(train, epochs=TUNED_EPOCHS, verbose=0)
    return {"test_accuracy": float(model.evaluate(test, verbose=0)[1])}


if __name__ == "__main__":
    main()
