"""An own backbone computes what its copy does, for each image alone, and changes nothing while it does."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from transfer.errors import ConfigError

_TOLERANCE = 1e-3

Apply = Callable[[Any], Any] | None


def check(own: keras.Model, model: keras.Model, before: Apply, after: Apply, side: int) -> None:
    """Check that the copy computes what the model does, for each image alone, and that computing changes nothing in it."""
    images = np.random.default_rng(0).integers(0, 256, (3, side, side, 3)).astype(np.float32)
    state = [np.array(array) for array in own.get_weights()]
    maps = np.asarray(own(images, training=False), np.float32)
    changed = [one.path for one, array in zip(own.weights, state, strict=True) if not np.array_equal(np.asarray(one), array)]
    again = np.asarray(own(images, training=False), np.float32)
    if changed or not np.array_equal(maps, again):
        what = f"{changed[0]} changed" if changed else "the same images gave other features"
        raise ConfigError(
            "backbone: it is frozen, so that inference must change nothing in it and give the same again. Let its layers do so only where "
            f"training=True. Received {model.name!r}: {what} with training=False."
        )
    if not np.isfinite(maps).all():
        raise ConfigError(
            f"backbone: its features are NaN or infinite for random images. Check its weights and preprocess. Received {model.name!r}."
        )
    alone = np.asarray(own(images[:1], training=False), np.float32)
    if _differ(alone, maps[:1]):
        raise ConfigError(
            "backbone: the features of an image must not depend on the others of its batch. Leave out layers that compute over "
            f"the batch in inference. Received {model.name!r}."
        )
    expected = model(before(images) if before else images, training=False)
    expected = expected[0] if isinstance(expected, list | tuple) else expected
    if _differ(np.asarray(after(expected) if after else expected, np.float32), maps):
        raise ConfigError(f"backbone: the model that Keras makes of its configuration computes something else. Received {model.name!r}.")


def _differ(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape != other.shape or bool(np.abs(one - other).max() > _TOLERANCE * max(float(np.abs(other).max()), 1e-6))
