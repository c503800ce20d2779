"""Train a network from scratch on stored pixels, through the same splits, batches and metrics as the others."""

from transfer.config import Config, NetworkConfig
from transfer.models import scratch, whole
from transfer.models.registry import Backbone, Scratch
from transfer.system.progress import Progress
from transfer.training.feature_dataset import FeatureDataset, Trained
from transfer.training.fitting import Stage, fit


def train(features: FeatureDataset, network: Scratch | Backbone, size: int, progress: Progress) -> Trained:
    """Fit a network of the table on pixels of `size` x `size`; a backbone as a whole, from random weights."""
    config, (output,), shape = features.config, features.extractor.outputs, (size, size, 3)
    train_batches = features.batches(output, shape, config.training.batch_size)
    mean, variance = train_batches.rows.moments()
    overall, spread = float(mean.mean()), float(variance.mean() + mean.var())
    classes = len(features.classes)
    if isinstance(network, Backbone):
        model = whole.build(network, config.truncate_at, size, classes, config.head, config.seed, config.precision)
    else:
        model = scratch.build(network, size, classes, overall, spread, config.seed, options_of(network, config), config.precision)
    stage = Stage("network", config.training, config.training, features.checkpoint(output), precision=config.precision)
    fitted = fit(model, train_batches, features.judged("validation", output, shape), stage, progress)
    return Trained.judged(model, fitted.history, fitted.best_epoch, features, output, (stage.checkpoint,))


def options_of(network: Scratch, config: Config) -> NetworkConfig:
    """Return the section `network`, with dropout and L2 from the section `head` where the network leaves them to it."""
    left = {key: getattr(config.head, key) for key, value in network.options.items() if value is None}
    given = config.network.model_dump(exclude_none=True)
    return NetworkConfig(**(left | given))
