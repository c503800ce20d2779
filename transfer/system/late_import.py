"""TensorFlow imported by a script after this package is as quiet as where this package imports it.

A file of its own, since `import transfer` loads it: it imports nothing else until TensorFlow is asked for. TensorFlow 2.21 prints its
start-up messages whatever `TF_CPP_MIN_LOG_LEVEL` says; here the variable means what it says.
"""

import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib.machinery import ModuleSpec
from types import ModuleType

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_TOLD = ("0", "1", "2")


def asked_for() -> bool:
    """Return whether the user has asked for TensorFlow's messages."""
    return os.environ.get(LOG_LEVEL) in _TOLD


def watch() -> None:
    """Hide what TensorFlow prints while it is imported, once; nothing, if it is imported already."""
    if "tensorflow" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds TensorFlow as others do, and wraps its execution."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        if asked_for():
            return None
        import importlib.util

        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def quietly(module: ModuleType) -> None:
                from transfer.system.startup import hidden_import

                hidden_import(partial(execute, module))

            spec.loader.exec_module = quietly  # type: ignore[method-assign]
        return spec
