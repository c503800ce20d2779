"""What the end-to-end tests share: digits as an image folder, settings that are quick, and runs as they can be compared."""

import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from transfer.config import Config
from transfer.data import digits
from transfer.engines.local import Local
from transfer.models.frozen_pass import FrozenPass
from transfer.runs import METRICS, PREDICTIONS, Run

R = TypeVar("R")

QUICK: dict[str, Any] = {
    "backbone": "vgg16",
    "weights": "random",
    "image_size": 32,
    "truncate_at": "block2_pool",
    "precision": "float32",
    "compute": "tensorflow",
    "features.batch_size": 16,
    "training.epochs": 2,
    "head.dense": [],
    "energy": "off",
}
"""Two blocks of VGG16 with random weights: all stages, in seconds, several batches of a few images; without the meter, which each process
looks for anew."""

OTHERS = Config().ood.other_images
"""Images of each kind of other data that go through a network's prefix, once for each store; digits are none where they are the data."""

RUN_FILES = {
    "config.yaml", "environment.json", "manifest.csv", "history.csv", "metrics.json", "predictions.csv", "model.keras", "ood_reference.npz",
    "export", "report.html", "findings.json", "checksums.json",
}  # fmt: skip


class Sending(Local):
    """Runs what is mapped here, but as it would arrive on another machine."""

    def map(self, function: Callable[[Any], R], items: Sequence[Any]) -> Iterator[R]:
        yield from super().map(*pickle.loads(pickle.dumps((function, items))))


def quick_arguments(data: Path, output: Path, name: str = "run") -> list[str]:
    """Return the command line of a quick fit."""
    settings = [argument for key, value in QUICK.items() for argument in ("--set", f"{key}={value}")]
    return ["fit", str(data), "--output", str(output), "--name", name, *settings]


def digits_by_class(folder: Path, count: int, classes: int = 3) -> Path:
    """Write `count` images of each of the first digits as `folder/<digit>/*.png`, without ready-made splits."""
    digits.write_folder(folder / "all", count, 0, 0)
    for number in range(classes):
        shutil.copytree(folder / "all" / "train" / str(number), folder / "data" / str(number))
    return folder / "data"


def three_digits(folder: Path, train: int, validation: int, test: int) -> Path:
    """Write so many images of each of the first three digits, with ready-made splits."""
    root = digits.write_folder(folder / "digits", train, validation, test)
    for split in ("train", "val", "test"):
        for number in range(3, 10):
            shutil.rmtree(root / split / str(number))
    return root


def outcome(run: Run) -> tuple[dict[str, Any], bytes]:
    """Return what must be the same in two runs: metrics without seconds and electricity, and the predictions, byte for byte."""
    metrics = {key: value for key, value in Run(run.path).metrics.items() if key not in ("timing", "energy")}
    assert (run.path / METRICS).is_file()
    return metrics, (run.path / PREDICTIONS).read_bytes()


def disagreement(run: Run) -> float:
    """Return the largest difference between the export and other ways to compute its answers."""
    agreement = run.metrics["agreement"]
    assert 1 <= agreement["images"] <= run.metrics["images"]["test"]
    return max(value for name, value in agreement.items() if name != "images")


def contents(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return for each file and folder its mode, the time of its last change and its bytes."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, data)
    return found


def count_passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count the images that go through a backbone's prefix; return a function that says how many did."""
    compute, passed = FrozenPass.__call__, []

    def counting(frozen: FrozenPass, batch: np.ndarray) -> list[np.ndarray]:
        passed.append(int(batch.shape[0]))
        return compute(frozen, batch)

    monkeypatch.setattr(FrozenPass, "__call__", counting)
    return lambda: sum(passed)
