"""Converters and runtimes at work without what they print, warn and draw."""

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

from transfer.system.startup import hearing


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Hold back what is printed inside, also by libraries in C++."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with hearing("ERROR"), warnings.catch_warnings(), _descriptor_2_held_back():
            warnings.simplefilter("ignore")
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _descriptor_2_held_back() -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
