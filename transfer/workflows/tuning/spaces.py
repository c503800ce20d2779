"""The search space of heads on stored features: what is plausible, narrowed or fixed by the settings of a search.

Ranges are logarithmic where a factor matters and not a difference. The settings of dense heads apply to dense heads alone, and the
penalty of linear ones to these. Epochs are not tried: cross-validation finds the best one of each trial, and early stopping in `fit`.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transfer.config import Config
from transfer.config.search_space import Choices, Parameter, Range, Space, label, read
from transfer.config.tuning import TuningConfig
from transfer.errors import ConfigError, nearest
from transfer.models.registry import Backbone

DENSE, LINEAR = ("head.kind", "dense"), ("head.kind", "linear")
UNBALANCED = 1.5
"""Class weights are tried where the largest class has so many times as many images as the smallest."""

_WEIGHTS = "training.class_weights"
_DEFAULTS: dict[str, Choices | Range] = {
    "head.pooling": Choices(("avg", "max", "avg+max")),
    "head.kind": Choices(("dense", "linear")),
    "head.dense": Choices(((), (64,), (128,), (256,), (512,), (256, 128))),
    "head.dropout": Range(0.0, 0.8),
    "head.l2": Range(1e-5, 0.1, log=True),
    # Batches of 128 and 30 epochs are as good as the 32 and 60 of `fit`, at twice the rate, and cost a third (tests/benchmarks/README.md).
    "training.batch_size": Choices((128,)),
    "training.epochs": Choices((30,)),
    "training.learning_rate": Range(1e-3, 2e-2, log=True),
    "training.label_smoothing": Range(0.0, 0.2),
    "head.inverse_penalty": Range(1e-5, 1.0, log=True),
}
_TRIED = ("head.standardize", "head.equal_weight", "training.warmup", "training.weight_decay", "training.clip_norm", "training.patience",
          _WEIGHTS, "truncate_at")  # fmt: skip
_RATE = 2.0
"""The rate that suits the larger batches, in units of the one by default."""
_OF_LAYERS = ("head.dense", "head.dropout", "head.l2", "head.inverse_penalty")
TRIED = (*_DEFAULTS, *_TRIED)
"""All keys that cost only the head."""


def head_space(settings: TuningConfig, backbones: Sequence[Backbone], balance: float = 1.0) -> Space:
    """Return the search space.

    Args:
        settings: `space` and `common` narrow or fix it.
        backbones: those of the settings.
        balance: images of the largest class / images of the smallest.

    Raises:
        ConfigError: if the space contradicts itself, or a key costs more than the head.
    """
    given = _given(settings)
    values = _DEFAULTS | ({_WEIGHTS: Choices(("none", "balanced"))} if balance >= UNBALANCED else {}) | given
    own = getattr(values["head.kind"], "values", ()) == ("own",)
    if own:  # what is left of the settings of a head is how it is trained
        values = {key: tried for key, tried in values.items() if key not in _OF_LAYERS or key in given}
    cuts = values.pop("truncate_at", None)
    if isinstance(cuts, Choices):
        for backbone, value in itertools.product(backbones, cuts.values):
            backbone.cuts_of(value)
    several = len(backbones) > 1
    made = [Parameter(key, Choices(tried)) for key, tried in _passes(settings).items() if len(tried) > 1]
    made += [
        Parameter("truncate_at", cuts or cut_points(backbone), ("backbone", backbone.name) if several else None) for backbone in backbones
    ]
    # In this order: a condition comes before what depends on it.
    made += [
        Parameter(key, tried, _where(key) if not own or key in _OF_LAYERS else None)
        for key, tried in sorted(values.items(), key=lambda item: item[0] not in _DEFAULTS)
    ]
    kinds = values["head.kind"]
    possible = [one for one in made if one.where is None or one.where[0] != "head.kind" or one.where[1] in getattr(kinds, "values", ())]
    for key in given:
        if key != "truncate_at" and key not in [one.key for one in possible]:
            where = _where(key)
            raise ConfigError(
                f"The search space contradicts itself: {key} is a setting of {label(where[1]) if where else 'other'} heads, which are not "
                f"tried. Leave it out, or add the kind to space.head.kind. Received head.kind: {', '.join(getattr(kinds, 'labels', ()))}."
            )
    return Space(tuple(possible), _first(backbones[0], several))


def _passes(settings: TuningConfig) -> dict[str, tuple[Any, ...]]:
    return {"backbone": settings.backbones, "image_size": settings.sizes, "augment.views": settings.views}


def _given(settings: TuningConfig) -> dict[str, Choices | Range]:
    """Return what the settings say of the keys that are tried: the section `space`, and single values of `common`."""
    given = read({key: value for key, value in settings.common.items() if key in TRIED and key != "head.dense"})
    if "head.dense" in settings.common:
        given |= read({"head.dense": [settings.common["head.dense"]]})
    if isinstance(settings.common.get("truncate_at"), list | tuple):
        given |= read({"truncate_at": [settings.common["truncate_at"]]})
    for key, values in read(settings.space).items():
        if key not in TRIED:
            near = nearest(key, TRIED)
            raise ConfigError(
                f"space.{key}: only what costs no more than a head is tried. {f'Did you mean {near!r}? ' if near else ''}Expected one of: "
                f"{', '.join(TRIED)}; other keys are fixed in common."
            )
        given[key] = values
    for key, word in (("truncate_at", "auto"), ("head.pooling", "flatten"), ("head.inverse_penalty", None)):
        found = given.get(key)
        if isinstance(found, Choices) and word in found.values:
            why = "whole maps are too large to keep for all cut points" if word == "flatten" else "the search itself chooses"
            raise ConfigError(f"{key}: {why}. Expected other values than {label(word)}. Received {', '.join(found.labels)}.")
    return given


def fixed(settings: TuningConfig) -> dict[str, Any]:
    """Return the keys of `common` that are not those of a head: they are the same in all trials, and none is tried."""
    return {key: value for key, value in settings.common.items() if key not in TRIED}


def _where(key: str) -> tuple[str, Any] | None:
    if key == "head.inverse_penalty":
        return LINEAR
    of_dense = key.startswith("training.") and key != _WEIGHTS
    return DENSE if of_dense or key in ("head.dense", "head.dropout", "head.l2") else None


def cut_points(backbone: Backbone) -> Choices:
    """Return each cut point alone, and the uppermost ones together: the top two, the top three, ..., all."""
    names = backbone.cut_names
    return Choices((*names, *(tuple(names[-count:]) for count in range(2, len(names) + 1))))


def _first(backbone: Backbone, several: bool) -> tuple[dict[str, Any], ...]:
    """Return the first trials: the default head at the top, and on the upper two cut points; a regression on all of them."""
    config, names = Config(), backbone.cut_names
    shared = {"backbone": backbone.name} if several else {}
    usual = {
        "truncate_at": names[-1], "head.pooling": config.head.pooling, "head.kind": "dense", "head.dense": config.head.dense,
        "head.dropout": config.head.dropout, "head.l2": config.head.l2, "training.learning_rate": _RATE * config.training.learning_rate,
        "training.label_smoothing": config.training.label_smoothing, _WEIGHTS: "none", "augment.views": 0,
    }  # fmt: skip
    every = tuple(names) if len(names) > 1 else names[0]
    regression = {"truncate_at": every, "head.pooling": "avg+max", "head.kind": "linear", "head.inverse_penalty": 3e-3, _WEIGHTS: "none"}
    upper = {"truncate_at": tuple(names[-2:]), "head.pooling": "avg+max"} if len(names) > 1 else {}
    return shared | usual, *([shared | usual | upper] if upper else []), shared | regression | {"augment.views": 0}


def key_of(keys: Iterable[tuple[str, int]], settings: Mapping[str, Any]) -> tuple[str, int]:
    """Return the backbone and the image size of a trial, among those of the search."""
    wanted = settings.get("backbone"), settings.get("image_size")
    return next(key for key in keys if all(w in (None, k) for w, k in zip(wanted, key, strict=True)))


def of_trial(base: Config, settings: Mapping[str, Any]) -> Config:
    """Return the configuration of a trial.

    Args:
        base: complete, of the trial's backbone and image size.
        settings: of the trial.
    """
    return base.updated(**{key.replace(".", "__"): value for key, value in settings.items() if key not in ("backbone", "image_size")})
