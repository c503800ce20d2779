"""In which floating-point format a network computes."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
"""Precision of the configuration -> Keras's dtype policy: weights stay in float32, products are in 16 bits."""


@contextmanager
def building_in(precision: str) -> Iterator[None]:
    """Layers made inside compute in this precision. Keras's global policy is put back after."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
