"""Heads of the user: built for the features they get, with the same initial weights for the same seed, or clearly refused."""

import functools
import pickle
import random
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.models.own.networks import Unregistered, head
from transfer.errors import ConfigError
from transfer.models.own.head import adopt, from_cache

ROWS = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


def test_a_model_begins_with_its_own_weights_and_is_found_again() -> None:
    given = head(6, 3)
    adopted = adopt(given)
    for one in (adopted, from_cache(adopted.part)):
        np.testing.assert_allclose(one.build(6, 3, 0)(ROWS), given(ROWS), rtol=1e-5)
    built = adopted.build(6, 3, 0)
    built.layers[1].kernel.assign(built.layers[1].kernel * 0)
    np.testing.assert_allclose(adopted.build(6, 3, 0)(ROWS), given(ROWS), rtol=1e-5)


def test_a_function_builds_it_for_any_features_with_the_weights_of_the_seed() -> None:
    adopted, state = adopt(head), random.getstate()
    one, same, other = (adopted.build(6, 3, seed) for seed in (0, 0, 1))
    assert random.getstate() == state
    np.testing.assert_array_equal(one(ROWS), same(ROWS))
    np.testing.assert_array_equal(one(ROWS, training=True), same(ROWS, training=True))  # dropout too
    assert not np.allclose(one(ROWS), other(ROWS))
    assert adopted.build(4, 2, 0).output_shape == (None, 2)
    with pytest.raises(ConfigError, match=r"head: 'head' was given in Python"):
        from_cache(adopted.part)


def test_a_function_is_known_by_what_it_does() -> None:
    def made(units: int) -> Any:
        return lambda width, classes: keras.Sequential([keras.Input((width,)), keras.layers.Dense(units), keras.layers.Dense(classes)])

    assert adopt(made(3)).part == adopt(made(3)).part != adopt(made(4)).part
    assert adopt(head).part == adopt(head).part
    assert adopt(functools.partial(head)).part != adopt(functools.partial(head, classes=2)).part


def _classifier(activation: str | None) -> keras.Model:
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation=activation)])


def _with(layer: keras.layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((6,)), layer, keras.layers.Dense(3)])


def _nan() -> keras.Model:
    model = _classifier(None)
    model.set_weights([weights * np.nan for weights in model.get_weights()])
    return model


@pytest.mark.parametrize(
    "given, match",
    [
        (lambda: head(5, 3), r"it gets 6 features.*Expected keras.Input\(\(6,\)\).*Received an input of \(None, 5\)"),
        (lambda: head(6, 4), r"one logit for each of the 3 classes, \(None, 3\). Received an output of \(None, 4\)"),
        (lambda: _classifier("softmax"), r"expected logits.*Received softmax in the layer"),
        (lambda: keras.Sequential([_classifier(None), keras.layers.Softmax()]), r"expected logits.*Received softmax"),
        (lambda: keras.Sequential([keras.Input((3,)), keras.layers.ReLU()]), r"it gets 6 features"),
        (lambda: _with(keras.layers.Lambda(lambda x: x)), r"a Lambda layer holds code"),
        (lambda: _with(Unregistered()), r"would not find the class Unregistered"),
        (_nan, r"weights must be finite numbers"),
        (lambda: lambda width, classes: None, r"expected the function to return a keras.Model.*Received NoneType"),
        (lambda: lambda width: width, r"the function failed for 6 features and 3 classes: TypeError"),
        (lambda: keras.Sequential([keras.layers.Dense(3)]), r"expected a keras.Model of one input"),
        (lambda: 3, r"expected settings .* or a function .*Received int"),
    ],
)  # fmt: skip
def test_what_is_no_head_is_refused(given: Any, match: str) -> None:
    with pytest.raises(ConfigError, match=rf"^head: .*{match}") as error:
        adopt(given()).build(6, 3, 0)
    assert "\n" not in str(error.value)


def test_a_head_of_which_nothing_trains_is_refused() -> None:
    model = head(6, 3)
    model.trainable = False
    with pytest.raises(ConfigError, match="nothing of it can be trained"):
        adopt(model).build(6, 3, 0)


def test_sent_to_another_machine_it_needs_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sent = pickle.dumps(adopt(given := head(6, 3)))
    monkeypatch.setenv("TRANSFER_HOME", str(tmp_path / "elsewhere"))
    np.testing.assert_allclose(pickle.loads(sent).build(6, 3, 0)(ROWS), given(ROWS), rtol=1e-5)
