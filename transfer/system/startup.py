"""TensorFlow started without its chatter."""

import atexit
import gc
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


@contextmanager
def hearing(level: str) -> Iterator[None]:
    """Let TensorFlow's Python parts say only what is as grave as `level` (`ERROR`), or as they were let to before, for a while."""
    import tensorflow as tf

    logger = tf.get_logger()
    before = logger.level
    logger.setLevel(max(before, logging.getLevelNamesMapping()[level]))
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def quietly() -> Iterator[None]:
    """Discard everything printed in a block, also by C++ libraries, and all warnings."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    sys.stderr.flush()
    before = os.dup(2)
    try:
        with hearing("ERROR"), warnings.catch_warnings(), tempfile.TemporaryFile() as held:
            warnings.simplefilter("ignore")
            os.dup2(held.fileno(), 2)
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        logging.disable(disabled)


def import_tensorflow_quietly() -> None:
    """Import TensorFlow with what its C++ parts print at start held back; it is shown where the import fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held, _importing():
        before = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            import keras  # noqa: F401
            import tensorflow as tf

            tf.get_logger().setLevel("ERROR")
            tf.constant(0)  # the first operation starts the devices, and prints as well
        except Exception:  # not Ctrl-C: what was held back explains nothing then
            os.dup2(before, 2)
            held.seek(0)
            sys.stderr.write(held.read().decode(errors="replace"))
            raise
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)


@contextmanager
def _importing() -> Iterator[None]:
    """Keep the garbage collector from the million objects of TensorFlow's modules, which are never garbage.

    Looking through them takes half a second of the import and one of the program's end, when nothing needs collecting any more.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        atexit.register(gc.freeze)
        if collects:
            gc.enable()
