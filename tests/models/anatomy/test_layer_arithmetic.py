"""The arithmetic of one convolution equals what Keras builds."""

from typing import Any

import keras
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from transfer.errors import ConfigError
from transfer.models.anatomy.layer_arithmetic import Convolution, read_padding, same_padding
from transfer.reports import anatomy_text


@settings(max_examples=60, deadline=None)
@given(
    kernel=st.integers(1, 7),
    size=st.integers(1, 40),
    channels=st.integers(1, 5),
    filters=st.integers(1, 6),
    stride=st.integers(1, 5),
    padding=st.one_of(st.sampled_from(["valid", "same"]), st.integers(0, 4)),
)
def test_output_and_weights_are_those_of_keras(
    kernel: int, size: int, channels: int, filters: int, stride: int, padding: int | str
) -> None:
    explicit = padding if isinstance(padding, int) else 0
    assume(padding == "same" or kernel <= size + 2 * explicit)
    layer = Convolution(kernel, size, channels, filters, stride, padding)
    with keras.StatelessScope(initialize_variables=False):
        pixels = keras.Input((size, size, channels))
        padded = keras.layers.ZeroPadding2D(explicit)(pixels)
        built = keras.layers.Conv2D(filters, kernel, stride, padding if isinstance(padding, str) else "valid")
        output = built(padded)
    assert output.shape[1:] == (layer.output, layer.output, filters)
    assert built.count_params() == layer.parameters
    assert layer.activation_bytes == 4 * layer.output**2 * filters
    assert layer.multiply_adds == layer.output**2 * (layer.parameters - filters)


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 50), extent=st.integers(1, 9), stride=st.integers(1, 6))
def test_same_adds_the_fewest_zeros_and_the_odd_one_after(size: int, extent: int, stride: int) -> None:
    before, after = same_padding(size, extent, stride)
    wanted = -(-size // stride)
    assert after - before in (0, 1)
    assert before + after == 0 or (size + before + after - extent) // stride + 1 == wanted
    assert before + after == 0 or (size + before + after - 1 - extent) // stride + 1 == wanted - 1


def test_the_formulas_show_the_numbers() -> None:
    text = anatomy_text.convolution(Convolution(3, 32, 3, 64, 2, 1))
    assert "32x32x3 -> 16x16x64" in text
    assert "ceil((n + 2p - (k - 1)) / s) = ceil((32 + 2*1 - (3 - 1)) / 2) = 16" in text
    assert "k*k*c*m + m = 3*3*3*64 + 64 = 1,792" in text
    assert "o*o*k*k*c*m = 16*16*3*3*3*64 = 442,368" in text
    assert "65,536 bytes" in text


def test_zeros_before_and_after_are_shown_if_they_differ() -> None:
    text = anatomy_text.convolution(Convolution(3, 32, 3, 8, 2, "same"))
    assert "padding 0 before and 1 after" in text
    assert "ceil((32 + 0 + 1 - (3 - 1)) / 2) = 16" in text
    assert "ceil(32 / 2) = 16" in text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"kernel": 0}, r"kernel of a convolution is a whole number from 1 on\. Received 0"),
        ({"stride": -1}, "The stride"),
        ({"channels": 0}, "The channels"),
        ({"padding": "full"}, "same, valid, or a whole number.*Received 'full'"),
        ({"padding": -1}, "same, valid, or a whole number.*Received -1"),
        ({"kernel": 9}, "larger than the padded image, 8 a side.*Received a kernel of 9"),
        ({"kernel": 11, "padding": 1}, "10 a side"),
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, Any], words: str) -> None:
    sound: dict[str, Any] = {"kernel": 3, "size": 8, "channels": 1, "filters": 1}
    with pytest.raises(ConfigError, match=words):
        Convolution(**(sound | changed))


def test_a_kernel_as_large_as_the_padded_image_gives_one_value() -> None:
    assert Convolution(10, 8, 1, 1, padding=1).output == 1
    assert Convolution(9, 4, 1, 1, padding="same").output == 4


@pytest.mark.parametrize(("text", "padding"), [("same", "same"), (" Valid ", "valid"), ("2", 2), ("-1", -1), ("x", "x")])
def test_a_padding_is_read_as_it_is_written(text: str, padding: int | str) -> None:
    assert read_padding(text) == padding
