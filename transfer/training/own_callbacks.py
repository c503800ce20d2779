"""Callbacks and metrics of the user, as Keras gets them."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from transfer.errors import ConfigError, TransferError
from transfer.models.cutting import default_name, named_by_keras

_HOOKS = [f"on_{what}_{when}" for what in ("epoch", "batch", "train", "train_batch", "test", "test_batch") for when in ("begin", "end")]
_TAKEN = ("loss", "accuracy", "scaled_loss")


class Guarded(keras.callbacks.Callback):
    """A callback whose exceptions say whose they are."""

    def __init__(self, inner: keras.callbacks.Callback) -> None:
        super().__init__()
        self.inner = inner

    def set_params(self, params: dict[str, Any]) -> None:
        """Pass them on."""
        super().set_params(params)
        self.inner.set_params(params)

    def set_model(self, model: keras.Model) -> None:
        """Pass it on."""
        super().set_model(model)
        self._call("set_model", model)

    def _call(self, hook: str, *arguments: Any, **named: Any) -> None:
        try:
            getattr(self.inner, hook)(*arguments, **named)
        except Exception as error:  # whatever the user's callback raises
            reason = " ".join(str(error).split())[:200] or "without a message"
            raise TransferError(
                f"The callback {type(self.inner).__name__} failed in {hook}: {type(error).__name__}: {reason.rstrip('.')}. Features and "
                "checkpoints are kept: the same call goes on from them once it is repaired."
            ) from error


def _passing(hook: str) -> Callable[..., None]:
    def passed(self: Guarded, *arguments: Any, **named: Any) -> None:
        self._call(hook, *arguments, **named)

    return passed


for _hook in _HOOKS:
    setattr(Guarded, _hook, _passing(_hook))


class OfProbabilities(keras.metrics.Metric):
    """A metric that gets probabilities, though networks are trained on logits."""

    def __init__(self, inner: keras.metrics.Metric) -> None:
        super().__init__(name=inner.name)
        self.inner = inner

    def update_state(self, labels: Any, logits: Any, sample_weight: Any = None) -> None:
        """Add a batch: one-hot labels and logits, [n, classes]."""
        self.inner.update_state(labels, keras.ops.softmax(logits), sample_weight=sample_weight)

    def result(self) -> Any:
        """Return that of the metric."""
        return self.inner.result()

    def reset_state(self) -> None:
        """Begin anew."""
        self.inner.reset_state()


def callbacks_of(make: Callable[[str], Sequence[Any]] | None, stage: str) -> list[keras.callbacks.Callback]:
    """Return the callbacks of one stage.

    Raises:
        ConfigError: if they are none.
        TransferError: if the function that makes them fails.
    """
    if make is None:
        return []
    try:
        found = list(make(stage) or ())
    except Exception as error:  # whatever the user's function raises
        raise TransferError(f"callbacks: the function failed for stage {stage!r}: {type(error).__name__}: {error}") from error
    for one in found:
        if not isinstance(one, keras.callbacks.Callback):
            raise ConfigError(f"callbacks: expected Keras callbacks. Received {type(one).__name__} for stage {stage!r}.")
    return [Guarded(one) for one in found]


def metrics_of(make: Callable[[], Sequence[Any]] | None) -> list[keras.metrics.Metric]:
    """Return the metrics of one fit; `settings` has checked them."""
    return [OfProbabilities(one) for one in make()] if make else []


def one_number(name: str, value: Any) -> float:
    """Return the value of a metric after an epoch.

    Raises:
        ConfigError: if it has several, as for each class.
    """
    if np.ndim(value):
        raise ConfigError(
            f"metrics: each must give a single number, for its column of the history (average='macro'). Received {name}={value!r}."
        )
    return float(value)


def fresh_metrics(given: Sequence[Any]) -> "Fresh":
    """Return what makes the metrics anew for each fit.

    Args:
        given: Keras metrics, or their names.

    Raises:
        ConfigError: if one is none, or has the name of a column of the history.
    """
    made: list[keras.metrics.Metric] = []
    for one in given:
        try:
            metric = keras.metrics.get(one)
        except ValueError:
            metric = None
        if not isinstance(metric, keras.metrics.Metric):
            raise ConfigError(
                f"metrics: expected Keras metrics or their names, such as keras.metrics.TopKCategoricalAccuracy(3). Received {one!r}."
            )
        if _name(metric) in _TAKEN or _name(metric) in map(_name, made):
            raise ConfigError(f"metrics: each needs a name of its own, other than {', '.join(_TAKEN)}. Received {_name(metric)!r}.")
        made.append(metric)
    return Fresh(made)


def _name(metric: keras.metrics.Metric) -> str:
    """Return its name: `auc` whatever number Keras has given it."""
    kind = type(metric).__name__
    return default_name(kind) if named_by_keras(metric.name, kind) else metric.name


class Fresh:
    """Makes metrics anew."""

    def __init__(self, given: Sequence[keras.metrics.Metric]) -> None:
        self.kinds = [(type(one), one.get_config() | {"name": _name(one)}) for one in given]
        self.names = tuple(map(_name, given))

    def __call__(self) -> list[keras.metrics.Metric]:
        return [kind.from_config(dict(config)) for kind, config in self.kinds]
