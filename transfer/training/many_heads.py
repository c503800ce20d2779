"""Many heads: cross-validated curves of heads on features in memory, many times faster than one Keras training after another.

The mathematics of `training/head.py` in NumPy: the same initial weights, order of the rows, loss, penalty, Adam and schedule; only
the random numbers of dropout differ. A step of a small network is mostly overhead and passes over memory: here all weights of a head
are one vector, which Adam goes through in pieces that stay in the processor's cache, nothing is traced or compiled, and each fold has
a thread of its own. A fold computes with one thread, so that its result depends on nothing beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import keras
import numpy as np
from scipy.special import log_softmax

from transfer.config import Config, OptimizerConfig
from transfer.data.folds import Fold
from transfer.system import resources
from transfer.training import linear_head
from transfer.training.batches import class_weights

_PIECE = 1 << 16
"""Weights that Adam updates at a time: five pieces of float32 (weights, gradients, two moments, scratch) lie in the cache."""

_LEVELS = 1 << 16  # of the random numbers that decide what is dropped
_FIRST, _SECOND, _EPSILON = 0.9, 0.999, 1e-7  # Keras's defaults of Adam


@dataclass(frozen=True)
class Curve:
    """How a head that was fitted on one fold does on the rows that this fold holds out, after each epoch.

    Attributes:
        log_loss: mean over these rows, float64 [epochs]; infinite where training diverged, which ends it. A linear head: one entry.
        accuracy: float64 [epochs].
        loss: Keras's `val_loss`, which early stopping watches: log loss with label smoothing, plus the penalty, float64 [epochs].
        logits: of these rows in the order of `Fold.held_out`, after the epoch `best`, float32 [m, classes].
        right: whether each of these rows is classified correctly, bool [epochs, m].
    """

    log_loss: np.ndarray
    accuracy: np.ndarray
    loss: np.ndarray
    logits: np.ndarray
    right: np.ndarray

    @property
    def best(self) -> int:
        """Epoch, from 0, whose weights `training/fitting.py` would keep: that with the lowest `loss`."""
        return int(self.loss.argmin())


def dense_curves(rows: np.ndarray, labels: np.ndarray, classes: int, config: Config, folds: Sequence[Fold]) -> list[Curve]:
    """Train the dense head of a configuration on each fold, as `training/head.py` would.

    Each fold stops early by itself (`training.patience`), so that its curve depends on nothing but itself: folds trained in two calls,
    or beside other trials (`resources.spread`), give the same curves as in one, bit for bit. Curves may differ in length.

    Args:
        rows: features, standardised and weighted, float32 [n, d].
        labels: class number of each row, int [n].
        classes: number of classes.
        config: `head` (layers, dropout, L2), `training` and `seed`.
        folds: `train` may contain augmented views, `held_out` only plain rows.

    Returns:
        One curve for each fold.
    """
    weights = initial_weights(rows.shape[1], classes, config)
    return resources.spread(lambda fold: _Training(rows, labels, classes, config, fold, weights).curve(), folds)


def linear_curves(
    rows: np.ndarray, labels: np.ndarray, classes: int, config: Config, folds: Sequence[Fold], inverse_penalty: float
) -> list[Curve]:
    """Fit a linear head (`linear_head.py`) on each fold; arguments and result as of `dense_curves`, with one epoch.

    Args:
        inverse_penalty: C of the regression, a number: the search chooses it as any other key.
    """

    def curve(fold: Fold) -> Curve:
        known = labels[fold.train]
        weights = class_weights(known, classes, config.training.class_weights)
        head = linear_head.fit(rows[fold.train], known, classes, inverse_penalty, weights)
        logits = rows[fold.held_out] @ head.kernel + head.bias
        losses, accuracy = judged(logits, labels[fold.held_out])
        return Curve(
            *(np.array([value]) for value in (losses, accuracy, losses)), logits, (logits.argmax(axis=1) == labels[fold.held_out])[None]
        )

    return resources.spread(curve, folds)


def judged(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the log loss (infinite if a logit is not finite) and the accuracy of logits [m, classes]."""
    if not np.isfinite(logits).all():
        return np.inf, float((logits.argmax(axis=1) == labels).mean())
    of_true = log_softmax(logits.astype(np.float64), axis=1)[np.arange(len(labels)), labels]
    return float(-of_true.mean()), float((logits.argmax(axis=1) == labels).mean())


def initial_weights(width: int, classes: int, config: Config) -> list[np.ndarray]:
    """Return the weights that `heads.build` starts with: kernels and biases from the first layer to the logits, float32."""
    units = (width, *config.head.dense, classes)
    weights = []
    for number, (before, after) in enumerate(pairwise(units)):
        seed = 1000 * config.seed + 2 * number + 1
        kind = keras.initializers.GlorotUniform if number == len(config.head.dense) else keras.initializers.HeNormal
        weights += [np.asarray(kind(seed)((before, after)), np.float32), np.zeros(after, np.float32)]
    return weights


def rates(settings: OptimizerConfig, steps_per_epoch: int) -> np.ndarray:
    """Return the learning rate of every step, as `optimizers.schedule`: float64 [steps]."""
    steps = steps_per_epoch * settings.epochs
    rising = int(settings.warmup * steps)
    peak, first = settings.learning_rate, settings.learning_rate / max(rising, 1)
    falling = 0.5 * peak * (1 + np.cos(np.pi * np.arange(steps - rising) / (steps - rising)))
    return np.concatenate([first + (peak - first) * np.arange(rising) / max(rising, 1), falling])


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


class _Training:
    """Training of one head on one fold."""

    def __init__(
        self, rows: np.ndarray, labels: np.ndarray, classes: int, config: Config, fold: Fold, weights: Sequence[np.ndarray]
    ) -> None:
        self._rows, self._config, self._fold = rows, config, fold
        self._known, self._held_out, self._true = labels[fold.train], rows[fold.held_out], labels[fold.held_out]
        smoothing = config.training.label_smoothing
        self._targets = (np.eye(classes) * (1 - smoothing) + smoothing / classes).astype(np.float32)  # by class
        self._weights = class_weights(self._known, classes, config.training.class_weights)
        self._network = Network(weights)
        self._adam = Adam(self._network, config.head.l2, config.training)

    def curve(self) -> Curve:
        settings = self._config.training
        steps = -(-len(self._known) // settings.batch_size)
        rate = rates(settings, steps).reshape(settings.epochs, steps)
        points: list[tuple[float, float, float]] = []
        right: list[np.ndarray] = []
        best, logits = 0, np.empty(0, np.float32)
        for epoch in range(settings.epochs):
            with np.errstate(all="ignore"):  # a loss that is not finite tells of a training that diverged
                self._epoch(epoch, rate[epoch])
                now = self._network.logits(self._held_out)
            points.append(self._judged(now))
            right.append(now.argmax(axis=1) == self._true)
            if epoch == 0 or points[-1][2] < points[best][2]:
                best, logits = epoch, now
            if not np.isfinite(points[-1][2]) or (settings.patience and epoch - best >= settings.patience):
                break
        return Curve(*np.array(points).T, logits, np.array(right))

    def _epoch(self, epoch: int, rate: np.ndarray) -> None:
        size, dropout = self._config.training.batch_size, self._config.head.dropout
        order = np.random.default_rng([self._config.seed, epoch]).permutation(len(self._known))  # as `Batches.order`
        random = np.random.SFC64([self._config.seed, epoch])
        for step, start in enumerate(range(0, len(order), size)):
            chosen = order[start : start + size]
            x = self._rows.take(self._fold.train[chosen], axis=0)
            self._network.differentiate(x, self._targets[self._known[chosen]], self._weights[chosen], dropout, random)
            self._adam.step(rate[step])

    def _judged(self, logits: np.ndarray) -> tuple[float, float, float]:
        log_loss, accuracy = judged(logits, self._true)
        if not np.isfinite(log_loss):
            return log_loss, accuracy, np.inf
        smoothing, kernels = self._config.training.label_smoothing, self._network.values[: self._network.kernels]
        of_any = log_softmax(logits.astype(np.float64), axis=1).mean() if smoothing else 0.0
        penalty = self._config.head.l2 * float(kernels @ kernels)
        return log_loss, accuracy, (1 - smoothing) * log_loss - smoothing * float(of_any) + penalty
