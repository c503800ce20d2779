"""What long-running commands start with."""

from transfer.system import startup
from transfer.system.terminal import Terminal


def started() -> Terminal:
    """Start what long-running commands need: TensorFlow without its log output, and progress bars."""
    startup.import_tensorflow_quietly()
    return Terminal()
