"""The parts of a training that were given in Python and cannot be settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from transfer.config import Config
from transfer.errors import ConfigError
from transfer.models.own import kept


@dataclass(frozen=True)
class Parts:
    """What travels beside a configuration, which has their names. A backbone is not here: its row is data.

    Attributes:
        head: `own.head.Head`; None: that of the settings.
        callbacks: stage (`head`, `fine-tuning`, `network`) -> Keras callbacks of one fit.
        metrics: -> Keras metrics of one fit, for probabilities.
        layers: JSON of Keras's preprocessing layers, which make live views.
        once: whether the callbacks are objects, good for one training alone, and not a function.
    """

    head: Any = None
    callbacks: Callable[[str], Sequence[Any]] | None = None
    metrics: Callable[[], Sequence[Any]] | None = None
    layers: str = ""
    once: bool = False

    def over(self, other: "Parts") -> "Parts":
        """Return these parts, with those of another in place of what is not here."""
        callbacks, once = (self.callbacks, self.once) if self.callbacks else (other.callbacks, other.once)
        return Parts(self.head or other.head, callbacks, self.metrics or other.metrics, self.layers or other.layers, once)

    def for_trials(self) -> "Parts":
        """Return the parts that trials of a search have: callbacks watch the run alone."""
        return Parts(self.head, None, None, self.layers)


NONE = Parts()


def completed(config: Config, parts: Parts) -> Parts:
    """Return the parts that a configuration names: those given, and those that the cache has.

    Raises:
        ConfigError: if one is named that was given in Python and is not given again.
    """
    for key, names, given in (
        ("callbacks", config.training.callbacks, parts.callbacks),
        ("metrics", config.training.metrics, parts.metrics),
    ):
        if names and given is None:
            raise ConfigError(
                f"training.{key}: the run was made with {key} that were given in Python. Give them again (transfer.fit(..., {key}=...)), "
                f"or leave them out with --set 'training.{key}=[]'. Received {', '.join(names)}."
            )
    if parts.once and config.cross_validation.folds is not None:
        raise ConfigError(
            "callbacks: each fold is a training of its own and needs callbacks of its own. Expected a function stage -> list with "
            "cross_validation.folds. Received a list."
        )
    head, layers = parts.head, parts.layers
    if config.head.kind == "own" and head is None:
        kept.facts(str(config.head.own), "head")  # without TensorFlow
        head = str(config.head.own)
    if config.augment.layers is not None and not layers:
        layers = str(kept.facts(config.augment.layers, "augment.layers")["text"])
    return Parts(head, parts.callbacks, parts.metrics, layers, parts.once)
