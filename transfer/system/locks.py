"""One process at a time: a lock on an open file, which the system lets go of when the process ends, however it ends."""

import fcntl
import os
from typing import IO


def taken_by_another(file: IO[str]) -> str:
    """Lock a file that is open in mode `a+` until it is closed, and write the number of this process into it.

    Returns:
        Empty: it is locked now. Else which process has it: `number 123`, or `unknown number`.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        number = file.read().strip()
        return f"number {number}" if number.isdigit() else "unknown number"
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return ""
