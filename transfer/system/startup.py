"""Start TensorFlow without its log output."""

import atexit
import gc
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import IO

from transfer.system import c_messages, home, memory, streams
from transfer.system.late_import import LOG_LEVEL, asked_for


@contextmanager
def hearing(level: str) -> Iterator[None]:
    """Limit TensorFlow's Python log to messages at or above `level` (`ERROR`), unless it is already stricter, for a block."""
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
    """Discard all warnings and everything printed in a block, including by C++ libraries."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    _ready()
    before = os.dup(2)
    try:
        with hearing("ERROR"), warnings.catch_warnings(), c_messages.unfiltered(), _held() as held:
            warnings.simplefilter("ignore")
            os.dup2(held.fileno(), 2)
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        logging.disable(disabled)


def import_tensorflow_quietly(shown: bool = False) -> None:
    """Import TensorFlow, hiding what its C++ libraries print at start and about single images; it is shown if the import fails.

    Args:
        shown: hide nothing; also where `TF_CPP_MIN_LOG_LEVEL` asks for messages.
    """
    home.lead_libraries()
    if shown or asked_for():
        _start()
        return
    os.environ.setdefault(LOG_LEVEL, "3")
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells when it builds its cache of fonts
    with _importing(), _hidden():
        _start("ERROR")
    c_messages.leave_out_idle_messages()


def hidden_import(execute: Callable[[], None]) -> None:
    """Import a module of TensorFlow that a script asks for, hiding what is printed meanwhile and about its devices; see `late_import`."""
    os.environ.setdefault(LOG_LEVEL, "3")
    with _hidden():
        execute()
    c_messages.leave_out_idle_messages()


@contextmanager
def _hidden() -> Iterator[None]:
    """Hide what is printed in a block, also by C++ libraries; it is shown if the block fails."""
    _ready()
    with _held() as held:
        before = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception as error:  # not Ctrl-C, which the hidden output does not explain
            os.dup2(before, 2)
            held.seek(0)
            if sys.stderr is not None and not memory.shortage(error):  # which says it in one line
                sys.stderr.write(held.read().decode(errors="replace"))
            raise
        finally:
            _ready()
            os.dup2(before, 2)
            os.close(before)


def _start(level: str = "INFO") -> None:
    import keras  # noqa: F401
    import tensorflow as tf

    tf.get_logger().setLevel(level)
    tf.constant(0)  # the first operation initialises the devices, which prints too


def _ready() -> None:
    """Open standard error if it is closed, and write out what Python has printed there so far."""
    streams.open_all()
    if sys.stderr is not None:
        sys.stderr.flush()


def _held() -> IO[bytes]:
    """Return a file for what is printed meanwhile; in memory where no folder can be written."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return os.fdopen(os.memfd_create("held"), "w+b")


@contextmanager
def _importing() -> Iterator[None]:
    """Keep the garbage collector away from the million objects of TensorFlow's modules, which are never garbage.

    Scanning them takes half a second during the import, and one second when the program exits.
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
