"""Trains on one device and on two (the processor, divided) and writes what came of it: the process of `test_replicated`."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.training.test_fitting import CLASSES, CONFIG, InArray, data
from transfer.config import HeadConfig, NetworkConfig, TrainingConfig
from transfer.models import heads, scratch, tunable
from transfer.models.pretrained import Pretrained
from transfer.models.registry import BACKBONES, SCRATCH
from transfer.system import devices
from transfer.system.progress import Silent
from transfer.training.batches import Batches, class_weights
from transfer.training.fitting import Fitted, Stage, fit
from transfer.training.replicated import Replicated

TWO = ["CPU:0", "CPU:1"]
PLAIN = HeadConfig(dense=(8,), dropout=0.0)
UNEVEN = TrainingConfig(**(CONFIG.model_dump() | {"epochs": 3, "batch_size": 7, "clip_norm": 0.2, "class_weights": "balanced"}))
"""60 rows: parts of 4 and 3, and a last batch of 4."""


def trained(
    folder: Path, which: str, build: Callable[[], keras.Model], rows: tuple[np.ndarray, np.ndarray], config: TrainingConfig = UNEVEN,
    factors: Callable[[keras.Model], list[float]] | None = None, precision: str = "float32",
) -> dict[str, Any]:  # fmt: skip
    """Fit a model on `all` or `one` of the devices; return its history and weights."""
    model, (values, labels) = build(), rows
    config = TrainingConfig(**(config.model_dump() | {"devices": which}))
    flat = InArray(values.reshape(len(values), -1))
    weights = class_weights(labels, CLASSES, config.class_weights)
    batches = Batches(flat, labels, CLASSES, config.batch_size, values.shape[1:], weights, 5)
    judged = Batches(flat, labels, CLASSES, 32, values.shape[1:], np.ones_like(weights))
    stage = Stage("head", config, config, folder / f"{which}.npz", factors(model) if factors else None, precision)
    fitted: Fitted = fit(model, batches, judged, stage, Silent())
    figures = fitted.history.drop(columns=["stage", "seconds"]).to_numpy(float)
    return {"history": figures.tolist(), "weights": [weight.ravel().tolist() for weight in model.get_weights()]}


def both(name: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    """Fit on one device and on two."""
    folder = Path(name)
    folder.mkdir()
    return {which: trained(folder, which, *arguments, **options) for which in ("one", "all")}


def head() -> keras.Model:
    return heads.build(4, CLASSES, PLAIN, 0)


def network() -> keras.Model:
    return scratch.build(SCRATCH["cifar"], 8, CLASSES, 127.0, 70.0**2, 0, NetworkConfig(filters=(4,), l2=1e-3))


def pixels() -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(27) % CLASSES
    noise = np.random.default_rng(3).integers(0, 100, (27, 8, 8, 3))
    return (noise + 70 * labels[:, None, None, None]).astype(np.uint8), labels


def fine_tuning() -> dict[str, Any]:
    backbone = BACKBONES["vgg16"]
    pretrained = Pretrained.load(backbone, "random", 32, "float32", 0, Silent())
    boundary, top = backbone.boundary("block5_conv3"), backbone.cut("top")
    parts: list[tunable.Tunable] = []

    def build() -> keras.Model:
        parts.append(tunable.build(pretrained, boundary, [top], "avg", heads.build(512, CLASSES, PLAIN, 0), 1e-4))
        return parts[-1].model

    maps = np.abs(np.random.default_rng(4).normal(size=(9, 2, 2, 512))).astype(np.float32)
    config = TrainingConfig(**(CONFIG.model_dump() | {"epochs": 2, "batch_size": 4, "clip_norm": 0.5, "learning_rate": 1e-4}))
    return both("tuned", build, (maps, np.arange(9) % CLASSES), config, factors=lambda model: tunable.rates(parts[-1], 0.5))


def interrupted() -> dict[str, Any]:
    """Train the head of the first trial on two devices, killed after an epoch and started again."""
    folder = Path("interrupted")
    folder.mkdir()
    config = TrainingConfig(**(UNEVEN.model_dump() | {"checkpoint_seconds": 0}))

    class Killed(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            raise KeyboardInterrupt

    plain = Replicated.fit

    def killed(self: Replicated, *arguments: Any, callbacks: list[Any], **options: Any) -> Any:
        return plain(self, *arguments, callbacks=[*callbacks, Killed()], **options)

    Replicated.fit = killed
    try:
        trained(folder, "all", head, data(1), config)
    except KeyboardInterrupt:
        pass
    Replicated.fit = plain
    return {"checkpoint": (folder / "all.npz").exists(), "again": trained(folder, "all", head, data(1), config)}


def dropped() -> dict[str, Any]:
    """What a dropout passes on each device, and alone."""
    layers = [keras.Input((64,)), keras.layers.Dropout(0.5, seed=3)]
    model = keras.Model(layers[0], layers[1](layers[0]))
    strategy = devices.strategy("all")
    replicated = Replicated(model, strategy)
    run = tf.function(lambda: strategy.run(lambda: replicated(tf.ones([1, 64]), training=True)))
    passed = [strategy.experimental_local_results(run()) for _ in range(2)]
    alone = [model(np.ones((1, 64)), training=True) for _ in range(2)]
    return {"devices": [[part.numpy().ravel().tolist() for part in step] for step in passed],
            "alone": [part.numpy().ravel().tolist() for part in alone]}  # fmt: skip


def main() -> None:
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    devices.to_train_on = lambda which: TWO if which == "all" else []
    with_dropout = TrainingConfig(**(CONFIG.model_dump() | {"epochs": 8, "batch_size": 15, "learning_rate": 0.05}))
    plain = both("head", head, data(1))
    Path("scaled").mkdir()
    scaled = trained(Path("scaled"), "all", head, data(1), precision="float16")
    results = {
        "replicas": devices.strategy("all").num_replicas_in_sync,
        "head": plain,
        "scaled loss": {"one": plain["one"], "all": scaled},  # scaled by a power of two, and back
        "network": both("network", network, pixels()),
        "fine-tuning": fine_tuning(),
        "interrupted": interrupted(),
        "dropped": dropped(),
        "dropout": trained(Path(), "all", lambda: heads.build(4, CLASSES, HeadConfig(dense=(16,)), 0), data(1, noise=0.2), with_dropout),
    }
    Path("results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    sys.exit(main())
