"""The journal of a study: Optuna's file of one line per event, here the study and then its finished trials in their order.

A trial is one line with all that is known of it, written at once when it has finished: a trial that was cut off leaves nothing. What a
full disk or a power failure left of a last line is cut away on opening, before anything is appended to it: Optuna itself would append,
and never read the file again. `JournalStorage(JournalFileBackend(path))` opens the file, for instance in Optuna's dashboard.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.trial import FrozenTrial

from transfer.errors import RunError
from transfer.system.files import replacing
from transfer.workflows.tuning.proposals import quiet

NAME = "tune"
"""Name of the study in its journal."""

IDENTITY = "identity"
"""Attribute of the study: all that determines its trials, besides their number."""


class _NoLock(BaseJournalFileLock):
    """The folder of a search is locked as a whole; a link that Optuna's lock leaves after a kill would hold up the next search."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


class Journal:
    """An open journal. Whoever opens one holds the lock of its folder.

    Attributes:
        path: the file.
        study: Optuna's study in it.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], anew: bool = False) -> None:
        """Open a journal, or begin one.

        Args:
            path: the file.
            identity: text -> plain values; all that determines the trials.
            anew: a journal that would be refused is deleted. One of the same identity holds what would be found again.

        Raises:
            RunError: if the file is damaged, or is that of another search; the error names what differs.
        """
        self.path = path
        try:
            self.study = _opened(path, identity)
        except RunError:
            if not anew:
                raise
            path.unlink()
            self.study = _opened(path, identity)

    @property
    def finished(self) -> list[FrozenTrial]:
        """All trials, in order."""
        return self.study.get_trials(deepcopy=False)

    def append(self, trials: Sequence[FrozenTrial]) -> None:
        """Write finished trials; each is on disk when this returns."""
        with quiet():
            self.study.add_trials(list(trials))


def _opened(path: Path, identity: Mapping[str, Any]) -> optuna.Study:
    mend(path)
    with quiet():
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=_NoLock()))
        if not storage.get_all_studies():
            optuna.create_study(storage=storage, study_name=NAME, direction="maximize")
        study = optuna.load_study(storage=storage, study_name=NAME)
        known = study.user_attrs.get(IDENTITY)
        if known is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(IDENTITY, dict(identity))
        else:
            _require_same(known or {}, json.loads(json.dumps(dict(identity))), path)
        return study


def identity_of(path: Path) -> dict[str, Any]:
    """Return the identity of the study in a journal; empty if there is no journal, or none can be read."""
    try:
        for line in path.read_bytes().splitlines():
            found = json.loads(line).get("user_attr", {}).get(IDENTITY)
            if found is not None:
                return dict(found)
    except (OSError, ValueError, AttributeError, TypeError):
        pass
    return {}


def mend(path: Path) -> None:
    """Cut off a last line that was not written to its end.

    Raises:
        RunError: if other lines are damaged.
    """
    if not path.exists():
        return
    lines = path.read_bytes().split(b"\n")
    whole = [_is_event(line) for line in lines[:-1]]  # what stands after the last line end is empty, or was torn
    kept = next((number for number, good in enumerate(whole) if not good), len(whole))
    if any(whole[kept:]):
        raise RunError(
            f"The journal of the search is damaged in line {kept + 1}. Restore it from a copy, choose another --name, or "
            f"begin anew with --overwrite. Received {str(path)!r}."
        )
    size = sum(len(line) + 1 for line in lines[:kept])
    if size == path.stat().st_size:
        return
    if kept == 0:
        path.unlink()
        return
    with path.open("rb+") as file:
        file.truncate(size)
        os.fsync(file.fileno())


def _is_event(line: bytes) -> bool:
    try:
        event = json.loads(line)
    except ValueError:
        return False
    return isinstance(event, dict) and "op_code" in event


def copy(source: Path, target: Path) -> None:
    """Copy a journal, complete or not at all."""
    with replacing(target) as temporary:
        temporary.write_bytes(source.read_bytes())


def _require_same(known: Mapping[str, Any], wanted: Mapping[str, Any], path: Path) -> None:
    differing = [key for key in [*wanted, *(key for key in known if key not in wanted)] if known.get(key) != wanted.get(key)]
    if not differing:
        return
    shown = "; ".join(f"{key}: {_shown(known.get(key))} there, {_shown(wanted.get(key))} now" for key in differing[:4])
    more = f"; and {len(differing) - 4} others" if len(differing) > 4 else ""
    raise RunError(
        "The search of this name was made with other data or settings and cannot go on with these. Use the same ones, choose another "
        f"--name, or begin anew with --overwrite. Different: {shown}{more}. Received {str(path.parent)!r}."
    )


def _shown(value: Any) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
