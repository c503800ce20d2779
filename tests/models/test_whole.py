"""Backbones trained as a whole from random weights: their published numbers of parameters, and that everything trains."""

from typing import Any

import keras
import numpy as np
import pytest

from tests.models.scratch.scratch_models import images, without_memory
from transfer.config import HeadConfig
from transfer.models import whole
from transfer.models.registry import BACKBONES

HEAD = HeadConfig(dense=(), dropout=0.0)


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("vgg16", {"pooling": "flatten", "dense": (4096, 4096)}, 138_357_544),
        ("inception_v3", {"pooling": "avg", "dense": ()}, 23_851_784),
    ],
)
def test_with_its_classifier_it_has_the_published_number_of_parameters(name: str, head: dict[str, Any], expected: int) -> None:
    with without_memory():
        model = whole.assemble(BACKBONES[name], "top", BACKBONES[name].size, 1000, HeadConfig(**head), 0)
    assert model.count_params() == expected


@pytest.fixture(scope="module")
def cut() -> keras.Model:
    return whole.build(BACKBONES["mobilenet_v2"], "block_2_add", 32, 3, HEAD, 1)


def test_every_layer_of_it_trains_and_batch_normalisation_learns(cut: keras.Model) -> None:
    trunk = cut.get_layer("trunk")
    normalisations = [layer for layer in trunk.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(normalisations) >= 3 and all(layer.trainable for layer in normalisations)
    assert len(cut.non_trainable_weights) == 2 * len(normalisations)
    before = np.asarray(normalisations[0].moving_mean).copy()
    cut(images(32), training=True)
    assert not np.array_equal(np.asarray(normalisations[0].moving_mean), before)


def test_its_weights_are_a_function_of_the_seed(cut: keras.Model) -> None:
    again, other = (whole.build(BACKBONES["mobilenet_v2"], "block_2_add", 32, 3, HEAD, seed) for seed in (1, 2))
    kernels = [
        np.concatenate([np.ravel(weight) for weight in model.trainable_weights if len(weight.shape) >= 2]) for model in (cut, again, other)
    ]
    assert np.array_equal(kernels[0], kernels[1]) and not np.array_equal(kernels[0], kernels[2])


def test_it_takes_pixels_and_gives_logits(cut: keras.Model) -> None:
    assert cut.input_shape == (None, 32, 32, 3)
    assert cut(images(32)).shape == (2, 3)
