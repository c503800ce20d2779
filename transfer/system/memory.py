"""Too little memory: errors of all kinds that mean it, and memory that is given back to others."""

import ctypes
import re
import resource
import sys
from errno import ENOMEM

_WORDS = re.compile(
    r"std::bad_alloc|cannot allocate memory|can't start new thread|out of memory|\bOOM\b|failed to (allocate memory|map segment)", re.I
)
_OF_A_DISK = re.compile(r"no space left|disk quota", re.I)


def shortage(error: BaseException) -> str:
    """Return what could not be had, in one line, if an error means that there is too little memory; otherwise nothing.

    These are Python's MemoryError (NumPy's and LMDB's too), errors of the system (ENOMEM), of TensorFlow (ResourceExhaustedError, which
    also tells of full disks), and threads that cannot be started.
    """
    said = " ".join(str(error.strerror if isinstance(error, OSError) and error.strerror else error).split())
    if isinstance(error, MemoryError):
        found = True
    elif isinstance(error, OSError):
        found = error.errno == ENOMEM
    elif isinstance(error, SystemError):  # what C code makes of a MemoryError that it forgot: while TensorFlow is imported, for example
        found = "without exception set" in said and resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    else:
        found = _is_exhausted(error) or (_is_of_a_library(error) and bool(_WORDS.search(said)))
    if not found or _OF_A_DISK.search(said):
        return ""
    said = re.split(r" \[Op:| \[\[|\{\{|Hint:", said, maxsplit=1)[0].strip(" .")
    return said[:200] or type(error).__name__


def give_back() -> None:
    """Give back to the system what was freed and the C library keeps for later, which after many large requests is a gigabyte."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def _is_exhausted(error: BaseException) -> bool:
    tf = sys.modules.get("tensorflow")
    return tf is not None and hasattr(tf, "errors") and isinstance(error, tf.errors.ResourceExhaustedError)


def _is_of_a_library(error: BaseException) -> bool:
    """Return whether an error may tell of memory in words: those of TensorFlow, LMDB, threads, and libraries that are loaded."""
    return isinstance(error, RuntimeError | ImportError) or type(error).__module__.partition(".")[0] in ("tensorflow", "lmdb")
