"""What all runs of a comparison share: one scan, one division, each frozen part computed once."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import reduce

import pandas as pd

from transfer.config import Config
from transfer.data import dataset as manifests
from transfer.data.classes import balance
from transfer.features import store
from transfer.features.extractor import BackboneExtractor, FeatureExtractor
from transfer.features.store import Store
from transfer.system.progress import Clock, Progress, Silent
from transfer.workflows.preparation import Preparation


@dataclass(frozen=True)
class Method:
    """One method, ready to be trained.

    Attributes:
        prepared: its preparation; all methods' have the same images and splits.
        extractor: what each image passes before it.
        opened: where the outputs of the extractor are stored.
    """

    name: str
    prepared: Preparation
    extractor: FeatureExtractor
    opened: Store


def prepare(configs: Mapping[str, Config], progress: Progress, stack: ExitStack) -> tuple[list[Method], pd.DataFrame]:
    """Read and divide the images, and pass them through the frozen part of every method.

    The splits are those of `fit` with the same data, configuration and seed; where near duplicates are grouped, those of
    the first method.

    Args:
        configs: method -> complete configuration; their data sections are alike.
        progress: told of each step.
        stack: closes the stores.

    Returns:
        The methods, and the divided manifest.
    """
    first = next(iter(configs.values()))
    base = Preparation(first, progress, Clock())
    base.scan()
    base.divide()
    progress.say(balance(base.manifest, first.training.class_weights))
    methods: list[Method] = []
    for name, config in configs.items():
        prepared = base.another(config)
        extractor = prepared.extractor([method.prepared for method in methods])
        methods.append(Method(name, prepared, extractor, stack.enter_context(store.opened(extractor.feature_set))))
    for kin in _of_one_pass(methods):
        kin[0].prepared.compute(_joined([method.extractor for method in kin]), kin[0].opened)
        base.skip(_failed(base, kin[0].prepared))
    base.divide_again(methods[0].extractor, methods[0].opened)
    _compute_views(base, methods)
    for method in methods:
        method.prepared.follow(base)
        _be_silent(method.prepared)
    return methods, base.manifest


def _compute_views(base: Preparation, methods: Sequence[Method]) -> None:
    for method in methods:
        method.prepared.follow(base)
        method.prepared.compute_views(method.extractor, method.opened)
        base.manifest = manifests.skip(base.manifest, _failed(base, method.prepared))


def _of_one_pass(methods: Sequence[Method]) -> list[list[Method]]:
    """Group the methods whose extractors differ in their outputs alone."""
    groups: dict[str, list[Method]] = {}
    for method in methods:
        groups.setdefault(method.extractor.feature_set.id, []).append(method)
    return list(groups.values())


def _joined(extractors: Sequence[FeatureExtractor]) -> FeatureExtractor:
    prefixes = [extractor for extractor in extractors if isinstance(extractor, BackboneExtractor)]
    return reduce(lambda one, other: one.joined(other), prefixes) if prefixes else extractors[0]


def _failed(base: Preparation, other: Preparation) -> dict[int, str]:
    """Return the images that a pass left out, with the reasons."""
    lost = other.manifest[(other.manifest["reason"] != "") & (base.manifest["reason"] == "")]
    return {int(index): str(reason) for index, reason in lost["reason"].items()}


def _be_silent(prepared: Preparation) -> None:
    """The bar over all runs is the only one from now on."""
    prepared.progress = Silent()
    if prepared.frozen:
        prepared.frozen.progress = Silent()
