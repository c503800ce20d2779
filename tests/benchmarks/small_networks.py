#!/usr/bin/env python3
"""Training a small network on stored pixels against plain `model.fit` on arrays in memory: images/s after the first epoch.

    python tests/benchmarks/small_networks.py [--networks lenet,mlp] [--all] [--data FOLDER] [--images 4096] [--rounds 5]

Both train in turn, several times; `ratio` is the least of the networks' medians of the pairs. The plain side is what a
user would write: float32 arrays that are standardised (and grey) already, so that its network begins after that layer; shuffled
by Keras; Adam; `jit_compile=False`, which is the faster choice on a processor. Both evaluate the same few images after each epoch.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.common import describe_machine, used_rows

CLASSES, JUDGED = 10, 64
SMALL = ["lenet", "cifar", "tiny_vgg", "mlp"]


def pixels_of(folder: Path | None, size: int, count: int) -> Any:
    """Return images, uint8 [count, size, size, 3]: those of a folder, or made-up ones, of which each class has its own noise."""
    import numpy as np

    from transfer.data.pipeline import ImageSpec, batches, files_of

    if folder:
        files = files_of(folder, used_rows(folder, count))
        return np.concatenate([images.numpy() for _, images in batches(files, ImageSpec(size), 64)])
    generator = np.random.default_rng(0)
    patterns = generator.integers(0, 256, (CLASSES, size, size, 3))
    noise = generator.integers(0, 256, (count, size, size, 3))
    return ((patterns[np.arange(count) % CLASSES] + noise) // 2).astype(np.uint8)


class Contest:
    """One network, trained both ways on the same images."""

    def __init__(self, name: str, pixels: Any, opened: Any, epochs: int) -> None:
        import numpy as np

        from transfer.features.arrays import StoredRows
        from transfer.features.store import key
        from transfer.models.registry import find
        from transfer.workflows.settings import resolve

        self.network, self.pixels, self.size = find(name), pixels, pixels.shape[1]
        training = {"training.epochs": epochs, "training.patience": None}
        self.config = resolve([{"backbone": name, "image_size": self.size, **training}])
        self.labels = np.arange(len(pixels)) % CLASSES
        self.mean, self.variance = float(pixels.mean()), float(pixels.astype(np.float32).var())
        keys = [key(f"{number:064x}", "0", f"{name}") for number in range(len(pixels))]
        opened.put({one: image.tobytes() for one, image in zip(keys, pixels, strict=True)})
        self.rows = lambda count: StoredRows(opened, [keys[:count]], [self.size**2 * 3], np.dtype(np.uint8), 1 << 30)

    def model(self) -> Any:
        """Build the network, from pixels to logits."""
        from transfer.models import scratch
        from transfer.training.from_scratch import options_of

        options = options_of(self.network, self.config)
        return scratch.build(self.network, self.size, CLASSES, self.mean, self.variance, 0, options)

    def by_transfer(self, folder: Path) -> float:
        """Return images/s of this package."""
        import numpy as np

        from transfer.system.progress import Silent
        from transfer.training.batches import Batches
        from transfer.training.fitting import Stage, fit

        training, shape = self.config.training, (self.size, self.size, 3)

        def batches(count: int, batch_size: int, seed: int | None) -> Batches:
            return Batches(self.rows(count), self.labels[:count], CLASSES, batch_size, shape, np.ones(count, np.float32), seed)

        checkpoint = folder / "checkpoint.npz"
        stage = Stage("network", training, training, checkpoint)
        fitted = fit(self.model(), batches(len(self.labels), training.batch_size, 0), batches(JUDGED, JUDGED, None), stage, Silent())
        checkpoint.unlink(missing_ok=True)
        return len(self.labels) / statistics.median(fitted.history["seconds"].iloc[1:])

    def by_keras(self) -> float:
        """Return images/s of plain `model.fit`."""
        import keras
        import numpy as np

        class Clock(keras.callbacks.Callback):
            """Seconds of each epoch."""

            seconds: list[float] = []  # noqa: RUF012

            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                self.started = time.perf_counter()

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                self.seconds = [*self.seconds, time.perf_counter() - self.started]

        whole, training, clock = self.model(), self.config.training, Clock()
        seen = whole.get_layer("standardize").output
        ready = keras.Model(whole.input, seen).predict(self.pixels, batch_size=256, verbose=0)
        plain = keras.Model(seen, whole.output)
        one_hot = np.eye(CLASSES, dtype=np.float32)[self.labels]
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        plain.compile(keras.optimizers.Adam(training.learning_rate), loss, metrics=["accuracy"], jit_compile=False)
        plain.fit(
            ready, one_hot, training.batch_size, training.epochs, verbose=0, callbacks=[clock],
            validation_data=(ready[:JUDGED], one_hot[:JUDGED]),
        )  # fmt: skip
        return len(self.labels) / statistics.median(clock.seconds[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(SMALL), help="names, with commas")
    parser.add_argument("--all", action="store_true", help="AlexNet as well")
    parser.add_argument("--data", type=Path, help="folder of images; none: made-up ones")
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    from transfer.features import store
    from transfer.models.registry import find

    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        opened = store.Store(Path(folder))
        for name in [*args.networks.split(","), *(["alexnet"] if args.all else [])]:
            count = args.images if name != "alexnet" else max(JUDGED, args.images // 16)
            contest = Contest(name, pixels_of(args.data, find(name).size, count), opened, args.epochs)
            pairs = []
            for number in range(args.rounds):
                pairs.append((contest.by_transfer(Path(folder)), contest.by_keras()))
                print(f"{name} {number + 1}: transfer {pairs[-1][0]:.0f}, model.fit {pairs[-1][1]:.0f} images/s", file=sys.stderr)
            figures[name] = {
                "ratio": round(statistics.median(ours / plain for ours, plain in pairs), 3),
                "transfer_images_per_s": round(statistics.median(ours for ours, _ in pairs), 1),
                "model_fit_images_per_s": round(statistics.median(plain for _, plain in pairs), 1),
            }
        opened.close()
    ratio = min(figure["ratio"] for figure in figures.values())
    print(json.dumps({"benchmark": "small_networks", "ratio": ratio, "networks": figures, "machine": describe_machine()}))


if __name__ == "__main__":
    main()
