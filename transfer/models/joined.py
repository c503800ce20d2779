"""Backbone and trained part joined into one Keras model: images in, probabilities out."""

from collections.abc import Sequence

import keras

from transfer.errors import TransferError
from transfer.models import backbones, heads
from transfer.models.pretrained import Pretrained
from transfer.models.registry import Cut


def join(pretrained: Pretrained, cuts: Sequence[str], pooling: str, head: keras.Model, temperature: float = 1.0) -> keras.Model:
    """Join a frozen, truncated backbone and a trained head.

    Args:
        pretrained: the backbone.
        cuts: the cut points whose features the head gets, from the shallowest up.
        pooling: of the head.
        head: pooled features -> logits.
        temperature: by which the logits are divided.

    Returns:
        Model from RGB in 0..255, float32 [n, size, size, 3], to probabilities, float32 [n, classes]. Built of Keras's own
        layers only, so that `keras.saving.load_model` opens its file in safe mode without this package.
    """
    images = keras.Input((pretrained.size, pretrained.size, 3), name="images", dtype="float32")
    trunk = backbones.prefix(pretrained.model, pretrained.backbone, *map(pretrained.backbone.cut, cuts))
    maps = trunk(images, training=False)
    logits = head(heads.pool_all(maps if isinstance(maps, list) else [maps], pooling))
    return keras.Model(images, _probabilities(logits, temperature), name="classifier")


def join_tuned(pretrained: Pretrained, boundary: Cut | None, tuned: keras.Model, temperature: float = 1.0) -> keras.Model:
    """Join a frozen prefix and the part fine-tuned above it; without a boundary, the whole network was fine-tuned.

    Args:
        pretrained: the backbone that the prefix is taken from.
        boundary: where the prefix ends.
        tuned: the prefix's output, or images, -> logits.
        temperature: by which the logits are divided.

    Returns:
        As `join`.
    """
    if boundary is None:
        return from_scratch(tuned, temperature)
    images = keras.Input((pretrained.size, pretrained.size, 3), name="images", dtype="float32")
    maps = backbones.prefix(pretrained.model, pretrained.backbone, boundary)(images, training=False)
    return keras.Model(images, _probabilities(tuned(maps), temperature), name="classifier")


def from_scratch(network: keras.Model, temperature: float = 1.0) -> keras.Model:
    """Add the softmax, at a temperature, to a network from pixels to logits."""
    images = keras.Input(network.input_shape[1:], name="images", dtype="float32")
    return keras.Model(images, _probabilities(network(images), temperature), name="classifier")


def _probabilities(logits: keras.KerasTensor, temperature: float) -> keras.KerasTensor:
    logits = keras.layers.Rescaling(1 / temperature, dtype="float32", name="temperature")(logits)
    return keras.layers.Softmax(dtype="float32", name="probabilities")(logits)


def require_frozen(model: keras.Model, trained: keras.Model) -> dict[str, float]:
    """Assert that the weights of the trained part are trainable and no others.

    Returns:
        `trained` and `total` numbers of parameters, and `share`.

    Raises:
        TransferError: if a weight of the backbone would train, or none of the trained part would.
    """
    expected = {id(weight) for weight in trained.trainable_weights}
    received = {id(weight) for weight in model.trainable_weights}
    if not expected or expected != received:
        raise TransferError(
            f"Only the trained part may be trainable. Expected {len(expected)} weights. Received {len(received)}. This is a defect."
        )
    trained = sum(int(weight.value.shape.num_elements()) for weight in model.trainable_weights)
    total = int(model.count_params())
    return {"trained": trained, "total": total, "share": trained / total}
