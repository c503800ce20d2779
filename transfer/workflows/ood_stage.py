"""What a run keeps of its training images, so that it knows what is unlike all of them, and how well that works."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.config import Config
from transfer.evaluation import ood, ood_images
from transfer.evaluation.ood import Reference
from transfer.exporters.served import Answers, Served
from transfer.models import parts
from transfer.reports.thumbnails import jpegs
from transfer.training.feature_dataset import Trained, passed

_VERIFIED = 16  # test images whose distances are computed on both paths
_THUMBNAIL = 96  # pixels a side


class OODStage:
    """The distances of a trained classifier, by the stored-feature path.

    Attributes:
        reference: what the run keeps.
        validation: `ood_score` of the validation images, float32 [n].
        expected: that of the first test images, float32 [m].
    """

    def __init__(self, trained: Trained, classifier: keras.Model, root: Path) -> None:
        self._trained, material = trained, trained.features
        settings = material.config.ood
        self._vector, self._shape = parts.vector_of(trained.model), parts.take_apart(classifier).shape
        chosen = ood.sample(material.labels("train"), settings.reference_images, material.config.seed)
        kept = ood.rounded(self._embeddings("train", chosen))
        validation = self._embeddings("validation")
        threshold = ood.threshold(kept, validation, settings.neighbours, settings.false_alarms)
        rows = material.rows("train").iloc[chosen]
        small = jpegs(root, rows, _THUMBNAIL, material.config.data)
        paths, labels = list(rows["path"]), list(rows["label"])
        self.reference = Reference(kept, paths, labels, settings.neighbours, threshold, [small.get(path, b"") for path in paths])
        self.validation = self.reference.ood_score(validation)
        first = np.arange(min(_VERIFIED, len(material.rows("test"))))
        self.expected = self.reference.ood_score(self._embeddings("test", first))

    def _embeddings(self, split: str, positions: np.ndarray | None = None) -> np.ndarray:
        def compute(rows: np.ndarray) -> keras.KerasTensor:
            return parts.embedding(self._vector(rows), self._shape)

        return passed(self._trained.model, self._trained.features, split, self._trained.output, compute, positions)


def judge(served: Served, reference: Reference, test: Answers, seen: set[str], config: Config) -> dict[str, Any]:
    """Measure how well an export knows what it does not know.

    Args:
        served: the export.
        reference: what it compares with.
        test: its answers for the test images.
        seen: SHA-256 of the files of the run, none of which is other data.
        config: how many images of other data are tried, and which.

    Returns:
        `threshold`, `images` and `neighbours` of the reference; `test_flagged`, the share of the test images called
        out of distribution; `others`, for each kind of other data what `ood.against` returns.
    """
    found = {name: served.answer(files) for name, files in ood_images.images(config.ood.other_images, seen, config.seed).items()}
    return {
        "threshold": reference.threshold,
        "images": len(reference.paths),
        "neighbours": reference.neighbours,
        "test_flagged": float(test.is_ood.mean()),
        "others": {name: ood.against(test.ood_score, other.ood_score) for name, other in found.items()},
    }
