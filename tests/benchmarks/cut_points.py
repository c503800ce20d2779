"""Test accuracy of heads on features of one cut point and of several, on the same splits; prints one JSON line.

    python -m tests.benchmarks.cut_points DATA [--size 224] [--seeds 0 1 2 3 4] [--methods top all ...]

Each seed divides the images anew, as `transfer fit --set seed=N` does, and draws initial weights and dropout; all methods get the same
splits and the same stored features. For each method: accuracy of each seed, their mean, seconds of training (the frozen pass is made
once for all), and the difference from the first method with a 95 % interval (Student's t over the seeds). Figures are those of stored
features, with which `fit` checks that its export agrees.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from tests.benchmarks.common import describe_machine
from transfer.config import Config
from transfer.data import sources
from transfer.data.dataset import Dataset
from transfer.data.splits import split
from transfer.features.extraction import extract
from transfer.features.extractor import load_extractor
from transfer.features.store import open_store
from transfer.system.progress import Clock, Progress, Silent
from transfer.training.cross_validation import cross_validate
from transfer.training.feature_dataset import FeatureDataset
from transfer.training.stages import decided, train
from transfer.training.truncation import choose_truncation
from transfer.workflows.settings import resolve

_TWO = {"vgg16": ["block4_pool", "block5_pool"], "inception_v3": ["mixed7", "mixed10"]}
_BOTH = {"head.pooling": "avg+max"}
_LINEAR = {"head.kind": "linear"}
_QUICK = {"training": {"batch_size": 128, "epochs": 30, "learning_rate": 6e-3}}  # as `transfer tune` trains
METHODS: dict[str, dict[str, Any]] = {
    "top": {},
    "top, linear": _LINEAR,
    "two": {"truncate_at": "two", **_BOTH},
    "two, linear": {"truncate_at": "two", **_BOTH, **_LINEAR},
    "two, quick": {"truncate_at": "two", **_BOTH, **_QUICK},
    "two, average of folds": {"truncate_at": "two", **_BOTH, **_QUICK, "cross_validation": {"folds": 5, "average": True}},
    "all": {"truncate_at": "all", **_BOTH},
    "all, linear": {"truncate_at": "all", **_BOTH, **_LINEAR},
    "all, means": {"truncate_at": "all"},
    "all, means, linear": {"truncate_at": "all", **_LINEAR},
    "auto": {"truncate_at": "auto", **_BOTH},
    "auto, linear": {"truncate_at": "auto", **_BOTH, **_LINEAR},
}


def configurations(names: list[str], general: dict[str, Any]) -> dict[str, Config]:
    """Return the complete configuration of each method."""
    found = {}
    for name in names:
        keys = {**general, **METHODS[name]}
        if keys.get("truncate_at") == "two":
            keys["truncate_at"] = _TWO[keys["backbone"]]
        found[name] = resolve([keys])
    return found


def accuracies(configs: dict[str, Config], dataset: Dataset, seeds: list[int], progress: Progress) -> dict[str, list[dict[str, Any]]]:
    """Return for each method what each seed gave: test accuracy, seconds, and the cut points."""
    widest = resolve([{**next(iter(configs.values())).model_dump(), "truncate_at": "all", "head": {"pooling": "avg+max"}}])
    extractor = load_extractor(widest, dataset, progress)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in configs}
    with open_store(extractor.feature_set) as store:
        dataset = extract(dataset, extractor, store, widest, progress)
        for seed in seeds:
            divided = split(dataset, widest.data, seed)
            for name, config in configs.items():
                features, clock, started = (
                    FeatureDataset(divided, extractor, store, config.updated(seed=seed)),
                    Clock(),
                    time.process_time(),
                )
                truncation = choose_truncation(features, Silent(), clock)
                trained, classifier = train(features, truncation, Silent(), clock)
                trained, _, _ = cross_validate(trained, classifier, truncation, Silent(), clock)
                for checkpoint in trained.checkpoints:
                    checkpoint.unlink(missing_ok=True)
                right = trained.probabilities["test"].argmax(1) == features.labels("test")
                row = {"accuracy": float(right.mean()), "seconds": round(time.process_time() - started, 1)}
                found[name].append(row | {"truncate_at": decided(trained, truncation).truncate_at})
                print(seed, name, row, file=sys.stderr, flush=True)
    return found


def summary(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the means, and the differences from the first method."""
    base = np.array([row["accuracy"] for row in next(iter(found.values()))])
    table = {}
    for name, rows in found.items():
        each = np.array([row["accuracy"] for row in rows])
        table[name] = {
            "accuracy": round(float(each.mean()), 4), "each": [round(float(one), 4) for one in each],
            "processor_seconds": round(float(np.mean([row["seconds"] for row in rows])), 1),
            "truncate_at": [row["truncate_at"] for row in rows],
        }  # fmt: skip
        if len(each) > 1 and name != next(iter(found)):
            low, high = stats.ttest_rel(each, base).confidence_interval()
            table[name]["difference"] = [round(float(value), 4) for value in ((each - base).mean(), low, high)]
    return table


def main() -> None:
    """Measure, and print the line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="vgg16")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="settings of all methods")
    options = parser.parse_args()
    settings = dict(one.split("=", 1) for one in options.set)
    general = {"backbone": options.backbone, "image_size": options.size, "data.source": str(options.data), **settings}
    configs = configurations(options.methods, general)
    dataset = sources.read(next(iter(configs.values())).data, Silent())
    found = accuracies(configs, dataset, options.seeds, Silent())
    facts = {"benchmark": "cut_points", "data": options.data.name, "backbone": options.backbone, "size": options.size, "settings": settings}
    print(json.dumps(facts | {"methods": summary(found), "machine": describe_machine()}))


if __name__ == "__main__":
    main()
