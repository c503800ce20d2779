"""The graph of a Keras model: its steps in order, what everything passes through, and parts of it computed on their own."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from transfer.models import graph
from transfer.models.graph import Graph

L = keras.layers
PRIVATE = ("_nodes_by_depth", "_inbound_nodes", "_outbound_nodes", "_keras_history", "_functional", "_flatten_layers")
TRANSFER = Path(graph.__file__).parents[1]


@pytest.fixture(scope="module")
def inner() -> keras.Model:
    """A Sequential, which holds a functional model."""
    return keras.Sequential([keras.Input((4, 4, 2)), L.Conv2D(3, 1, name="conv"), L.BatchNormalization(name="norm")], name="inner")


@pytest.fixture(scope="module")
def model(inner: keras.Model) -> keras.Model:
    """Two branches that meet, a model inside, and a classifier."""
    images = keras.Input((4, 4, 2), name="images")
    maps = inner(L.Add(name="add")([L.ReLU(name="relu")(images), images]))
    return keras.Model(images, L.Softmax(name="softmax")(L.Dense(2, name="dense")(L.Flatten(name="flatten")(maps))))


def test_keras_still_has_the_private_attributes_that_the_graph_is_read_from(model: keras.Model, inner: keras.Model) -> None:
    assert {type(depth) for depth in model._nodes_by_depth} == {int}
    assert inner._functional._nodes_by_depth
    assert [layer.name for layer in model._flatten_layers() if layer.name == "conv"] == ["conv"]
    first, *others = graph.nodes(model)
    assert first.is_input and not any(node.is_input for node in others)
    assert first.operation is model.get_layer("images") and first.output_tensors[0] is model.inputs[0]
    relu = next(node for node in others if node.operation.name == "relu")
    assert relu.input_tensors[0] is model.inputs[0]
    assert relu.arguments.fill_in({id(model.inputs[0]): "value"}) == (("value",), {})


def test_no_other_file_uses_them() -> None:
    users = {file for file in TRANSFER.rglob("*.py") if re.search(rf"\.({'|'.join(PRIVATE)})\b", file.read_text(encoding="utf-8"))}
    assert users == {Path(graph.__file__)}


def test_the_steps_of_models_inside_stand_in_the_order_of_computing(model: keras.Model) -> None:
    steps = Graph(model).steps
    assert [step.name for step in steps] == ["images", "relu", "add", "conv", "norm", "flatten", "dense", "softmax"]
    assert [step.inputs for step in steps] == [[], [0], [1, 0], [2], [3], [4], [5], [6]]
    assert (steps[3].kind, steps[3].input_shapes, steps[3].output_shape) == ("Conv2D", [(4, 4, 2)], (4, 4, 3))
    assert (steps[3].output_values, steps[3].parameters) == (48, 9)


def test_the_main_line_leaves_out_what_a_branch_goes_around(model: keras.Model) -> None:
    made = Graph(model)
    assert [made.steps[position].name for position in made.main_line()] == ["images", *[step.name for step in made.steps[2:]]]
    assert made.main_line(3) == [3, 4, 5, 6, 7]


def test_parts_of_it_compute_what_the_model_computes(model: keras.Model, inner: keras.Model) -> None:
    made = Graph(model)
    images = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype(np.float32)
    maps = made.between(made.input, 4)(images)
    np.testing.assert_allclose(maps, inner(np.maximum(images, 0) + images, training=False), rtol=1e-5)
    np.testing.assert_allclose(made.between(4, made.output)(maps), model(images, training=False), rtol=1e-5)
    assert np.array_equal(made.between(4, 4)(maps), maps)


def test_a_part_takes_numbers_in_the_precision_of_its_first_step() -> None:
    images = keras.Input((2,), dtype="bfloat16")
    made = Graph(keras.Model(images, L.Identity(dtype="bfloat16")(images)))
    assert keras.backend.standardize_dtype(made.between(0, 1)(np.ones((1, 2), np.float16)).dtype) == "bfloat16"


def test_an_operation_with_several_outputs() -> None:
    images = keras.Input((4,))
    left, right = keras.ops.split(images, 2, axis=-1)
    made = Graph(keras.Model(images, L.Subtract()([right, left])))
    assert made.between(made.input, made.output)(np.array([[1.0, 2.0, 5.0, 9.0]])).numpy().tolist() == [[4.0, 7.0]]


def test_a_layer_shared_by_two_models_has_the_input_of_the_model_asked_for() -> None:
    shared = L.ReLU()
    first, second = keras.Input((2,)), keras.Input((3,))
    for pixels in (first, second):
        model = keras.Model(pixels, shared(pixels))
        assert graph.input_of(model, shared) is pixels
