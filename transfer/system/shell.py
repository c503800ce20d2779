"""Commands that a user can type as they are printed."""

import functools
import os
import shlex
import shutil
import sys
from pathlib import Path

_NAME = "transfer"


@functools.cache
def program() -> str:
    """Return how the command line is started: `transfer` where that is found, else `python -m transfer`."""
    if shutil.which(_NAME):
        return _NAME
    python = Path(sys.executable or "python")
    found = shutil.which(python.name)
    same = found is not None and os.path.realpath(found) == os.path.realpath(python)
    return f"{python.name if same else quoted(str(python))} -m {_NAME}"


def command(*words: str | Path) -> str:
    """Return a command line of this program, `transfer serve 'saved_models/my run'`."""
    return " ".join([program(), *(quoted(str(word)) for word in words)])


def quoted(word: str) -> str:
    r"""Return a word as it is typed in a shell; one with control characters or bytes that are no Unicode as `$'caf\xe9'`."""
    if word.isprintable():
        return shlex.quote(word)
    letters = (
        letter if letter.isprintable() and letter not in "'\\" else "".join(f"\\x{byte:02x}" for byte in os.fsencode(letter))
        for letter in word
    )  # fmt: skip
    return f"$'{''.join(letters)}'"
