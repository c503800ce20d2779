"""Where images come from: an image folder, a table of paths, or a TFDS data set."""

from transfer.data.sources.source import NEAR_DUPLICATES, TFDS, absolute, options, own, read, require, root, settings

__all__ = ["NEAR_DUPLICATES", "TFDS", "absolute", "options", "own", "read", "require", "root", "settings"]
