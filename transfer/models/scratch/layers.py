"""The layers of networks trained from scratch, with the options of the configuration and a seed each."""

from typing import Any

import keras

from transfer.config import NetworkConfig
from transfer.models.scratch import operations

_NO_RECTIFIERS = ("tanh", "sigmoid")
_MOMENTUM = 0.9  # Keras's 0.99 needs hundreds of steps before its averages mean anything


class Layers:
    """Makes the layers of one network, one after the other.

    Every layer that draws random numbers takes the next seed, so that the weights are a function of the seed alone.
    """

    def __init__(self, options: NetworkConfig, seed: int) -> None:
        self.options = options
        self._seeds = iter(range(1000 * seed, 1000 * seed + 1000))

    def pixels(self, size: int, mean: float, variance: float) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Return the input, RGB in 0..255, float32 [n, size, size, 3], and it standardised, with 3 channels or 1."""
        images = keras.Input((size, size, 3), name="images", dtype="float32")
        seen = keras.ops.image.rgb_to_grayscale(images) if self.options.color == "grey" else images
        layer = keras.layers.Normalization(axis=None, mean=mean, variance=max(variance, 1e-6), name="standardize", dtype="float32")
        return images, layer(seen)

    def conv(
        self, x: keras.KerasTensor, filters: int, kernel: int, name: str, strides: int = 1, padding: str = "valid", local: bool = True
    ) -> keras.KerasTensor:
        """Convolve a map (or connect it locally), normalise and activate; `local`: whether local normalisation may follow."""
        if self.options.locally_connected:
            bias, gain = None if self._batch else "ijm", 1.0 if self.options.activation in _NO_RECTIFIERS else 2.0
            x = operations.locally_connected(
                x, filters, kernel, strides, padding, name, next(self._seeds), gain, bias_axes=bias,
                kernel_regularizer=self._regularizer(),
            )  # fmt: skip
        else:
            x = keras.layers.Conv2D(filters, kernel, strides, padding, name=name, use_bias=not self._batch, **self._kernel())(x)
        x = self._activated(x, name)
        return operations.local_response_normalization(x) if local and self.options.normalization == "local" else x

    def pool(self, x: keras.KerasTensor, size: int, stride: int, name: str) -> keras.KerasTensor:
        """Pool a map as the options say; see `operations.pool`."""
        return operations.pool(x, self.options.pooling or "max", size, stride, name, self.options.blur or 3)

    def hidden(self, first: int = 1) -> dict[str, int]:
        """Return the hidden layers of the option `dense`: `fc1`, `fc2`, ..., numbered from `first` -> units."""
        return {f"fc{number}": units for number, units in enumerate(self.options.dense or (), start=first)}

    def dense(self, x: keras.KerasTensor, units: int, name: str) -> keras.KerasTensor:
        """Add a hidden fully connected layer, normalised and activated, with dropout after it."""
        x = keras.layers.Dense(units, name=name, use_bias=not self._batch, **self._kernel())(x)
        return self.dropped(self._activated(x, name), f"{name}_dropout")

    def classify(self, x: keras.KerasTensor, classes: int, hidden: dict[str, int]) -> keras.KerasTensor:
        """Flatten a map, add the hidden layers (name -> units) and return the logits [n, classes].

        Without a hidden layer, dropout applies to the flattened map.
        """
        x = keras.layers.Flatten(name="flatten")(x)
        for name, units in hidden.items():
            x = self.dense(x, units, name)
        if not hidden:
            x = self.dropped(x, "dropout")
        initializer = keras.initializers.GlorotUniform(next(self._seeds))
        penalty = self._regularizer()
        return keras.layers.Dense(classes, name="logits", kernel_initializer=initializer, kernel_regularizer=penalty, dtype="float32")(x)

    def dropped(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """Add dropout unless its rate is 0."""
        rate = self.options.dropout
        return keras.layers.Dropout(rate, seed=next(self._seeds), name=name)(x) if rate else x

    @property
    def _batch(self) -> bool:
        return self.options.normalization == "batch"

    def _activated(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        if self._batch:
            x = keras.layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_normalization")(x)
        return keras.layers.Activation(self.options.activation or "relu", name=f"{name}_activation")(x)

    def _kernel(self) -> dict[str, Any]:
        """Return the initializer of a kernel, He's before ReLU and its kind, else Glorot's, and its penalty."""
        glorot = self.options.activation in _NO_RECTIFIERS
        initializer = keras.initializers.GlorotUniform if glorot else keras.initializers.HeNormal
        return {"kernel_initializer": initializer(next(self._seeds)), "kernel_regularizer": self._regularizer()}

    def _regularizer(self) -> keras.Regularizer | None:
        l1, l2 = self.options.l1 or 0.0, self.options.l2 or 0.0
        return keras.regularizers.L1L2(l1, l2) if l1 or l2 else None
