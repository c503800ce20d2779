"""The command line, one file per command: arguments -> settings -> one call -> one printed result. TensorFlow is imported late."""

from transfer.cli.app import main

__all__ = ["main"]
