"""Memory that is free inside this process, given back to the system."""

import ctypes
import gc


def give_back() -> None:
    """Collect garbage and return free pages to the system, where the C library can (glibc).

    Rewriting a network's graph needs several copies of its weights for a moment; without this the process would keep
    their room, hundreds of megabytes, until it ends.
    """
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass  # another C library: it decides by itself
