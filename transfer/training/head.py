"""Train a head on the stored features of a frozen, truncated backbone."""

from transfer.models import heads
from transfer.system.progress import Progress
from transfer.training.feature_dataset import FeatureDataset, Outputs
from transfer.training.fitting import Stage, fit
from transfer.training.trained import Trained


def train(features: FeatureDataset, outputs: Outputs, progress: Progress) -> Trained:
    """Train the head on outputs of the feature extractor.

    Args:
        features: stored rows.
        outputs: names of the outputs, each `cut:pooling`, in the order of `pretrained.head_specs`.
        progress: reports each epoch.
    """
    config, widths = features.config, [features.extractor.width(output) for output in outputs]
    shape = (sum(widths),)
    train_batches = features.batches(outputs, shape, config.training.batch_size)
    mean, variance = train_batches.rows.moments() if config.head.standardize else (None, None)
    head = heads.build(shape[0], len(features.classes), config.head, config.seed, mean, variance, widths)
    stage = Stage("head", config.training, config.training, features.checkpoint(outputs))
    fitted = fit(head, train_batches, features.evaluation_batches("validation", outputs, shape), stage, progress)
    return Trained.evaluated(head, fitted.history, fitted.best_epoch, features, outputs, (stage.checkpoint,))
