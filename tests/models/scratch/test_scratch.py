"""What all networks trained from scratch have in common: options, seeds, and files that open without this package."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.models.scratch.scratch_models import build, images, kinds, reloaded
from transfer.models.registry import SCRATCH

TINY: dict[str, tuple[int, dict[str, Any]]] = {
    "lenet": (16, {}),
    "alexnet": (67, {"filters": (4, 4, 4, 4, 4), "dense": (8, 8)}),
    "cifar": (12, {"dense": (6,)}),
    "tiny_vgg": (16, {"filters": (4, 4), "dense": (6,)}),
    "mlp": (8, {"dense": (6, 5)}),
}
"""Every network of the table, as small as it can be."""
POOLED = [name for name in TINY if "pooling" in SCRATCH[name].options]
LOCAL = [name for name in TINY if "locally_connected" in SCRATCH[name].options]


def tiny(name: str, seed: int = 0, **options: Any) -> keras.Model:
    size, small = TINY[name]
    return build(name, size, 3, seed, **(small | options))


def test_every_network_of_the_table_is_tested() -> None:
    assert set(TINY) == set(SCRATCH)


@pytest.mark.parametrize("name", TINY)
def test_its_weights_and_dropout_are_a_function_of_the_seed(name: str) -> None:
    keras.utils.set_random_seed(11)  # a global seed must have no influence
    first, again, other = tiny(name, 3, dropout=0.4), tiny(name, 3, dropout=0.4), tiny(name, 4, dropout=0.4)
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), again.get_weights(), strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first.get_weights(), other.get_weights(), strict=True))
    values = images(TINY[name][0])
    assert np.array_equal(np.asarray(first(values, training=True)), np.asarray(again(values, training=True)))


@pytest.mark.parametrize("name", TINY)
def test_no_two_layers_start_with_the_same_numbers(name: str) -> None:
    kernels = [np.ravel(weight)[:8].tolist() for weight in tiny(name).get_weights() if np.ndim(weight) >= 2]
    assert all(first != second for place, first in enumerate(kernels) for second in kernels[:place])


@pytest.mark.parametrize("name", TINY)
def test_l1_and_l2_fall_on_every_kernel_and_no_bias(name: str) -> None:
    model = tiny(name, l1=0.01, l2=0.02)
    kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
    assert len(model.losses) == len(kernels)
    expected = sum(0.01 * np.abs(kernel.numpy()).sum() + 0.02 * (kernel.numpy() ** 2).sum() for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "leaky_relu"])
def test_the_activation_is_that_of_all_hidden_layers(name: str, activation: str) -> None:
    found = [layer.get_config()["activation"] for layer in tiny(name, activation=activation).layers if hasattr(layer, "activation")]
    hidden = [each for each in found if each != "linear"]
    assert set(hidden) == {activation} and len(hidden) >= 2


@pytest.mark.parametrize("name", TINY)
def test_batch_normalisation_stands_before_each_hidden_activation_in_place_of_the_bias(name: str) -> None:
    found = kinds(tiny(name, normalization="batch"))
    places = [place for place, kind in enumerate(found) if kind == "BatchNormalization"]
    assert len(places) == found.count("Activation") > 0
    assert all(found[place + 1] == "Activation" for place in places)
    biased = [layer for layer in tiny(name, normalization="batch").layers if getattr(layer, "use_bias", False)]
    assert [layer.name for layer in biased] == ["logits"]


@pytest.mark.parametrize("name", POOLED)
def test_pooling_is_an_option_and_changes_no_size(name: str) -> None:
    models = {pooling: tiny(name, pooling=pooling) for pooling in ("max", "average", "blur")}
    assert len({model.count_params() for model in models.values()}) == 1
    values = images(TINY[name][0])
    outputs = [np.asarray(model(values)) for model in models.values()]
    assert not np.allclose(outputs[0], outputs[1]) and not np.allclose(outputs[0], outputs[2])


VARIANTS = {
    "own options": {},
    "batch, blur": {"normalization": "batch", "pooling": "blur", "dropout": 0.3, "l1": 1e-4},
    "local, not shared": {"normalization": "local", "locally_connected": True, "activation": "gelu", "color": "grey"},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", TINY)
def test_its_file_opens_in_safe_mode_without_this_package(name: str, variant: str, tmp_path: Path) -> None:
    known, without = SCRATCH[name].options, SCRATCH[name].without
    options = {key: value for key, value in VARIANTS[variant].items() if key in known and (key, value) not in without}
    model = tiny(name, **options)
    values = images(TINY[name][0])
    np.testing.assert_allclose(np.asarray(reloaded(model, tmp_path)(values)), np.asarray(model(values)), atol=1e-6)
