"""Train a head on the stored features of a frozen, truncated backbone."""

from transfer.models import heads
from transfer.system.progress import Progress
from transfer.training.feature_dataset import FeatureDataset
from transfer.training.fitting import Stage, fit
from transfer.training.trained import Trained


def train(features: FeatureDataset, output: str, progress: Progress) -> Trained:
    """Train the head on one output of the feature extractor.

    Args:
        features: stored rows.
        output: name of the output, `cut:pooling`.
        progress: reports each epoch.
    """
    config, shape = features.config, (features.extractor.width(output),)
    train_batches = features.batches(output, shape, config.training.batch_size)
    mean, variance = train_batches.rows.moments() if config.head.standardize else (None, None)
    head = heads.build(shape[0], len(features.classes), config.head, config.seed, mean, variance)
    stage = Stage("head", config.training, config.training, features.checkpoint(output))
    fitted = fit(head, train_batches, features.evaluation_batches("validation", output, shape), stage, progress)
    return Trained.evaluated(head, fitted.history, fitted.best_epoch, features, output, (stage.checkpoint,))
