"""What can go wrong, told to a person: the rule, what was expected, what was received, what to do.

Every error that the user can fix is a `TransferError`. The command line prints its text as one line and exits with 2;
in Python it is an ordinary exception. Anything else that escapes is a defect of this package.
"""

import difflib
from collections.abc import Iterable


class TransferError(Exception):
    """Base of all errors that the user can act on."""


class ConfigError(TransferError):
    """A configuration key or value that is not allowed."""


class DataError(TransferError):
    """The data folder cannot be used as it is."""


class WeightsError(TransferError):
    """Pretrained weights that could not be downloaded, or are not what they should be."""


class StoreError(TransferError):
    """The feature store cannot be read or written."""


class RunError(TransferError):
    """A run's folder that is missing, incomplete, or in the way."""


class OutputError(TransferError):
    """A place where a result cannot be put: taken, in the user's data, or not writable."""


class ExportError(TransferError):
    """An exported model that does not agree with the one that was trained."""


def nearest(word: str, valid: Iterable[str]) -> str | None:
    """Return the valid name most like `word`, or None where nothing is near."""
    options = list(valid)
    lowered = {option.lower(): option for option in reversed(options)}
    found = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.5)
    return lowered[found[0]] if found else None


def unknown_name(kind: str, received: str, valid: Iterable[str]) -> str:
    """Text for a name that is not in a list: the nearest one and the whole list."""
    options = list(valid)
    near = nearest(received, options)
    hint = f" Did you mean {near!r}?" if near else ""
    return f"Unknown {kind}.{hint} Expected one of: {', '.join(options)}. Received {received!r}."
