"""The frozen passes of a search: one for each backbone and size, over all cut points and poolings that are tried, made once."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfer.config import Config
from transfer.config.search_space import Choices, Space
from transfer.data import sources
from transfer.data.classes import describe_balance
from transfer.data.dataset import Dataset
from transfer.data.groups import units
from transfer.data.splits import split
from transfer.data.value_range import choose_value_range
from transfer.engines import LOCAL, Engine
from transfer.features.arrays import StoredRows
from transfer.features.extraction import compute_missing, extract
from transfer.features.extractor import BackboneExtractor, load_extractor
from transfer.features.keys import by_name
from transfer.features.specs import batch_size
from transfer.features.store import open_store
from transfer.features.tasks import ONLY_PLAIN, Views, count_missing, views_of
from transfer.models import heads
from transfer.models.registry import Backbone, find
from transfer.quality.checks import split_again
from transfer.system import devices
from transfer.system.energy import Meter
from transfer.system.progress import Progress
from transfer.workflows.comparison import costs
from transfer.workflows.comparison.methods import Method
from transfer.workflows.tuning.scoring import Pass

Key = tuple[str, int]
"""Backbone and size."""


@dataclass(frozen=True)
class Prepared:
    """All that is stored of the images of a search.

    Attributes:
        methods: backbone and size -> extractor and store.
        dataset: split.
    """

    methods: dict[Key, Method]
    dataset: Dataset

    @property
    def rows(self) -> pd.DataFrame:
        """The training and validation images, in the order of the dataset."""
        used = self.dataset.used
        return used[used["split"].isin(("train", "validation"))]


def whole(config: Config, space: Space) -> Config:
    """Return the configuration of the pass that serves all trials of one backbone: every cut point and pooling that is tried."""
    backbone = find(config.backbone)
    assert isinstance(backbone, Backbone)
    cuts: set[str] = set()
    kinds: list[str] = []
    for one in space.parameters:
        values = one.values.values if isinstance(one.values, Choices) else ()
        if one.key == "truncate_at" and one.where in (None, ("backbone", backbone.name)):
            cuts |= {cut.name for value in values for cut in backbone.cuts_of(value)}
        if one.key == "head.pooling":
            kinds += [kind for value in values for kind in heads.poolings(value)]
    pooling = "+".join(kind for kind in ("avg", "max") if kind in kinds)
    return config.updated(truncate_at=tuple(cut for cut in backbone.cut_names if cut in cuts), head__pooling=pooling)


def scanned(config: Config, progress: Progress, engine: Engine = LOCAL) -> tuple[Dataset, Config]:
    """Read and split the images, as `fit` does; `data.value_range: auto` is decided here."""
    devices.prepare(config.training.devices, progress)
    dataset = split(sources.read(config.data, progress, engine=engine), config.data, config.seed)
    progress.say(describe_balance(dataset.table, config.training.class_weights))
    return choose_value_range(dataset, config, progress)


def prepare(
    configs: Mapping[Key, Config], dataset: Dataset, views: int, folder: Path, progress: Progress, stack: ExitStack, engine: Engine = LOCAL
) -> Prepared:
    """Make the frozen passes, after telling what they cost.

    Args:
        configs: backbone and size -> configuration of its pass (`whole`).
        dataset: scanned and split.
        views: largest number of augmented views that is tried.
        folder: keeps the measured costs.
        progress: reports each step.
        stack: closes the stores.
        engine: where the frozen passes run.
    """
    methods = {}
    for name, config in configs.items():
        extractor = load_extractor(config, dataset, progress)
        methods[name] = Method(
            f"{name[0]} at {name[1]} px", config, extractor, stack.enter_context(open_store(extractor.feature_set, progress))
        )
    _tell(methods, dataset, views, folder, progress)
    for method in methods.values():
        dataset = extract(dataset, method.extractor, method.store, method.config, progress, engine)
    first = next(iter(methods.values()))
    dataset = split_again(dataset, first.extractor, first.store, first.config)
    for method in methods.values() if views else ():
        source = method.extractor.for_training()
        failed = compute_missing(
            Prepared(methods, dataset).rows, dataset.root, source.image_spec, source.outputs, source,
            batch_size(method.config, source.image_spec.size), method.store, progress, _views(method, views),
            "Extracting features of views", engine=engine,
        )  # fmt: skip
        dataset = dataset.skip(failed)
    return Prepared(methods, dataset)


def _views(method: Method, count: int) -> Views:
    return views_of(method.config.updated(augment__views=count)) if count else ONLY_PLAIN


def _tell(methods: Mapping[Key, Method], dataset: Dataset, views: int, folder: Path, progress: Progress) -> None:
    """Say how many images still go through which backbone, and how long that takes."""
    meter = Meter(wanted=False, country=None)
    used = dataset.used
    of_trials = used[used["split"] != "test"]
    for method in methods.values():
        images = count_missing(used, method.extractor.outputs, method.store)
        if views:
            images += count_missing(of_trials, method.extractor.for_training().outputs, method.store, _views(method, views))
        if images:
            seconds = images * costs.rate(method, dataset, folder, meter).seconds
            how = "once through the frozen backbone" if isinstance(method.extractor, BackboneExtractor) else "decoded once"
            progress.say(f"{method.name}: {images:,} images{' and views' if views else ''} {how}, about {seconds:,.0f} s.")


@dataclass(frozen=True)
class _Reader:
    """Reads stored features, and keeps what fits into `features.memory_mb`. Sent to another machine, it becomes `_Columns`.

    Attributes:
        digests: of the images that trials are scored on, in order.
        most_views: that a trial may ask for.
    """

    method: Method
    digests: tuple[str, ...]
    most_views: int
    kept: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)

    def __call__(self, outputs: tuple[str, ...], views: int) -> np.ndarray:
        """See `scoring.Read`."""
        return np.concatenate([self._column(output, views) for output in outputs], axis=1)

    def __reduce__(self) -> tuple[Any, ...]:
        outputs = self.method.extractor.for_training().outputs
        return _Columns, ({output: self._column(output, self.most_views) for output in outputs}, len(self.digests))

    def _column(self, output: str, views: int) -> np.ndarray:
        if (output, views) not in self.kept:
            method, extractor = self.method, self.method.extractor
            tags = [*_views(method, 0).tags(), *(_views(method, views).tags() if views else [])]
            keys = by_name(self.digests, [(tag, output) for tag in tags])
            rows = StoredRows(method.store, [keys], [extractor.width(output)], extractor.dtype(output), memory_bytes=0)
            if sum(array.nbytes for array in self.kept.values()) > method.config.features.memory_mb << 20:
                self.kept.clear()
            self.kept[output, views] = rows.everything()
        return self.kept[output, views]


@dataclass(frozen=True)
class _Columns:
    """All features that the trials of a search can ask for, in memory: on other machines than the store's, once for all workers of each.

    Attributes:
        columns: output -> float32 [(1 + most views) * n, width]; the first rows are those for fewer views.
        images: n.
    """

    columns: Mapping[str, np.ndarray]
    images: int

    def __call__(self, outputs: tuple[str, ...], views: int) -> np.ndarray:
        """See `scoring.Read`."""
        return np.concatenate([self.columns[output][: (1 + views) * self.images] for output in outputs], axis=1)


def sample(rows: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """Return the images that trials are scored on: all, or so many drawn at random, in order."""
    if len(rows) <= most:
        return rows
    return rows.iloc[np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))]


def sources_of(prepared: Prepared, configs: Mapping[Key, Config], rows: pd.DataFrame, views: int) -> dict[tuple[Any, Any], Pass]:
    """Return what trials read: backbone and size -> stored features.

    Args:
        prepared: the passes.
        configs: the configuration that the trials of each change.
        rows: the images that trials are scored on.
        views: the most that a trial has.
    """
    return {name: _source(method, configs[name], tuple(rows["digest"]), views) for name, method in prepared.methods.items()}


def _source(method: Method, config: Config, digests: tuple[str, ...], views: int) -> Pass:
    extractor = method.extractor
    assert isinstance(extractor, BackboneExtractor)
    widths = {output: extractor.width(output) for output in extractor.for_training().outputs}
    return Pass(config, extractor.pretrained.backbone, widths, _Reader(method, digests, views))


def groups(rows: pd.DataFrame) -> list[str]:
    """Return the group of each image, which no fold divides."""
    return list(units(rows))
