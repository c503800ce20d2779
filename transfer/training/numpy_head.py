"""The mathematics of a head's training in NumPy: the network, its gradients, Adam and the schedule, as Keras has them.

A step of a small network is mostly overhead and passes over memory. Here all weights of a head are one vector, which Adam goes through
in pieces that stay in the processor's cache, and nothing is traced or compiled.
"""

from collections.abc import Sequence

import numpy as np

from transfer.config import OptimizerConfig

_PIECE = 1 << 16
"""Weights that Adam updates at a time: five pieces of float32 (weights, gradients, two moments, scratch) lie in the cache."""

_LEVELS = 1 << 16  # of the random numbers that decide what is dropped
_FIRST, _SECOND, _EPSILON = 0.9, 0.999, 1e-7  # Keras's defaults of Adam


class Network:
    """A head's weights as one vector, kernels first, and their gradients; both also layer by layer, as views.

    Attributes:
        values, gradients: float32 [weights].
        kernels: number of weights in kernels, which alone have a penalty and a decay.
        layers, layer_gradients: kernel and bias of each layer.
    """

    def __init__(self, weights: Sequence[np.ndarray]) -> None:
        ordered = [*weights[::2], *weights[1::2]]
        self.values = np.concatenate([weight.ravel() for weight in ordered])
        self.gradients = np.zeros_like(self.values)
        self.kernels = sum(kernel.size for kernel in weights[::2])
        self.layers, self.layer_gradients = (self._by_layer(vector, ordered) for vector in (self.values, self.gradients))

    @staticmethod
    def _by_layer(vector: np.ndarray, ordered: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        ends = np.cumsum([weight.size for weight in ordered])[:-1]
        views = [part.reshape(weight.shape) for part, weight in zip(np.split(vector, ends), ordered, strict=True)]
        return list(zip(views[: len(views) // 2], views[len(views) // 2 :], strict=True))

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return the logits of rows, without dropout."""
        for kernel, bias in self.layers[:-1]:
            x = x @ kernel
            x += bias
            np.maximum(x, 0, out=x)
        kernel, bias = self.layers[-1]
        return np.asarray(x @ kernel + bias)

    def differentiate(
        self, x: np.ndarray, targets: np.ndarray, weights: np.ndarray, rate: float = 0.0, random: np.random.BitGenerator | None = None
    ) -> None:
        """Fill `gradients` with those of the mean weighted cross-entropy; without the penalty.

        Args:
            x: rows, float32 [b, d]; overwritten.
            targets: float32 [b, classes].
            weights: float32 [b].
            rate, random: dropout before each layer.
        """
        scale, inputs = np.float32(1 / (1 - rate)), []
        for number, (kernel, bias) in enumerate(self.layers):
            if number:
                np.maximum(x, 0, out=x)
            if rate and random:
                _drop(x, rate, random)
            inputs.append(x)
            x = x @ kernel
            x *= scale
            x += bias
        slope = np.exp(x - x.max(axis=1, keepdims=True))
        slope /= slope.sum(axis=1, keepdims=True)
        slope -= targets
        slope *= weights[:, None] / np.float32(len(weights))
        for number in reversed(range(len(self.layers))):
            kernel_gradient, bias_gradient = self.layer_gradients[number]
            np.sum(slope, axis=0, out=bias_gradient)
            slope *= scale
            np.matmul(inputs[number].T, slope, out=kernel_gradient)
            if number:
                slope = slope @ self.layers[number][0].T
                slope *= inputs[number] > 0  # neither dropped nor below zero


def _drop(x: np.ndarray, rate: float, random: np.random.BitGenerator) -> None:
    """Set each value to zero with a probability (in steps of 1/65,536); the caller divides by what is kept."""
    numbers = random.random_raw(-(-x.size // 4)).view(np.uint16)[: x.size].reshape(x.shape)
    x *= numbers >= round(rate * _LEVELS)


class Adam:
    """Adam with an L2 penalty, weight decay and clipping by the global norm, on the vector of a network, as Keras does it.

    The moments lack the factors 1 - beta of Keras's, which saves passes over memory.
    """

    def __init__(self, network: Network, l2: float, settings: OptimizerConfig) -> None:
        self._network, self._l2, self._settings, self._step = network, l2, settings, 0
        self._means, self._squares = np.zeros_like(network.values), np.zeros_like(network.values)
        self._scratch = np.empty(min(_PIECE, network.values.size), np.float32)

    def step(self, rate: float) -> None:
        """Change the weights by one step along `network.gradients`, which are overwritten."""
        values, gradients, kernels = self._network.values, self._network.gradients, self._network.kernels
        if self._l2:
            for part in _pieces(kernels):
                gradients[part] += np.multiply(values[part], np.float32(2 * self._l2), out=self._scratch[: part.stop - part.start])
        if self._settings.clip_norm:
            gradients *= np.float32(min(1.0, self._settings.clip_norm / max(float(np.linalg.norm(gradients)), 1e-30)))
        if self._settings.weight_decay:
            values[:kernels] *= np.float32(1 - self._settings.weight_decay * rate)
        self._step += 1
        full = np.sqrt(1 - _SECOND)
        length = np.float32(rate * np.sqrt(1 - _SECOND**self._step) / (1 - _FIRST**self._step) * (1 - _FIRST) / full)
        for part in _pieces(values.size):
            gradient, mean, square = gradients[part], self._means[part], self._squares[part]
            change = self._scratch[: part.stop - part.start]
            mean *= np.float32(_FIRST)
            mean += gradient
            square *= np.float32(_SECOND)
            gradient *= gradient
            square += gradient
            np.sqrt(square, out=change)
            change += np.float32(_EPSILON / full)
            np.divide(mean, change, out=change)
            change *= length
            values[part] -= change


def _pieces(size: int) -> list[slice]:
    return [slice(start, min(start + _PIECE, size)) for start in range(0, size, _PIECE)]


def rates(settings: OptimizerConfig, steps_per_epoch: int) -> np.ndarray:
    """Return the learning rate of every step, as `optimizers.schedule`: float64 [steps]."""
    steps = steps_per_epoch * settings.epochs
    rising = int(settings.warmup * steps)
    peak, first = settings.learning_rate, settings.learning_rate / max(rising, 1)
    falling = 0.5 * peak * (1 + np.cos(np.pi * np.arange(steps - rising) / (steps - rising)))
    return np.concatenate([first + (peak - first) * np.arange(rising) / max(rising, 1), falling])
