"""The stages of training, in order, and the classifier joined from their results."""

import keras

from transfer.config import Config
from transfer.features.extractor import BackboneExtractor
from transfer.models import joined
from transfer.models.pretrained import head_specs
from transfer.system.progress import Clock, Progress
from transfer.training import fine_tuning, from_scratch, head
from transfer.training.feature_dataset import FeatureDataset
from transfer.training.fitting import Watch
from transfer.training.trained import Trained
from transfer.training.truncation import Truncation


def train(
    features: FeatureDataset, truncation: Truncation | None, progress: Progress, clock: Clock, watch: Watch | None = None
) -> tuple[Trained, keras.Model]:
    """Train a head and fine-tune, or train a network from scratch; join the frozen and the trained part.

    Args:
        features: stored rows.
        truncation: where the backbone ends; None: training from scratch.
        progress: reports each epoch.
        clock: times the stages.
        watch: may end training from scratch before its time.

    Returns:
        The trained part, and the classifier: RGB in 0..255, float32 [n, size, size, 3] -> probabilities [n, classes].

    Raises:
        HopelessError: if `watch` ended it.
    """
    extractor, config = features.extractor, features.config
    if truncation is None or not isinstance(extractor, BackboneExtractor):
        with clock("training"):
            trained = from_scratch.train(features, progress, watch)
        return trained, joined.from_scratch(trained.model, trained.temperature)
    cuts, pooling = truncation.cuts, config.head.pooling
    with clock("training"):
        trained = train_head(features, truncation, progress)
    if config.unfreeze_from:
        with clock("fine-tuning"):
            return fine_tuning.train(features, extractor, cuts, trained, progress)
    return trained, joined.join(extractor.pretrained, cuts, pooling, trained.model, trained.temperature)


def train_head(features: FeatureDataset, truncation: Truncation, progress: Progress) -> Trained:
    """Train a head on the stored features of a frozen backbone."""
    specs = head_specs(truncation.cuts, features.config.head.pooling)
    return head.train(features, tuple(spec.name for spec in specs), progress)


def decided(trained: Trained, truncation: Truncation | None) -> Config:
    """Return the configuration of a run: as requested, with the decisions in place of `auto` and of what was left empty."""
    config = trained.features.config
    truncate_at = truncation.cuts if truncation and truncation.table is not None else config.truncate_at
    extractor = trained.features.extractor
    return config.updated(precision=extractor.precision, compute=extractor.engine, truncate_at=truncate_at, **trained.decided)
