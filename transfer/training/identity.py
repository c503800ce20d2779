"""The identity of a result: names checkpoints and records of trials, so that none is used for a different training."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from transfer.config import Config
from transfer.data.dataset import Dataset

_FORMAT = 2
_TOGETHER = 4096  # rows
_WITHOUT_EFFECT: Mapping[str, tuple[str, ...] | None] = {
    "check": None,
    "compute": None,
    "cross_validation": None,
    "data": None,
    "energy": None,
    "engine": None,
    "export": None,
    "features": ("memory_mb",),
    "logging": None,
    "ood": None,
    "training": ("checkpoint_seconds",),
}
"""Settings that change neither trained weights nor predictions: whole sections (None), or some of their keys.

The effect of `data`, `check` and `cross_validation` is in the rows (which images, their splits) and in the feature set (size, resize mode);
that of `compute` in the feature set too.
"""


def result_identity(config: Config, feature_set: str, dataset: Dataset) -> str:
    """Return a digest of everything that determines the result of training, 32 hexadecimal digits.

    Args:
        config: complete, as requested; `auto` is kept, since the same dataset leads to the same decision.
        feature_set: id of the feature set: backbone, weights, size, decoder, precision, engine.
        dataset: its used rows: digest, label, split.
    """
    settings: dict[str, Any] = config.model_dump(mode="json")
    for section, keys in _WITHOUT_EFFECT.items():
        if keys is None:
            del settings[section]
        else:
            settings[section] = {key: value for key, value in settings[section].items() if key not in keys}
    if settings["weights"] not in ("imagenet", "random"):
        settings["weights"] = "file"  # which one is in the feature set
    used = dataset.used
    columns = [used[name].to_numpy(object) for name in ("digest", "label", "split")]
    found = hashlib.sha256(_bytes([_FORMAT, settings, feature_set, dataset.classes])[:-1] + b", [")
    for start in range(0, len(used), _TOGETHER):  # the text of all rows would be many times as large as the table
        rows = zip(*(column[start : start + _TOGETHER] for column in columns), strict=True)
        found.update((b", " if start else b"") + _bytes(list(rows))[1:-1])
    found.update(b"]]")
    return found.hexdigest()[:32]


def _bytes(facts: list[Any]) -> bytes:
    return json.dumps(facts).encode("utf-8", "surrogatepass")
