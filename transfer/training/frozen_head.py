"""Train a head on the stored features of a frozen, truncated backbone."""

from transfer.models import heads
from transfer.system.progress import Progress
from transfer.training.fitting import Stage, fit
from transfer.training.trained import Material, Trained


def train(material: Material, output: str, progress: Progress) -> Trained:
    """Fit the head of the configuration on one output of the frozen pass.

    Args:
        material: stored rows.
        output: name of the output, `cut:pooling`.
        progress: told of each epoch.
    """
    config, shape = material.config, (material.front.width(output),)
    train_batches = material.batches(output, shape, config.training.batch_size)
    mean, variance = train_batches.rows.moments() if config.head.standardize else (None, None)
    head = heads.build(shape[0], len(material.classes), config.head, config.seed, mean, variance)
    stage = Stage("head", config.training, config.training, material.checkpoint(output))
    fitted = fit(head, train_batches, material.judged("validation", output, shape), stage, progress)
    return Trained.judged(head, fitted.history, fitted.best_epoch, material, output, (stage.checkpoint,))
