"""Train a network from scratch on stored pixels, through the same splits, batches and metrics as the others."""

from transfer.networks import scratch
from transfer.networks.table import Scratch
from transfer.progress import Progress
from transfer.training.fitting import fit
from transfer.training.trained import Material, Trained, predict


def train(material: Material, network: Scratch, size: int, progress: Progress) -> Trained:
    """Fit a network of the table on pixels of `size` x `size`."""
    config, (output,), shape = material.config, material.front.outputs, (size, size, 3)
    train_batches = material.batches("train", output, shape, train=True)
    validation = material.batches("validation", output, shape, train=False)
    mean, variance = train_batches.rows.moments()
    overall, spread = float(mean.mean()), float(variance.mean() + mean.var())
    classes = len(material.classes)
    model = scratch.build(network, size, classes, overall, spread, config.seed, config.head.dropout, config.head.l2)
    checkpoint = material.checkpoint(output)
    fitted = fit(model, train_batches, validation, config.training, progress, checkpoint, stage="network")
    probabilities = {split: predict(model, material, split, output, shape) for split in ("validation", "test")}
    return Trained(model, fitted.history, fitted.best_epoch, probabilities, checkpoint)
