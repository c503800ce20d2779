"""The versions of a run's export: the newest that can be used is served; a newer one is taken over while the server runs."""

import asyncio
import gc
import re
from collections.abc import Callable
from pathlib import Path

from transfer.errors import RunError
from transfer.serving.model import Loaded

_VERSION = re.compile("0|[1-9][0-9]{0,17}")

Fingerprint = tuple[tuple[str, int, int], ...]


class Versions:
    """The version that is served now, and the folder that is watched for the next.

    Attributes:
        current: what answers.
    """

    def __init__(self, folder: Path, load: Callable[[Path], Loaded], say: Callable[[str], None]) -> None:
        """Load the newest version that can be used.

        Args:
            folder: RUN/export, whose sub-folders with whole numbers for names are versions.
            load: loads a version, and runs it once.
            say: is told of versions that are refused or taken over, one line each.

        Raises:
            RunError: where none can be used.
        """
        self._folder, self._load, self._say = folder, load, say
        self._seen: dict[int, Fingerprint] = {}
        self._refused: dict[int, Fingerprint] = {}
        loaded = None
        numbers = sorted(numbers_in(folder), reverse=True)
        if not numbers:
            raise RunError(f"The run has no export. Received {str(folder)!r}.")
        for number in numbers:
            try:
                loaded = load(folder / str(number))
                break
            except RunError as error:
                if number == numbers[-1]:
                    raise
                self._refuse(number, error)
        assert loaded is not None
        self.current: Loaded = loaded

    async def watch(self, seconds: float) -> None:
        """Look for a newer version again and again; load it in another thread, then swap."""
        while True:
            await asyncio.sleep(seconds)
            newer = await asyncio.to_thread(self.look)
            if newer is not None:
                self.current = newer
                self._say(f"Version {newer.version} of the model is served now.")
                await asyncio.to_thread(gc.collect)  # the old one is a web of references, and large

    def look(self) -> Loaded | None:
        """Return the newest version beyond the current one, loaded; None where there is none that is whole.

        A folder is read only when it has not changed between two looks: it may still be written.
        """
        for number in sorted(numbers_in(self._folder), reverse=True):
            if number <= self.current.version:
                return None
            found = fingerprint(self._folder / str(number))
            settled, self._seen[number] = self._seen.get(number) == found, found
            if not settled or self._refused.get(number) == found:
                continue
            try:
                return self._load(self._folder / str(number))
            except RunError as error:
                self._refuse(number, error)
        return None

    def _refuse(self, number: int, error: RunError) -> None:
        self._refused[number] = fingerprint(self._folder / str(number))
        self._say(f"Version {number} of the model is refused, and not used. {error}")


def numbers_in(folder: Path) -> list[int]:
    """Return the numbers of the versions in a folder; none where it cannot be read."""
    try:
        return [int(path.name) for path in folder.iterdir() if _VERSION.fullmatch(path.name) and path.is_dir()]
    except OSError:
        return []


def fingerprint(folder: Path) -> Fingerprint:
    """Return names, sizes and times of all files of a version."""
    try:
        files = [(path, path.stat()) for path in sorted(folder.rglob("*"))]
    except OSError:
        return ()
    return tuple((str(path.relative_to(folder)), facts.st_size, facts.st_mtime_ns) for path, facts in files)
