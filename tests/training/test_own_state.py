"""Fine-tuning of a user's layer whose state changes in training."""

import keras
import numpy as np
import pytest

from tests.models.own.networks import Counting, Scaled
from transfer.errors import ConfigError
from transfer.training.fine_tuning import _require_same_state

ROWS = np.zeros((1, 2), np.float32)


def test_a_layer_of_the_user_that_changes_while_it_is_fine_tuned_is_refused() -> None:
    before, after = Counting(name="counting"), Counting(name="counting")
    before.build((None, 2))
    after(ROWS)
    with pytest.raises(ConfigError, match=r"^unfreeze_from: the layer 'counting' changes 'calls'.*Received the class Counting"):
        _require_same_state(after, before)


def test_weights_that_are_trained_may_change() -> None:
    before, after = Scaled(), Scaled()
    before.build((None, 2))
    after(ROWS)
    after.scale.assign(keras.ops.ones(2) * 3)
    _require_same_state(after, before)
