"""`transfer` as a program that is struck by a signal at a chosen moment: `MOMENT SIGNAL ARGUMENT...`."""

import functools
import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from transfer.cli import main
from transfer.system.startup import import_tensorflow_quietly


def strike(owner: Any, name: str, call: int, number: int, before: bool = False) -> None:
    """Send this process a signal after (or before) the so-many-th call of a function."""
    function: Callable[..., Any] = getattr(owner, name)
    calls = itertools.count(1)

    @functools.wraps(function)
    def struck(*arguments: Any, **options: Any) -> Any:
        mine = next(calls) == call
        if mine and before:
            os.kill(os.getpid(), number)
        result = function(*arguments, **options)
        if mine and not before:
            os.kill(os.getpid(), number)
        return result

    setattr(owner, name, struck)


def arm(moment: str, number: int) -> None:
    """Prepare the signal for a moment of the run."""
    import tensorflow as tf

    from transfer.data import reading
    from transfer.features.store import Store
    from transfer.quality import worksheet
    from transfer.reports.check import page
    from transfer.system import files
    from transfer.training import fitting
    from transfer.workflows.tuning.journal import Journal

    places: dict[str, tuple[Any, str, int, bool]] = {
        "scan": (reading, "examine", 20, False),
        "feature extraction": (Store, "put", 2, False),
        "inside a write": (Store, "put", 3, True),
        "training": (fitting._Recorder, "on_epoch_end", 1, False),
        "trial": (Journal, "append", 2, False),
        "other data": (Store, "put", 7, False),  # after five batches of features, and the thumbnails of the OOD reference
        "export": (tf.saved_model, "save", 1, False),
        "publishing": (files, "publish_folder", 1, True),
        "page of a check": (page, "render", 1, False),
        "replacing a check": (os, "rename", 1, False),
        "table of a check": (worksheet, "write", 1, True),
    }
    owner, name, call, before = places[moment]
    strike(owner, name, call, number, before)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored if the tests were started in the background
    import_tensorflow_quietly()
    arm(sys.argv[1], signal.Signals[sys.argv[2]])
    main(sys.argv[3:])
