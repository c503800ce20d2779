"""A classifier as MLflow serves it. This file goes into the logged model: it stands alone, and needs TensorFlow only.

Images are given as the column `image_bytes` of a table: encoded files, as bytes or in base64, which is how JSON holds them.
"""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

_LABELS = Path("assets") / "labels.txt"
_TOGETHER = 32  # images


class Classifier:
    """An exported SavedModel with its class names."""

    def __init__(self, folder: Path) -> None:
        self._model = tf.saved_model.load(str(folder))
        self._answer = self._model.signatures["serving_default"]
        self._labels = (folder / _LABELS).read_text(encoding="utf-8", errors="replace").split("\n")[:-1]

    def predict(self, table: Any, params: Any = None) -> pd.DataFrame:
        """Classify n images.

        Args:
            table: with the column `image_bytes`.
            params: not used; MLflow gives it.

        Returns:
            n rows: label, score (its probability), is_ood, ood_score (1 is the threshold), and probabilities, a list in the order of the
            classes.
        """
        values = table["image_bytes"] if isinstance(table, pd.DataFrame | dict) else table
        images = [base64.b64decode(value) if isinstance(value, str) else bytes(value) for value in values]
        found = [self._answer(image_bytes=tf.constant(images[first : first + _TOGETHER])) for first in range(0, len(images), _TOGETHER)]
        together = {name: np.concatenate([part[name].numpy() for part in found]) for name in ("probabilities", "is_ood", "ood_score")}
        best = together["probabilities"].argmax(1)
        return pd.DataFrame(
            {
                "label": [self._labels[number] for number in best],
                "score": together["probabilities"].max(1).astype(float),
                "is_ood": together["is_ood"].astype(bool),
                "ood_score": together["ood_score"].astype(float),
                "probabilities": together["probabilities"].astype(float).tolist(),
            }
        )


def _load_pyfunc(path: str) -> Classifier:
    """Load the model: MLflow calls this by its name."""
    return Classifier(Path(path))
