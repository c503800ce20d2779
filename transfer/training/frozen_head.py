"""Train a head on the stored features of a frozen, truncated backbone."""

from transfer.networks import heads
from transfer.progress import Progress
from transfer.training.fitting import fit
from transfer.training.trained import Material, Trained, predict


def train(material: Material, output: str, progress: Progress) -> Trained:
    """Fit the head of the configuration on one output of the frozen pass.

    Args:
        material: stored rows.
        output: name of the output, `cut:pooling`.
        progress: told of each epoch.
    """
    config = material.config
    train_batches = material.batches("train", output, (material.front.width(output),), train=True)
    validation = material.batches("validation", output, train_batches.shape, train=False)
    mean, variance = train_batches.rows.moments() if config.head.standardize else (None, None)
    width = material.front.width(output)
    head = heads.build(width, len(material.classes), config.head, config.seed, mean, variance)
    checkpoint = material.checkpoint(output)
    fitted = fit(head, train_batches, validation, config.training, progress, checkpoint)
    probabilities = {split: predict(head, material, split, output, (width,)) for split in ("validation", "test")}
    return Trained(head, fitted.history, fitted.best_epoch, probabilities, checkpoint)
