"""What C libraries print: libjpeg's messages about single images and TensorFlow's about itself are left out, everything else is shown.

TensorFlow's JPEG decoder prints a line for every oddity of a file, each time it is decoded; there is no setting against that.
Images that cannot be used are named in the manifest, and in the answers, with the reason.

The lines go to C's own stream `stderr`. That stream is turned to a process that hands on all lines but those; it outlives
a crash of this process, so the last message is not lost. The descriptor 2 stays as it is: Python, child processes, and those who
report crashes write to it as before. This file is also the program of that process, and imports nothing but Python's own.
"""

import ctypes
import functools
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_UNBUFFERED = 2  # _IONBF: each message is written at once, and whole
_LIBJPEG = re.compile(
    rb"(Corrupt JPEG data: |Premature end of (JPEG|input) file|Not a JPEG file: starts with|Empty (input file|JPEG image)"
    rb"|Inconsistent progression sequence|Unknown Adobe color transform code|Warning: unknown JFIF revision|Image too wide for"
    rb"|Application transferred too (few|many) scanlines|Invalid (JPEG file structure|SOS parameters|component ID|progressive parameters)"
    rb"|Unsupported (marker type|JPEG process|JPEG data precision|color conversion)|Maximum supported image dimension is|Bogus [A-Z]"
    rb"|(Huffman|Quantization|Arithmetic) table 0x|(Sampling factors|Component index|Too many color components|Fractional sampling)"
    rb"|Missing Huffman code table entry|Huffman code size table overflow|CCIR601 sampling)"
)


_START = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\) |I\d{4} [\d:.]+ +\d+ \w+\.cc:\d+\] |To enable the following instructions: "
    rb"|E\d{4} [\d:.]+ +\d+ cuda_\w+\.cc:\d+\] failed call to cuInit"
)
"""What TensorFlow prints of itself when it looks for devices, which a machine without a GPU has not."""


def leave_out_idle_messages() -> None:
    """Turn C's stream of errors to the process that leaves out messages which help nobody, once and until this process ends."""
    _filtering()


@contextmanager
def unfiltered() -> Iterator[None]:
    """Turn C's stream of errors to descriptor 2, as it was, for a block."""
    stream, before = _stream(), _filtering.cache_info().currsize and _filtering()
    now = stream.value if stream is not None else None
    if stream is not None and before:
        stream.value = before
    try:
        yield
    finally:
        if stream is not None and before:
            stream.value = now


@functools.cache
def _filtering() -> int | None:
    """Start the process; return the stream as it was, or None where it cannot be turned."""
    stream = _stream()
    if stream is None or not sys.executable:
        return None
    before = stream.value
    reading, writing = os.pipe()
    try:
        arguments = [sys.executable, "-I", "-S", str(Path(__file__))]
        actions = [(os.POSIX_SPAWN_DUP2, reading, 0), (os.POSIX_SPAWN_DUP2, 2, 1)]
        os.posix_spawn(sys.executable, arguments, os.environ, file_actions=actions, setpgroup=0)  # a group of its own: no Ctrl-C
    except (OSError, NotImplementedError):
        os.close(writing)
        return None
    finally:
        os.close(reading)
    library = ctypes.CDLL(None)
    library.fdopen.restype = ctypes.c_void_p
    library.setvbuf.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    turned = library.fdopen(writing, b"w")
    library.setvbuf(turned, None, _UNBUFFERED, 0)
    stream.value = turned
    return before


def _stream() -> ctypes.c_void_p | None:
    """Return C's variable that holds the stream of errors; None where there is none that can be set."""
    for name in ("stderr", "__stderrp"):
        try:
            return ctypes.c_void_p.in_dll(ctypes.CDLL(None), name)
        except (ValueError, OSError):
            continue
    return None


def _hand_on() -> None:
    """Hand on all lines but those that help nobody, from descriptor 0 to 1, until the other side ends."""
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        if not (_LIBJPEG.match(line) or _START.match(line)):
            try:
                os.write(1, line)
            except OSError:
                pass  # nobody reads any more; the other side must not wait all the same


if __name__ == "__main__":
    _hand_on()
