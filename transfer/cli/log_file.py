"""`--log-file`: what was said, line by line with its time, added to a text file in UTF-8."""

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from transfer.errors import OutputError
from transfer.system.files import lies_in


class LogFile:
    """A file that lines are added to; it is created with the first of them."""

    def __init__(self, path: Path, heading: str, protected: Iterable[Path] = ()) -> None:
        """Check that the file can be written.

        Args:
            path: of the file.
            heading: its first line, the command.
            protected: the user's data, as far as it is known.

        Raises:
            OutputError: if it cannot.
        """
        self._path, self._heading, self._lost = path, heading, False
        folder = path.absolute().parent
        why = ""
        if path.is_dir():
            why = "it is a folder"
        elif not folder.is_dir():
            why = "there is no such folder"
        elif path.exists() and not path.is_file():
            why = "it is not a regular file"
        elif not os.access(path if path.exists() else folder, os.W_OK):
            why = "permission denied, or the file system is read only"
        if why:
            raise OutputError(f"--log-file cannot be written: {why}. Choose another file. Received {str(path)!r}.")
        self.require_outside(protected)

    def require_outside(self, protected: Iterable[Path]) -> None:
        """Check that the file is not among the user's data.

        Raises:
            OutputError: if it is.
        """
        place = Path(os.path.realpath(self._path))
        for own in (Path(os.path.realpath(path)) for path in protected):
            if lies_in(place, own):
                self._lost = True
                raise OutputError(
                    f"--log-file is inside {str(own)!r}, where nothing is written. Choose another path. Received {str(self._path)!r}."
                )

    def write(self, text: str) -> None:
        """Add the lines of a text, each with the time. A disk that is full is told once, and the work goes on."""
        if self._lost:
            return
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        lines = "".join(f"{now}  {line}".rstrip() + "\n" for line in [self._heading, *text.splitlines()] if line.strip())
        try:
            with self._path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(lines)
            self._heading = ""
        except OSError as error:
            print(f"warning: --log-file: {error.strerror}. The rest is not logged.", file=sys.stderr)
            self._lost = True
