#!/usr/bin/env python3
"""Seconds and memory of each stage that a dataset's table goes through, on made-up rows, without images and without a network.

    python tests/benchmarks/tables.py [--images 1000000] [--width 1280] [--outputs 1] [--stages split,extraction] [--limit 3]

`ratio` is the peak of the process over the limit in GB. Each stage has the seconds of the processor (`s`), and by how many MB its
own peak (VmHWM, which the benchmark resets) is above the memory in use when it began (`mb`); `rss_mb` is what is in use at its end.
The features are written to a store in a temporary folder (8 kB an image of 1,280 values; --folder says where).
"""

import argparse
import gc
import hashlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
CLASSES = 100
STAGES: dict[str, dict[str, float]] = {}


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Measure a block."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before, wall, began = _memory("VmRSS"), time.perf_counter(), time.process_time()
    yield
    seconds, elapsed = time.process_time() - began, time.perf_counter() - wall
    figures = {"s": round(seconds, 2), "wall_s": round(elapsed, 2), "mb": round(_memory("VmHWM") - before)}
    STAGES[name] = figures | {"rss_mb": round(_memory("VmRSS"))}
    print(f"{name:22} {STAGES[name]}", file=sys.stderr, flush=True)


def _memory(what: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1000


class Extractor:
    """Stands for a backbone: so many outputs of one width."""

    def __init__(self, width: int, outputs: int) -> None:
        from transfer.data.pipeline import ImageSpec
        from transfer.features.store import FeatureSet

        self._width, self.outputs, self.image_spec = width, [f"cut{number}:avg" for number in range(outputs)], ImageSpec(28)
        self.feature_set = FeatureSet("made up", "", 28, "stretch", "1", "float32")

    def width(self, output: str) -> int:
        return self._width

    def dtype(self, output: str) -> np.dtype:
        return np.dtype(np.float32)


def table_of(count: int, ready_made: bool) -> pd.DataFrame:
    """Return the manifest of a scan of made-up files."""
    from transfer.data import scan
    from transfer.data.scan_memory import RECORD, Memory, Verdict

    records = np.zeros(count, RECORD)
    with stage("digests"):
        raw = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(count))
        records["digest"] = np.frombuffer(raw, np.uint8).reshape(-1, 32)
        records["identity"], records["sides"] = 700, 28
    with stage("listed"):
        splits = ["train", "train", "train", "validation", "test"] if ready_made else [""]
        found = [
            scan.Found(
                f"class {number % CLASSES:03}/{number:08}.png", f"class {number % CLASSES:03}", splits[number // CLASSES % len(splits)]
            )
            for number in range(count)
        ]
    memory = Memory([item.path for item in found], records, [Verdict("PNG")])
    with stage("manifest"):
        return scan._manifest(found, memory)


def remembered(count: int, folder: Path) -> None:
    """Save, load and recall what a scan remembers."""
    from transfer.data import scan_memory
    from transfer.data.scan_memory import RECORD, Memory, Verdict

    records = np.zeros(count, RECORD)
    records["digest"] = np.random.default_rng(0).integers(0, 256, (count, 32), np.uint8)
    paths = [f"class {number % CLASSES:03}/{number:08}.png" for number in range(count)]
    empty = Memory([], records[:0], [])
    with stage("memory: save"):
        scan_memory.save(folder, 50, Memory(paths, records, [Verdict("PNG")]), np.full(count, time.time_ns()), empty)
    with stage("memory: load"):
        loaded = scan_memory.load(folder, 50)
    with stage("memory: recall"):
        assert (scan_memory.recall(loaded, paths, records["identity"], False) >= 0).all()
    with stage("memory: one more"):
        assert (scan_memory.recall(loaded, ["another", *paths], np.zeros((count + 1, 4), np.int64), False)[1:] >= 0).all()
    with stage("memory: save again"):
        scan_memory.save(folder, 50, Memory(paths, records, [Verdict("PNG")]), np.full(count, time.time_ns()), loaded)


def splits(count: int) -> Any:
    """Return a dataset of made-up rows, split; also measure other ways to split it."""
    from transfer.config import DataConfig
    from transfer.data import dataset as manifests
    from transfer.data import folds
    from transfer.data.splits import split

    manifest = table_of(count, ready_made=False)
    dataset, config = manifests.Dataset(Path("/none"), manifest, False, manifest), DataConfig()
    with stage("split"):
        dataset = split(dataset, config, 0)
    with stage("skip 1 %"):
        dataset.skip({int(index): "damaged: made up" for index in dataset.table.index[::100]})
    with stage("grouped, split"):
        grouped = dataset.grouped({int(index): f"{index // 3}" for index in dataset.table.index[::2]})
        split(grouped, config, 0)
        del grouped
    with stage("ready-made splits"):
        own = manifest.assign(split=np.array(["train", "train", "train", "", "test"], object)[np.arange(count) // CLASSES % 5])
        split(manifests.Dataset(Path("/none"), own, True, own), config, 0)
        del own
    if count <= 200_000:  # scikit-learn's division takes over a minute for more
        with stage("one fold of 5"):
            folds.of_dataset(dataset, 5, 0)
    return dataset


def extraction(dataset: Any, extractor: Any, store: Any) -> None:
    """Look for what is missing, before and after it is stored."""
    from transfer.features import extraction

    try:
        from transfer.features.tasks import ONLY_PLAIN, missing
    except ImportError:  # an older checkout
        from transfer.features.extraction import ONLY_PLAIN
        from transfer.features.extraction import _missing as missing
    from transfer.features.thumbnails import THUMBNAIL
    from transfer.system.progress import Silent

    used, outputs = dataset.used, [*extractor.outputs, THUMBNAIL]
    with stage("count missing, empty"):
        assert extraction.count_missing(used, outputs, store) == len(used)
    with stage("tasks, empty"):
        tasks = missing(used, dataset.root, outputs, store, ONLY_PLAIN, Silent())
    with stage("all missing, batches"):  # what is held while the network computes, up to the first batch
        _first_batch(tasks, extractor)
    del tasks
    with stage("fill"):
        fill(used["digest"], outputs, extractor, store)
    with stage("count missing, full"):
        assert extraction.count_missing(used, outputs, store) == 0
    with stage("nothing to extract"):
        extraction.compute_missing(used, dataset.root, extractor.image_spec, outputs, lambda batch: [], 32, store, Silent())


def _first_batch(tasks: Any, extractor: Any) -> None:
    from transfer.data import pipeline

    files = tasks.files if hasattr(tasks, "files") else [task.file for task in tasks]
    for _ in pipeline.batches(files[:100_000] if len(files) > 100_000 else files, extractor.image_spec, 32):
        break


def fill(digests: pd.Series, outputs: list[str], extractor: Any, store: Any, block: int = 512) -> None:
    """Store random rows."""
    from transfer.features.store import key

    generator = np.random.default_rng(0)
    for start in range(0, len(digests), block):
        some = digests.iloc[start : start + block]
        contents = {}
        for output in outputs:
            wide = extractor.width(output) if output in extractor.outputs else 768
            values = generator.random((len(some), wide), np.float32)
            contents |= {key(digest, "0", output): row.tobytes() for digest, row in zip(some, values, strict=True)}
        store.put(contents)


def training(dataset: Any, extractor: Any, store: Any, memory_mb: int) -> None:
    """Read the rows as training does."""
    from transfer.config import Config
    from transfer.training.feature_dataset import FeatureDataset

    config = Config().updated(features__memory_mb=memory_mb)
    features, outputs = FeatureDataset(dataset, extractor, store, config), (extractor.outputs[0],)
    with stage("keys and labels"):
        batches = features.batches(outputs, (extractor.width(outputs[0]),), config.training.batch_size)
    with stage("moments"):
        batches.rows.moments()
    with stage("identity"):
        features.checkpoint(outputs)
    with stage("first epoch"):
        for _ in batches.dataset():
            pass
    with stage("second epoch"):
        for _ in batches.dataset(first=1):
            pass
    with stage("evaluation"):
        for _ in features.evaluation_batches("validation", outputs, (extractor.width(outputs[0]),)).dataset():
            pass


def tables(dataset: Any, folder: Path) -> None:
    """Write and read the run's tables."""
    from transfer.data import dataset as manifests
    from transfer.drafts import Draft
    from transfer.evaluation import predictions
    from transfer.runs import read_manifest

    with stage("write manifest"):
        manifests.write(dataset.table, folder / "manifest.csv")
    with stage("read manifest"):
        read_manifest(folder / "manifest.csv")
    rows = dataset.rows("validation", "test")
    values = np.random.default_rng(0).dirichlet(np.ones(10), len(rows)).astype(np.float32)
    with stage("write predictions"):
        Draft(folder).write_table("predictions.csv", predictions.of_images(rows, values, [f"class {n}" for n in range(10)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--outputs", type=int, default=1)
    parser.add_argument("--memory-mb", type=int, default=1024, help="features.memory_mb: larger tables are read from the store")
    parser.add_argument("--stages", default="memory,extraction,training,tables", help="which groups of stages; splits always")
    parser.add_argument("--limit", type=float, default=3.0, help="GB")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    args = parser.parse_args()
    chosen = args.stages.split(",")
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=args.folder) as name:
        os.environ["TRANSFER_HOME"] = f"{name}/home"
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        from tests.benchmarks.common import describe_machine
        from transfer.features.store import open_store

        if "memory" in chosen:
            remembered(args.images, Path(name))
        dataset = splits(args.images)
        if "tables" in chosen:
            tables(dataset, Path(name))
        if {"extraction", "training"} & set(chosen):
            with stage("imports"):
                import transfer.training.feature_dataset  # noqa: F401
            extractor = Extractor(args.width, args.outputs)
            with open_store(replace(extractor.feature_set)) as store:
                if "extraction" in chosen:
                    extraction(dataset, extractor, store)
                else:
                    fill(dataset.used["digest"], extractor.outputs, extractor, store)
                if "training" in chosen:
                    training(dataset, extractor, store, args.memory_mb)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    result = {"benchmark": "tables", "ratio": round(peak / args.limit, 3), "peak_gb": round(peak, 2), "images": args.images}
    result |= {"width": args.width, "outputs": args.outputs, "stages": STAGES, "machine": describe_machine()}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
