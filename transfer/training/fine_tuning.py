"""Fine-tuning: the layers of the backbone above the freeze boundary are trained together with the head, at a low rate.

It starts from the stored output of the frozen prefix, so decoding and the layers below the boundary cost nothing per epoch.
"""

from collections.abc import Sequence

import keras
import numpy as np
import pandas as pd

from transfer.errors import ConfigError, TransferError
from transfer.features.extractor import PIXELS, BackboneExtractor
from transfer.features.specs import freeze_boundary
from transfer.models import joined, tunable
from transfer.models.pretrained import FeatureSpec, Pretrained
from transfer.system.progress import Progress
from transfer.training.feature_dataset import FeatureDataset
from transfer.training.fitting import FINE_TUNING, Stage, fit
from transfer.training.trained import Trained


def train(
    features: FeatureDataset, extractor: BackboneExtractor, cuts: Sequence[str], head: Trained, progress: Progress
) -> tuple[Trained, keras.Model]:
    """Train the unfrozen layers and the head together, after the head alone.

    Args:
        features: stored rows.
        extractor: holds the backbone, whose weights do not change: the unfrozen layers are copies.
        cuts: cut points whose features the head gets.
        head: result of the first stage; its model is trained further in place.
        progress: reports each epoch.

    Returns:
        The trained part, with the history of both stages, and the joined classifier.
    """
    pretrained, boundary = extractor.pretrained, freeze_boundary(features.config, extractor.pretrained.backbone)
    outputs = (FeatureSpec(boundary.name, "map").name if boundary else PIXELS,)
    config, settings = features.config, features.config.fine_tuning
    tops = [pretrained.backbone.cut(cut) for cut in cuts]
    tuned = tunable.build(pretrained, boundary, tops, config.head.pooling, head.model, config.seed, settings.l2)
    progress.say(describe(tuned, head.model, str(config.unfreeze_from), int(pretrained.model.count_params())))
    shape = pretrained.shape(boundary.name) if boundary else (pretrained.size, pretrained.size, 3)
    dtype = keras.backend.standardize_dtype(tuned.model.input.dtype)
    factors = tunable.rates(tuned, settings.layer_decay) if settings.layer_decay != 1 else None
    checkpoint, rule = features.checkpoint(outputs), (settings.keep, settings.keep_tolerance)
    stage = Stage(FINE_TUNING, settings, config.training, checkpoint, factors, pretrained.precision, *rule, parts=features.parts)
    train_batches = features.batches(outputs, shape, settings.batch_size, dtype, in_turns=settings.views == "turns")
    fitted = fit(tuned.model, train_batches, features.evaluation_batches("validation", outputs, shape, dtype), stage, progress)
    _require_same_statistics(tuned, pretrained)
    history = pd.concat([head.history, fitted.history], ignore_index=True)
    best = len(head.history) + fitted.best_epoch
    trained = Trained.evaluated(tuned.model, history, best, features, outputs, (*head.checkpoints, stage.checkpoint))
    trained = trained.with_decided(**head.decided)
    return trained, joined.join_tuned(pretrained, boundary, tuned.model, trained.temperature)


def describe(tuned: tunable.Tunable, head: keras.Model, unfreeze_from: str, of_backbone: int) -> str:
    """Return a sentence on which weights are trained: their number and their share of the backbone's."""
    unfrozen, of_head = _count(tuned.suffix), _count(head)
    return (
        f"Fine-tuning from {unfreeze_from}: {unfrozen:,} of the backbone's {of_backbone:,} parameters are trained "
        f"({unfrozen / of_backbone:.1%}), and the head's {of_head:,}"
    )


def _count(model: keras.Model) -> int:
    return sum(int(variable.value.shape.num_elements()) for variable in model.trainable_variables)


def _require_same_statistics(tuned: tunable.Tunable, pretrained: Pretrained) -> None:
    """Check that what is not trained is as it was: the backbone's batch normalisation ran in inference mode.

    Raises:
        ConfigError: if a layer of the user changes weights that are not trained.
    """
    for layer in tuned.suffix.layers:
        if type(layer).__module__.partition(".")[0] != "keras":
            _require_same_state(layer, pretrained.model.get_layer(layer.name))
        if isinstance(layer, keras.layers.BatchNormalization):
            before = pretrained.model.get_layer(layer.name)
            for name in ("moving_mean", "moving_variance"):
                if not np.array_equal(np.asarray(getattr(layer, name)), np.asarray(getattr(before, name))):
                    raise TransferError(f"Batch normalisation must keep its statistics. Received others in {layer.name}. This is a bug.")


def _require_same_state(layer: keras.Layer, before: keras.Layer) -> None:
    for now, then in zip(layer.non_trainable_variables, before.non_trainable_variables, strict=True):
        if "seed_generator" not in now.path and not np.array_equal(np.asarray(now), np.asarray(then)):
            raise ConfigError(
                f"unfreeze_from: the layer {layer.name!r} changes {now.name!r}, which is not trained, while it is fine-tuned. Expected "
                "layers whose state stays as it was pretrained, like batch normalisation in inference mode. Unfreeze from a layer above "
                f"it. Received the class {type(layer).__name__}."
            )
