"""Receptive fields are the pixels that change a value; multiply-adds of layers that the table's networks do not have."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.models.anatomy.layer_kinds import label
from transfer.models.anatomy.multiply_adds import multiply_adds
from transfer.models.anatomy.receptive_field import Field, Reach, receptive_field
from transfer.models.graph import Graph, Step
from transfer.models.scratch import operations

L = keras.layers
SIDE = 96
MARGIN = 21  # what three layers at most cut away at a border, so that padding stands where pixels were
Change = Callable[[keras.KerasTensor], keras.KerasTensor]


def layer(kind: str, kernel: tuple[int, int], stride: int, padding: str, dilation: int = 1) -> Change:
    """Return a layer with positive weights, so that answers cannot cancel."""
    options = {"strides": stride, "padding": padding}
    ones = {"kernel_initializer": "ones", "use_bias": False, "dilation_rate": dilation}
    deep = {"depthwise_initializer": "ones", "pointwise_initializer": "ones", "use_bias": False, "dilation_rate": dilation}
    made: Change = {
        "conv": lambda x: L.Conv2D(2, kernel, **options, **ones)(x),
        "depthwise": lambda x: L.DepthwiseConv2D(kernel, **options, depthwise_initializer="ones", use_bias=False)(x),
        "separable": lambda x: L.SeparableConv2D(2, kernel, **options, **deep)(x),
        "pool": lambda x: L.AveragePooling2D(kernel, **options)(x),
        "padded": lambda x: L.Conv2D(2, kernel, stride, **ones)(L.ZeroPadding2D(((2, 1), (0, 3)))(x)),
        "cropped": lambda x: L.Conv2D(2, kernel, stride, **ones)(L.Cropping2D(((1, 0), (2, 1)))(x)),
        "residual": lambda x: L.Add()([L.Conv2D(x.shape[-1], kernel, padding="same", **ones)(x), x]),
        "inception": lambda x: L.Concatenate()(
            [L.Conv2D(1, (1, 7), padding="same", **ones)(x), L.AveragePooling2D(kernel, 1, "same")(x), L.Conv2D(1, 1, **ones)(x)]
        ),
    }[kind]
    return made


def analysed(model: keras.Model) -> tuple[list[Step], list[Field | None]]:
    """Return all steps of a model and their fields."""
    steps = Graph(model).steps
    fields: list[Field | None] = []
    for step in steps:
        fields.append(receptive_field(step, [fields[position] for position in step.inputs]))
    return steps, fields


def require_what_is_seen(model: keras.Model) -> None:
    """Light up one row (column) of pixels after the other: the values that answer are those whose field it lies in."""
    field = analysed(model)[1][-1]
    assert field is not None and not field.whole
    lit = np.eye(SIDE, dtype=np.float32)[:, :, None, None] * np.ones((1, 1, SIDE, model.input_shape[-1]), np.float32)
    for axis, reach in ((1, field.height), (2, field.width)):
        answers = model(lit if axis == 1 else lit.swapaxes(1, 2)).numpy().any(axis=(3 - axis, 3))  # [pixel, place]
        for place, seen in enumerate(answers.T):
            reached = np.flatnonzero(seen)
            start = reach.start + place * reach.stride
            assert reached.size == 0 or (start <= reached[0] and reached[-1] < start + reach.size)
            if start >= MARGIN and start + reach.size <= SIDE - MARGIN:
                assert (reached[0], reached[-1]) == (start, start + reach.size - 1)


KINDS = ["conv", "depthwise", "separable", "pool", "padded", "cropped", "residual", "inception"]
CHANGES = st.tuples(
    st.sampled_from(KINDS), st.tuples(st.integers(1, 4), st.integers(1, 4)), st.integers(1, 2), st.sampled_from(["same", "valid"])
)


@settings(max_examples=20, deadline=None)
@given(changes=st.lists(CHANGES, min_size=1, max_size=3))
def test_fields_are_the_pixels_that_change_a_value(changes: list[tuple[str, tuple[int, int], int, str]]) -> None:
    pixels = x = keras.Input((SIDE, SIDE, 2))
    for change in changes:
        x = layer(*change)(x)
    require_what_is_seen(keras.Model(pixels, x))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kind", ["conv", "separable"])
def test_dilation_widens_the_field(kind: str, padding: str) -> None:
    pixels = keras.Input((SIDE, SIDE, 2))
    model = keras.Model(pixels, layer(kind, (3, 2), 1, padding, dilation=3)(pixels))
    require_what_is_seen(model)
    starts = (-3, -1) if padding == "same" else (0, 0)
    assert analysed(model)[1][-1] == Field(Reach(7, 1, starts[0]), Reach(4, 1, starts[1]))


def test_nested_models_are_looked_into() -> None:
    inner = keras.Sequential([L.Conv2D(2, 3, kernel_initializer="ones"), L.AveragePooling2D(2)])
    pixels = keras.Input((SIDE, SIDE, 1))
    model = keras.Model(pixels, L.Conv2D(1, 3, kernel_initializer="ones")(inner(pixels)))
    assert [step.kind for step in analysed(model)[0]] == ["InputLayer", "Conv2D", "AveragePooling2D", "Conv2D"]
    require_what_is_seen(model)


def test_weights_of_a_layer_used_twice_are_counted_once() -> None:
    pixels = keras.Input((8, 8, 3))
    shared = L.Conv2D(3, 3, padding="same")
    steps, _ = analysed(keras.Model(pixels, shared(shared(pixels))))
    assert [step.parameters for step in steps] == [0, 84, 0]
    assert [multiply_adds(step) for step in steps] == [0, 8 * 8 * 81, 8 * 8 * 81]


def test_blur_pooling_sees_its_filter() -> None:
    pixels = keras.Input((SIDE, SIDE, 1))
    _, fields = analysed(keras.Model(pixels, operations.pool(pixels, "blur", 2, 2, "pool", 3)))
    assert fields[-1] is not None
    assert (fields[-1].height.size, fields[-1].height.stride) == (4, 2)


def test_a_locally_connected_layer_counts_and_sees_as_its_convolution() -> None:
    pixels = keras.Input((9, 9, 2))
    local, shared = (
        analysed(keras.Model(pixels, output))
        for output in (
            operations.locally_connected(pixels, 4, 3, 2, "valid", "local", 0, bias_axes="ijm"),
            L.Conv2D(4, 3, 2)(pixels),
        )
    )
    assert local[1][-1] == shared[1][-1]
    assert [multiply_adds(steps[-1]) for steps in (local[0], shared[0])] == [4 * 4 * 9 * 2 * 4] * 2
    assert local[0][-1].parameters == 4 * 4 * (9 * 2 * 4 + 4)


@pytest.mark.parametrize(
    ("change", "count", "name"),
    [
        (lambda x: L.Conv2D(8, 3, groups=2)(x), 6 * 6 * 9 * 2 * 8, "conv, 2 groups 3x3"),
        (lambda x: L.Conv2D(4, 3, groups=4, dilation_rate=2)(x), 4 * 4 * 9 * 4, "depthwise 3x3 dilation 2"),
        (lambda x: L.DepthwiseConv2D((3, 1), depth_multiplier=2)(x), 6 * 8 * 3 * 8, "depthwise 3x1"),
        (lambda x: L.SeparableConv2D(5, 3, 2, depth_multiplier=2)(x), 3 * 3 * (9 * 8 + 8 * 5), "separable 3x3 /2"),
        (lambda x: L.Dense(7)(x), 8 * 8 * 4 * 7, "dense"),
        (lambda x: keras.ops.conv(x, np.ones((3, 3, 4, 6), np.float32)), 6 * 6 * 9 * 4 * 6, "conv 3x3"),
        (lambda x: keras.ops.depthwise_conv(x, np.ones((3, 3, 4, 1), np.float32), 2), 3 * 3 * 9 * 4, "depthwise 3x3 /2"),
        (lambda x: keras.ops.einsum("nhwc,cd->nhwd", x, np.ones((4, 3), np.float32)), 8 * 8 * 4 * 3, "einsum"),
        (lambda x: L.BatchNormalization()(x), 0, "batch norm"),
        (lambda x: L.MaxPooling2D((3, 2), (2, 1))(x), 0, "max pool 3x2 /2x1"),
        (lambda x: L.Conv2DTranspose(2, 3)(x), None, "Conv2DTranspose"),
        (lambda x: L.UpSampling2D()(x), None, "UpSampling2D"),
    ],
)
def test_multiply_adds_of_one_layer(change: Change, count: int | None, name: str) -> None:
    pixels = keras.Input((8, 8, 4))
    steps, fields = analysed(keras.Model(pixels, change(pixels)))
    assert multiply_adds(steps[-1]) == count
    assert label(steps[-1]) == name
    assert (fields[-1] is None) == (count is None)


def test_above_an_unknown_layer_the_field_is_unknown() -> None:
    pixels = keras.Input((8, 8, 1))
    _, fields = analysed(keras.Model(pixels, L.Conv2D(1, 3)(L.UpSampling2D()(pixels))))
    assert fields[-1] is None


def test_branches_of_different_strides_have_no_field_in_common() -> None:
    pixels = keras.Input((8, 8, 1))
    fast = L.Conv2D(1, 2, strides=2)(pixels)
    slow = L.Conv2D(1, 5)(pixels)
    _, fields = analysed(keras.Model(pixels, L.Add()([fast, slow])))
    assert fields[-1] is None


@pytest.mark.parametrize("change", [L.GlobalAveragePooling2D(), L.Flatten(), L.GroupNormalization(1), L.LayerNormalization(axis=(1, 2, 3))])
def test_what_looks_at_all_places_sees_the_whole_image(change: keras.Layer) -> None:
    pixels = keras.Input((8, 8, 2))
    field = analysed(keras.Model(pixels, change(L.Conv2D(2, 3)(pixels))))[1][-1]
    assert field is not None and field.whole
    assert field.height.size == 8


def test_squeeze_and_excite_sees_the_whole_image_and_keeps_its_stride() -> None:
    pixels = keras.Input((8, 8, 2))
    gate = L.Reshape((1, 1, 2))(L.GlobalAveragePooling2D()(pixels))
    model = keras.Model(pixels, L.Multiply()([pixels, L.Conv2D(2, 1, activation="sigmoid")(gate)]))
    steps, fields = analysed(model)
    assert fields[-1] is not None and fields[-1].whole and fields[-1].height.stride == 1
    assert sum(multiply_adds(step) or 0 for step in steps) == 4


def test_moved_and_mixed_places_are_not_guessed() -> None:
    pixels = keras.Input((8, 8, 2))
    for change in (L.Permute((2, 1, 3)), L.Concatenate(axis=1), L.Reshape((4, 16, 2))):
        x = change([pixels, pixels] if isinstance(change, L.Concatenate) else pixels)
        assert analysed(keras.Model(pixels, x))[1][-1] is None
