"""Training from scratch on stored pixels, with the same splits, batches and metrics as transfer learning."""

from transfer.config import Config, NetworkConfig
from transfer.models import scratch, whole
from transfer.models.registry import Backbone, Scratch, find
from transfer.system.progress import Progress
from transfer.training.feature_dataset import FeatureDataset
from transfer.training.fitting import Stage, Watch, fit
from transfer.training.head import own_head
from transfer.training.trained import Trained


def train(features: FeatureDataset, progress: Progress, watch: Watch | None = None) -> Trained:
    """Train a network, or a whole backbone, from random weights on stored pixels.

    Raises:
        HopelessError: if `watch` ended it.
    """
    config, outputs, size = features.config, tuple(features.extractor.outputs), features.extractor.image_spec.size
    network, shape = find(config.backbone), (size, size, 3)
    train_batches = features.batches(outputs, shape, config.training.batch_size)
    mean, variance = train_batches.rows.moments()
    overall, spread = float(mean.mean()), float(variance.mean() + mean.var())
    classes = len(features.classes)
    if isinstance(network, Backbone):
        model = whole.build(
            network, str(config.truncate_at), size, classes, config.head, config.seed, config.precision, own_head(config, features.parts)
        )
    else:
        model = scratch.build(network, size, classes, overall, spread, config.seed, options_of(network, config), config.precision)
    stage = Stage(
        "network",
        config.training,
        config.training,
        features.checkpoint(outputs),
        precision=config.precision,
        watch=watch,
        parts=features.parts,
    )
    fitted = fit(model, train_batches, features.evaluation_batches("validation", outputs, shape), stage, progress)
    return Trained.evaluated(model, fitted.history, fitted.best_epoch, features, outputs, (stage.checkpoint,))


def options_of(network: Scratch, config: Config) -> NetworkConfig:
    """Return the section `network`, with the options that the network takes from the section `head` (dropout, L2)."""
    left = {key: getattr(config.head, key) for key, value in network.options.items() if value is None}
    given = config.network.model_dump(exclude_none=True)
    return NetworkConfig(**(left | given))
