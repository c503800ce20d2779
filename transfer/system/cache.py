"""The user's cache folder: pretrained weights, stored features, transcoded pictures, measured choices.

Everything in it can be deleted at any time; it is made again when it is needed.
"""

import os
from pathlib import Path


def cache_home() -> Path:
    """Return `$TRANSFER_HOME`, by default `~/.cache/transfer`. Read at each call, never at import."""
    chosen = os.environ.get("TRANSFER_HOME")
    return Path(chosen).expanduser().absolute() if chosen else Path.home() / ".cache" / "transfer"
