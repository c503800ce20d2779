"""Errors for users: each message states the rule, what was expected, what was received, and what to do.

Every error that the user can fix is a `TransferError`. The command line prints its text as one line and exits with 2;
in Python it is an ordinary exception. Any other exception that escapes is a bug in this package.
"""

import difflib
from collections.abc import Iterable

_LISTED = 60  # valid names in a message, at most
_LONGEST = 60  # characters of each


class TransferError(Exception):
    """Base of all errors that the user can act on."""


class ConfigError(TransferError):
    """A configuration key or value that is not allowed."""


class DataError(TransferError):
    """A data set that cannot be used."""


class WeightsError(TransferError):
    """Pretrained weights that are missing, could not be downloaded, or are not the expected ones."""


class StoreError(TransferError):
    """A feature store that cannot be read or written."""


class EngineError(TransferError):
    """An engine of computation that is not installed, is of another version, or fails with a network."""


class RunError(TransferError):
    """A run or a comparison that is missing, incomplete, misnamed, or in use by another process."""


class OutputError(TransferError):
    """An output path that cannot be used: taken, inside the user's data, or not writable."""


class ExportError(TransferError):
    """An export that could not be made, or that does not agree with the trained model."""


def nearest(word: str, valid: Iterable[str]) -> str | None:
    """Return the valid name most similar to `word`, or None if none is similar."""
    options = list(valid)
    lowered = {option.lower(): option for option in reversed(options)}
    found = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.5)
    return lowered[found[0]] if found else None


def named(word: str, valid: Iterable[str]) -> str | None:
    """Return the valid name that a word spells, without regard to case; None if there is none, or several."""
    options = list(valid)
    found = [word] if word in options else [option for option in options if option.lower() == word.strip().lower()]
    return found[0] if len(found) == 1 else None


def unknown_name(kind: str, received: str, valid: Iterable[str]) -> str:
    """Return the message for a name that is not in a list: the nearest valid name, and the list, or the beginning of a long one."""
    options = list(valid)
    near = nearest(received, options)
    hint = f" Did you mean {near!r}?" if near else ""
    listed = ", ".join(_short(option) for option in options[:_LISTED])
    more = f" and {len(options) - _LISTED:,} more" if len(options) > _LISTED else ""
    return f"Unknown {kind}.{hint} Expected one of: {listed}{more}. Received {received!r}."


def _short(name: str) -> str:
    """Return a long name without its middle: classes can be sentences."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST // 2 - 2]}...{name[2 - _LONGEST // 2 :]}"
