"""The versions of a run's export: the newest usable one is served, and a newer one replaces it while the server runs."""

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path

from transfer.errors import RunError
from transfer.runs import versions_in
from transfer.serving.model import Loaded

Fingerprint = tuple[tuple[str, int, int], ...]


class Versions:
    """The version being served, and the folder that is watched for newer ones.

    Attributes:
        current: the version being served.
    """

    def __init__(self, folder: Path, load: Callable[[Path], Loaded], say: Callable[[str], None]) -> None:
        """Load the newest usable version.

        Args:
            folder: RUN/export, whose subfolders named with whole numbers are versions.
            load: loads a version, and runs it once.
            say: called with one line for each version that is refused or replaces another.

        Raises:
            RunError: if none is usable.
        """
        self._folder, self._load, self._say = folder, load, say
        self._seen: dict[int, Fingerprint] = {}
        self._refused: dict[int, Fingerprint] = {}
        loaded = None
        numbers = sorted(versions_in(folder), reverse=True)
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
        """Poll for a newer version; load it in another thread, then swap."""
        while True:
            await asyncio.sleep(seconds)
            newer = await asyncio.to_thread(self.look)
            if newer is not None:
                self.current = newer
                self._say(f"Now serving version {newer.version} of the model.")
                await asyncio.to_thread(gc.collect)  # the old model is large, and full of reference cycles

    def look(self) -> Loaded | None:
        """Return the newest version after the current one, loaded; None if there is no complete one.

        A folder is read only if it has not changed since the previous call: it may still be being written.
        """
        for number in sorted(versions_in(self._folder), reverse=True):
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
        self._say(f"Version {number} of the model cannot be used and is ignored. {error}")


def fingerprint(folder: Path) -> Fingerprint:
    """Return names, sizes and modification times of all files of a version."""
    try:
        files = [(path, path.stat()) for path in sorted(folder.rglob("*"))]
    except OSError:
        return ()
    return tuple((str(path.relative_to(folder)), facts.st_size, facts.st_mtime_ns) for path, facts in files)
