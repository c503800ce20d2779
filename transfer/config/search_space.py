"""Search spaces: which values of which configuration keys `transfer tune` tries. Does not import TensorFlow or Optuna."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transfer.config.loading import build, flatten
from transfer.errors import ConfigError, nearest

_OF_A_RANGE = ("low", "high", "log")


@dataclass(frozen=True)
class Choices:
    """A list of values, as the configuration holds them; one value fixes the key."""

    values: tuple[Any, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each value, in studies, tables and reports."""
        return tuple(label(value) for value in self.values)


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`; `log`: of equal ratio, not difference, are equally likely; `whole`: whole numbers alone."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Parameter:
    """What a search tries for one key.

    Attributes:
        key: of the configuration, dotted.
        values: which values.
        where: key and value of a parameter before this one, without which this key means nothing; none: it always applies.
    """

    key: str
    values: Choices | Range
    where: tuple[str, Any] | None = None

    @property
    def name(self) -> str:
        """Its name in studies and tables: the key, and the backbone where each has values of its own."""
        return f"{self.key} ({label(self.where[1])})" if self.where and self.where[0] == "backbone" else self.key


@dataclass(frozen=True)
class Space:
    """A search space.

    Attributes:
        parameters: what is tried; a parameter comes after that of its condition.
        first: keys of the first trials, in order: known good ones. The rest of each is drawn at random.
    """

    parameters: tuple[Parameter, ...]
    first: tuple[Mapping[str, Any], ...] = field(default=())

    def applying(self, chosen: Mapping[str, Any], parameter: Parameter) -> bool:
        """Return whether a parameter applies beside the values that are chosen so far."""
        return parameter.where is None or chosen.get(parameter.where[0]) == parameter.where[1]

    def describe(self) -> dict[str, str]:
        """Return the values of each parameter, as text: part of the identity of a study."""
        return {one.name: _described(one) for one in self.parameters}


def label(value: Any) -> str:
    """Return the name of a value: `block4_pool+block5_pool`, `256+128`, `none` for an empty list or value."""
    if isinstance(value, tuple | list):
        return "+".join(map(str, value)) or "none"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _described(parameter: Parameter) -> str:
    values = parameter.values
    if isinstance(values, Choices):
        text = ", ".join(values.labels)
    else:
        text = f"{values.low:g} to {values.high:g}{', logarithmic' if values.log else ''}{', whole' if values.whole else ''}"
    return text if parameter.where is None else f"{text}; where {parameter.where[0]} is {label(parameter.where[1])}"


def read(given: Mapping[str, Any]) -> dict[str, Choices | Range]:
    """Return the values of each key of the section `space`: a list, a range {low, high, log}, or a single value, which fixes the key.

    Raises:
        ConfigError: for an unknown key, a list without values or with repeated ones, a range that is none, and values that the
            configuration refuses.
    """
    try:
        flat = flatten(given)
    except ConfigError as error:
        raise ConfigError(f"space: {error}") from None
    return {key: _values(key, value) for key, value in flat.items()}


def _values(key: str, given: Any) -> Choices | Range:
    if isinstance(given, Mapping):
        return _range(key, given)
    wanted = list(given) if isinstance(given, list | tuple) else [given]
    if not wanted:
        raise ConfigError(f"space.{key}: a list of choices needs at least one. Received [].")
    values = tuple(taken(key, value) for value in wanted)
    twice = [value for value in values if values.count(value) > 1]
    if twice:
        raise ConfigError(f"space.{key}: each value is listed once. Received {label(twice[0])} twice.")
    return Choices(values)


def _range(key: str, given: Mapping[str, Any]) -> Range:
    received = f"Received {dict(given)!r}."
    expected = f"space.{key}: a range is {{low: 1e-4, high: 1e-2, log: true}}, log only if wanted."
    for name in given:
        if name not in _OF_A_RANGE:
            near = nearest(str(name), _OF_A_RANGE)
            raise ConfigError(f"{expected}{f' Did you mean {near!r}?' if near else ''} {received}")
    log = given.get("log", False)
    low: Any = given.get("low")
    high: Any = given.get("high")
    if not isinstance(log, bool) or any(isinstance(end, bool) or not isinstance(end, int | float) for end in (low, high)):
        raise ConfigError(f"{expected} {received}")
    if not low < high:
        raise ConfigError(f"space.{key}: low must be less than high; a single value needs no range. {received}")
    if log and low <= 0:
        raise ConfigError(f"space.{key}: a logarithmic range begins above 0. {received}")
    first, last = taken(key, low), taken(key, high)
    if isinstance(first, str) or isinstance(last, str):
        raise ConfigError(f"space.{key}: this key takes no numbers, so no range. Expected a list of its values. {received}")
    return Range(low, high, log, whole=not isinstance(first, float))


def taken(key: str, value: Any) -> Any:
    """Return a value as the configuration holds it.

    Raises:
        ConfigError: if it refuses it.
    """
    try:
        found: Any = build([{key: value}])
    except ConfigError as error:
        raise ConfigError(f"space.{key}: {error}") from None
    for part in key.split("."):
        found = getattr(found, part)
    return found
