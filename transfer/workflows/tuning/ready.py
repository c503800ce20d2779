"""What a search of heads, or of networks from scratch, needs before its first trial."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfer import __version__
from transfer.config import Config
from transfer.config.search_space import Space
from transfer.config.tuning import TuningConfig
from transfer.data.dataset import Dataset
from transfer.data.folds import possible
from transfer.engines import LOCAL, Engine
from transfer.models.pretrained import TENSORFLOW
from transfer.models.registry import Backbone, Scratch
from transfer.system.progress import Progress
from transfer.training.feature_dataset import FeatureDataset
from transfer.workflows.tune_requests import TuneRequest
from transfer.workflows.tuning import passes
from transfer.workflows.tuning.batches import BatchScorer
from transfer.workflows.tuning.network_scoring import NetworkScorer, without_test
from transfer.workflows.tuning.network_spaces import network_space, networks_of
from transfer.workflows.tuning.passes import Key, Prepared
from transfer.workflows.tuning.scoring import HeadScorer, Images
from transfer.workflows.tuning.spaces import head_space
from transfer.workflows.tuning.study import Scorer

_PRECISION, _ENGINE = "precision of {} at {} px", "engine of {} at {} px"


@dataclass(frozen=True)
class Ready:
    """What a search needs: the space, what scores its trials, all else that determines the scores, and what the report tells."""

    space: Space
    scorer: Scorer
    identity: dict[str, Any]
    facts: dict[str, Any]


def prepare(
    request: TuneRequest, known: Mapping[str, Any], place: Path, progress: Progress, stack: ExitStack, engine: Engine = LOCAL
) -> Ready:
    """Read the images, and store what all trials share: the features of frozen passes, or pixels.

    Args:
        request: what is searched.
        known: identity of the search that goes on; empty: it begins.
        place: folder of the search; keeps the measured costs.
        progress: reports each step.
        stack: closes the stores.
        engine: where the frozen passes and the trials run.
    """
    first = next(iter(request.configs.values()))
    dataset, first = passes.scanned(first, progress, engine)
    configs = {}
    for key, config in request.configs.items():
        precision = known.get(_PRECISION.format(*key), config.precision)  # measured once; another one would be another search
        computed_by = known.get(_ENGINE.format(*key), TENSORFLOW if known else config.compute)
        configs[key] = config.updated(data__value_range=first.data.value_range, precision=precision, compute=computed_by)
    networks = networks_of(request.settings)
    from_scratch = [network for network in networks if isinstance(network, Scratch)]
    if from_scratch:
        return _of_networks(request, configs, from_scratch, dataset, place, progress, stack, engine)
    return _of_heads(request, configs, [one for one in networks if isinstance(one, Backbone)], dataset, place, progress, stack, engine)


def _of_heads(
    request: TuneRequest, configs: Mapping[Key, Config], backbones: Sequence[Backbone], dataset: Dataset, place: Path,
    progress: Progress, stack: ExitStack, engine: Engine,
) -> Ready:  # fmt: skip
    """Make the frozen passes."""
    settings = request.settings
    counts = dataset.used.loc[dataset.used["split"] != "test", "label"].value_counts()
    space = head_space(settings, backbones, counts.max() / counts.min())
    pooled = {key: passes.whole(config, space) for key, config in configs.items()}
    prepared = passes.prepare(pooled, dataset, max(settings.views), place, progress, stack, engine)
    rows = passes.sample(prepared.rows, settings.max_images, settings.seed)
    images = _divided(settings, prepared.dataset, rows, progress)
    scorer = HeadScorer(settings, images, passes.sources_of(prepared, configs, rows, max(settings.views)), request.parts.for_trials())
    named = {name: getattr(settings, name) for name in ("folds", "repeats", "metric", "prune_after", "prune_errors")}
    identity = _identity(request, prepared, rows, named | {"views": list(settings.views)})
    facts = {"images": len(rows), "classes": images.classes, "folds": len(images.divisions[0]), "repeats": settings.repeats}
    return Ready(space, BatchScorer(scorer, engine), identity, facts)


def _of_networks(
    request: TuneRequest, configs: Mapping[Key, Config], networks: Sequence[Scratch], dataset: Dataset, place: Path,
    progress: Progress, stack: ExitStack, engine: Engine,
) -> Ready:  # fmt: skip
    """Decode the images, and tell what a search will train."""
    settings = request.settings
    prepared = passes.prepare(configs, dataset, 0, place, progress, stack, engine)
    rows, used = prepared.rows, without_test(prepared.dataset)
    features = {
        key: FeatureDataset(used, method.extractor, method.store, configs[key], parts=request.parts.for_trials())
        for key, method in prepared.methods.items()
    }
    splits = rows["split"].value_counts()
    epochs = max(config.training.epochs for config in configs.values())
    progress.say(
        f"{settings.trials:,} trials of {', '.join(one.name for one in networks)}, each trained from scratch on {splits['train']:,} images "
        f"for at most {epochs:,} epochs, and judged on {splits['validation']:,} validation images."
    )
    if engine is not LOCAL and settings.batch == 1:
        progress.say("Each trial is proposed from all before it, so only one runs at a time: batch=8 gives 8 workers something to do.")
    named = {name: getattr(settings, name) for name in ("prune_epochs", "prune_trials")}
    identity = _identity(request, prepared, rows, named, ("digest", "label", "split"))
    facts = {"images": int(splits["validation"]), "train_images": int(splits["train"]), "classes": len(used.classes), "repeats": 1}
    return Ready(network_space(settings, networks), BatchScorer(NetworkScorer(settings, features), engine), identity, facts)


def _divided(settings: TuningConfig, dataset: Dataset, rows: pd.DataFrame, progress: Progress) -> Images:
    numbers = {name: number for number, name in enumerate(dataset.classes)}
    labels, groups = np.array([numbers[label] for label in rows["label"]], np.int64), passes.groups(rows)
    images = Images.divided(labels, groups, len(dataset.classes), settings)
    if len(images.divisions[0]) < settings.folds:
        smallest = possible(labels, groups)[0]
        progress.say(f"{len(images.divisions[0])} folds instead of {settings.folds}: the smallest class has {smallest} different images.")
    return images


def _identity(
    request: TuneRequest, prepared: Prepared, rows: pd.DataFrame, named: Mapping[str, Any], columns: Sequence[str] = ("digest", "label")
) -> dict[str, Any]:
    """Return all that determines the scores, besides the space; the test images are no part of it.

    Args:
        rows: the images that trials are scored on, of which these `columns` count.
        named: the settings that count.
    """
    settings = request.settings
    facts = rows[list(columns)].assign(group=passes.groups(rows)).to_numpy().tolist()
    digest = hashlib.sha256(json.dumps(facts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    found: dict[str, Any] = {"version": __version__, "images": f"{len(rows)} ({digest})", "classes": len(prepared.dataset.classes)}
    found |= named
    found |= {f"common.{key}": value for key, value in settings.common.items() if not key.startswith(("data.", "engine."))}
    for key, method in prepared.methods.items():
        found[_PRECISION.format(*key)] = method.extractor.precision
        if method.extractor.engine != TENSORFLOW:  # once there was no other
            found[_ENGINE.format(*key)] = method.extractor.engine
        found["features of {} at {} px".format(*key)] = method.extractor.feature_set.id
    return found
