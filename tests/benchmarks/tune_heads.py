#!/usr/bin/env python3
"""Cross-validated trials of heads by `training/many_heads.py` against the same trials through plain Keras `fit`, one after the other.

    python tests/benchmarks/tune_heads.py [--features FILE.npz] [--trials 10] [--folds 5] [--epochs 20] [--baseline-folds 5]

Trials alternate between widths, units, layers and batch sizes; every fifth is linear, whose counterpart is a Keras head without hidden
layer. Features are made up, or those of a file with the arrays `label` and `CUT:POOLING`, from the shallowest cut point to the top.
Early stopping is off on both sides, so that both do the same number of steps. `ratio` is the baseline's seconds over ours, where the
baseline may be measured on fewer folds of each trial (`--baseline-folds`): its folds take the same time.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from tests.benchmarks.common import describe_machine

_LINEAR = 0.003  # C


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--baseline-folds", type=int, default=5)
    args = parser.parse_args()

    from transfer.data import folds
    from transfer.training import many_heads

    features, labels = stored(args.features) if args.features else made_up()
    classes = int(labels.max()) + 1
    divided = folds.stratified(labels, [str(number) for number in range(len(labels))], args.folds, 0)
    measured = []
    for number, (columns, config) in enumerate(trials(args.trials, args.epochs)):
        rows, linear = np.hstack([features[at] for at in columns]), not config.head.dense
        started, processor = time.perf_counter(), time.process_time()
        if linear:
            curves = many_heads.linear_curves(rows, labels, classes, config, divided, _LINEAR)
        else:
            curves = many_heads.dense_curves(rows, labels, classes, config, divided)
        ours = (time.perf_counter() - started, time.process_time() - processor)
        accuracy = float(np.mean([curve.accuracy[-1] for curve in curves]))
        compared = divided[: args.baseline_folds]
        started, processor = time.perf_counter(), time.process_time()
        of_keras = float(np.mean([by_keras(rows, labels, classes, config, fold) for fold in compared]))
        scale = len(divided) / len(compared)
        keras = ((time.perf_counter() - started) * scale, (time.process_time() - processor) * scale)
        measured.append((*ours, *keras, accuracy, of_keras))
        what = f"{rows.shape[1]} features, {'linear' if linear else config.head.dense}, batches of {config.training.batch_size}"
        print(
            f"trial {number + 1} ({what}): {ours[0]:.2f} s, Keras {keras[0]:.2f} s; processor {ours[1]:.2f} s, {keras[1]:.2f} s; "
            f"accuracy {accuracy:.3f}, {of_keras:.3f}",
            file=sys.stderr,
        )
    seconds, processor, of_keras, keras_processor, accuracy, keras_accuracy = np.array(measured).T
    result = {
        "benchmark": "tune_heads",
        "ratio": round(float(of_keras.sum() / seconds.sum()), 2),
        "ratio_of_processor_time": round(float(keras_processor.sum() / processor.sum()), 2),
        "median_ratio": round(float(np.median(of_keras / seconds)), 2),
        "seconds_a_trial": round(float(seconds.mean()), 2),
        "processor_seconds_a_trial": round(float(processor.mean()), 2),
        "keras_seconds_a_trial": round(float(of_keras.mean()), 2),
        "accuracy": round(float(accuracy.mean()), 4),
        "keras_accuracy": round(float(keras_accuracy.mean()), 4),
        "trials": args.trials,
        "folds": args.folds,
        "epochs": args.epochs,
        "machine": describe_machine(),
    }
    print(json.dumps(result))


def made_up(count: int = 1490, classes: int = 7) -> tuple[list[np.ndarray], np.ndarray]:
    """Return features of the shapes of VGG16's five cut points, average and maximum pooled, and labels."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, classes, count)
    hidden = generator.normal(size=(classes, 60))[labels] + 2.5 * generator.normal(size=(count, 60))
    widths = [width for width in (64, 128, 256, 512, 512) for _ in range(2)]
    tables = [hidden @ generator.normal(size=(60, width)) + 8 * generator.normal(size=(count, width)) for width in widths]
    return [standardised(table) for table in tables], labels


def stored(file: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the features of a file, and labels."""
    arrays = np.load(file)
    names = [name for name in arrays.files if ":" in name]
    return [standardised(arrays[name]) for name in names], np.unique(arrays["label"], return_inverse=True)[1]


def standardised(table: np.ndarray) -> np.ndarray:
    deviation = table.std(axis=0)
    return ((table - table.mean(axis=0)) / np.where(deviation > 1e-3 * deviation.max(), deviation, 1)).astype(np.float32)


def trials(count: int, epochs: int) -> list[tuple[list[int], Any]]:
    """Return positions of features, the last of them the top, and configurations; without dense layers: linear."""
    from transfer.config.schema import validated

    widths = [[-2], [-4, -2], [-4, -3, -2, -1], list(range(-10, 0))]  # 512, 1,024, 2,048, 2,944
    units = [(128,), (256,), (64,), (256, 64), (), (512,), (64, 64), (128,), (256,), ()]
    sizes = [64, 128, 64, 128, 64]
    return [
        (
            widths[number % len(widths)],
            validated(
                {
                    "head": {"dense": units[number % len(units)], "dropout": 0.5 if units[number % len(units)] else 0.0, "l2": 3e-3},
                    "training": {"epochs": epochs, "batch_size": sizes[number % len(sizes)], "patience": None},
                    "seed": number,
                }
            ),
        )
        for number in range(count)
    ]


def by_keras(rows: np.ndarray, labels: np.ndarray, classes: int, config: Any, fold: Any) -> float:
    """Train one head as a tutorial would; return its accuracy on the rows held out."""
    import keras

    from transfer.models import heads
    from transfer.training import optimizers

    settings = config.training
    head = heads.build(rows.shape[1], classes, config.head, config.seed)
    steps = -(-len(fold.train) // settings.batch_size)
    one_hot = np.eye(classes, dtype=np.float32)[labels]
    head.compile(
        optimizer=optimizers.build(settings, optimizers.schedule(settings, steps)),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = head.fit(
        rows[fold.train], one_hot[fold.train], batch_size=settings.batch_size, epochs=settings.epochs,
        validation_data=(rows[fold.held_out], one_hot[fold.held_out]), verbose=0,
    )  # fmt: skip
    return float(history.history["val_accuracy"][-1])


if __name__ == "__main__":
    main()
