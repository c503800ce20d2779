"""Runs of a comparison that never took place, with known accuracies."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

IMAGES = {"1": 1.0, "2": 2.0, "5": 5.0, "10": 10.0, "25": 25.0, "100": 100.0, "all": 252.0}
SCRATCH = "lenet"


def comparison(
    accuracies: Mapping[str, Mapping[str, float]],
    seeds: int = 5,
    images: int = 400,
    seconds: Mapping[str, float] | None = None,
    energy: str = "",
    without: Iterable[tuple[str, str, int]] = (),
    noise: float = 0.005,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return runs and predictions.

    Args:
        accuracies: method -> size -> accuracy; the same images are hard for all methods. The method `lenet` has no frozen part.
        seeds: trainings of each.
        images: in the test set.
        seconds: method -> seconds of a run; 10 where nothing is said.
        energy: its source; "" for not measured.
        without: method, size and seed of runs that are missing.
        noise: spread of a run's accuracy around the given one.
    """
    random = np.random.default_rng(0)
    hardness = np.linspace(0, 1, images, endpoint=False)
    table = {"path": [f"{i}.png" for i in range(images)], "label": ["cat"] * images}
    rows = []
    for method, sizes in accuracies.items():
        for size, accuracy in sizes.items():
            for seed in range(seeds):
                if (method, size, seed) in without:
                    continue
                run = f"{method}-{size}-{seed}"
                right = hardness < accuracy + (random.uniform(-noise, noise) if noise else 0.0)
                table[run] = list(np.where(right, "cat", "dog"))
                rows.append(_row(run, method, size, seed, float(right.mean()), images, (seconds or {}).get(method, 10.0), energy))
    return pd.DataFrame(rows), pd.DataFrame(table)


def _row(run: str, method: str, size: str, seed: int, accuracy: float, images: int, seconds: float, energy: str) -> dict[str, object]:
    frozen = 0.0 if method == SCRATCH else seconds / 2
    return {
        "run": run, "method": method, "size": size, "images_per_class": IMAGES[size], "train_images": int(7 * IMAGES[size]),
        "validation_images": 100, "test_images": images, "seed": seed, "accuracy": accuracy, "macro_f1": accuracy, "log_loss": 0.5,
        "ece": 0.05, "val_accuracy": accuracy, "best_epoch": 7, "epochs": 12, "truncate_at": "" if method == SCRATCH else "block4_pool",
        "parameters_trained": 61_706 if method == SCRATCH else 133_000, "parameters_total": 61_706 if method == SCRATCH else 14_800_000,
        "seconds_frozen": frozen, "seconds_training": seconds - frozen, "seconds": seconds,
        "energy_wh": seconds / 100 if energy else float("nan"), "energy_source": energy,
    }  # fmt: skip
