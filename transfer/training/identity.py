"""The identity of a result: what names checkpoints and the records of trials, so that no training takes up another's."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from transfer.config import Config
from transfer.data.dataset import Dataset

_FORMAT = 2
_WITHOUT_EFFECT: Mapping[str, tuple[str, ...] | None] = {
    "check": None,
    "data": None,
    "energy": None,
    "export": None,
    "features": ("memory_mb",),
    "ood": None,
    "training": ("checkpoint_seconds",),
}
"""What changes no trained weight and no prediction: whole sections (none), or some of their keys.

What `data` and `check` determine is in the rows (which images, their splits) and in the feature set (size, resize mode).
"""


def result_identity(config: Config, feature_set: str, dataset: Dataset) -> str:
    """Return a digest of all that determines the result of a training, 32 hexadecimal digits.

    Args:
        config: complete, as requested; `auto` stands for what it will decide from the same dataset.
        feature_set: identity of what computed the features: backbone, weights, size, decoder, precision.
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
    rows = dataset.used[["digest", "label", "split"]].to_numpy().tolist()
    facts = json.dumps([_FORMAT, settings, feature_set, dataset.classes, rows])
    return hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()[:32]
