"""The methods of a comparison: they share one scan and one split, and the features of each frozen prefix."""

import itertools
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import reduce
from typing import Any

from transfer.config import Config
from transfer.data import sources
from transfer.data.classes import describe_balance
from transfer.data.dataset import Dataset
from transfer.data.splits import split
from transfer.data.value_range import choose_value_range
from transfer.engines import LOCAL, Engine
from transfer.features.extraction import extract, extract_views
from transfer.features.extractor import BackboneExtractor, FeatureExtractor, Load, load_extractor
from transfer.features.store import Store, open_store
from transfer.models.own.parts import NONE, Parts
from transfer.models.pretrained import Pretrained
from transfer.quality.checks import split_again
from transfer.system import devices
from transfer.system.progress import Progress


@dataclass(frozen=True)
class Method:
    """A method, ready to be trained.

    Attributes:
        config: complete; each trial decides what is `auto`.
        extractor: computes the features.
        store: holds the features.
        parts: what was given as Keras objects.
    """

    name: str
    config: Config
    extractor: FeatureExtractor
    store: Store
    parts: Parts = NONE

    @property
    def measured(self) -> dict[str, Any] | None:
        """Measurements of `compute: auto` and `precision: auto`; None if nothing was measured."""
        return self.extractor.measured if isinstance(self.extractor, BackboneExtractor) else None


def prepare(
    configs: Mapping[str, Config], seeds: Sequence[int], progress: Progress, stack: ExitStack, engine: Engine = LOCAL
) -> tuple[list[Method], Dataset]:
    """Scan and split the images, and extract their features for every method.

    The splits are those of `fit` with the same data, configuration and seed; if near duplicates are grouped, those of the
    first method.

    Args:
        configs: method -> complete configuration; their data sections are the same.
        seeds: of the trials: each has views of its own.
        progress: reports each step.
        stack: closes the stores.
        engine: where the frozen passes run.

    Returns:
        The methods, and the split dataset.
    """
    first = next(iter(configs.values()))
    devices.prepare(first.training.devices, progress)
    dataset = sources.read(first.data, progress, engine=engine)
    dataset = split(dataset, first.data, first.seed)
    progress.say(describe_balance(dataset.table, first.training.class_weights))
    dataset, first = choose_value_range(dataset, first, progress)
    load = _loading_once()
    methods = []
    for name, config in configs.items():
        config = config.updated(data__value_range=first.data.value_range)
        extractor = load_extractor(config, dataset, progress, load)
        methods.append(Method(name, config, extractor, stack.enter_context(open_store(extractor.feature_set, progress))))
    for group in _sharing_features(methods):
        dataset = extract(dataset, _joined([method.extractor for method in group]), group[0].store, group[0].config, progress, engine)
    dataset = split_again(dataset, methods[0].extractor, methods[0].store, first)
    for method, seed in itertools.product(methods, seeds):
        dataset = extract_views(dataset, method.extractor, method.store, method.config.updated(seed=seed), progress, engine)
    return methods, dataset


def _loading_once() -> Load:
    """Return a function that loads each backbone once, for all methods that share it."""
    loaded: dict[tuple[str, str, int, str, int], Pretrained] = {}

    def load(backbone: Any, weights: str, size: int, precision: str, seed: int, progress: Progress) -> Pretrained:
        key = (backbone.name, weights, size, precision, seed)
        if key not in loaded:
            loaded[key] = Pretrained.load(backbone, weights, size, precision, seed, progress)
        return loaded[key]

    return load


def _sharing_features(methods: Sequence[Method]) -> list[list[Method]]:
    """Group the methods whose extractors differ only in their outputs."""
    groups: dict[str, list[Method]] = {}
    for method in methods:
        groups.setdefault(method.extractor.feature_set.id, []).append(method)
    return list(groups.values())


def _joined(extractors: Sequence[FeatureExtractor]) -> FeatureExtractor:
    of_backbones = [extractor for extractor in extractors if isinstance(extractor, BackboneExtractor)]
    return reduce(lambda one, other: one.joined(other), of_backbones) if of_backbones else extractors[0]
