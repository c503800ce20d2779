"""Where images come from: an image folder, a table of paths, or a TFDS data set."""

from transfer.data.sources.bucket import files as objects
from transfer.data.sources.source import TFDS, absolute, options, own, read, require, root, settings

__all__ = ["TFDS", "absolute", "objects", "options", "own", "read", "require", "root", "settings"]
