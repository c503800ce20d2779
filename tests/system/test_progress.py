"""Where progress is shown: on terminals and in notebooks by default, elsewhere on demand, and to whoever brings an object."""

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from transfer.errors import ConfigError
from transfer.system import terminal as module
from transfer.system.progress import Silent, shown
from transfer.system.terminal import Notebook, Terminal


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What a notebook shows, one text per line of output."""
    lines: list[str] = []

    def display(content: dict[str, str], raw: bool, display_id: bool = False) -> Any:
        place = len(lines)
        lines.append(content["text/plain"])
        return SimpleNamespace(update=lambda content, raw: lines.__setitem__(place, content["text/plain"]))

    package, of_display = ModuleType("IPython"), ModuleType("IPython.display")
    package.get_ipython = lambda: SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    of_display.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", of_display)
    monkeypatch.setattr(module, "_RENEWED", 0.0)
    yield lines


def test_by_default_a_pipe_sees_nothing_and_a_terminal_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert isinstance(shown(None), Silent) and isinstance(shown(False), Silent) and isinstance(shown(True), Terminal)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(shown(None), Terminal) and isinstance(shown(False), Silent)
    monkeypatch.setattr(sys, "stderr", None)
    assert isinstance(shown(None), Silent)


def test_ones_own_object_is_used_and_what_is_none_is_refused() -> None:
    own = Silent()
    assert shown(own) is own
    for wrong in ("yes", 1, object()):
        with pytest.raises(ConfigError, match=r"progress: expected True, False, None or an object.*Received"):
            shown(wrong)  # type: ignore[arg-type]


def test_a_notebook_shows_one_line_per_step_which_renews_itself(notebook: list[str]) -> None:
    progress = shown(None)
    assert isinstance(progress, Notebook) and isinstance(shown(False), Silent)
    with progress.step("Extracting features", 2000) as advance:
        assert notebook == ["Extracting features: 0 of 2,000 images"]
        advance(1500)
        assert notebook[0].startswith("Extracting features: 1,500 of 2,000 images, ") and ", left 0:00:0" in notebook[0]
        advance(500)
    progress.say("Choosing")
    assert len(notebook) == 2 and notebook[0].startswith("Extracting features: 2,000 images in ") and notebook[1] == "Choosing"


def test_a_step_in_a_notebook_of_unknown_length_counts(notebook: list[str]) -> None:
    with Notebook().step("Scanning", None, "files") as advance:
        advance(7)
        assert notebook == ["Scanning: 7 files"]
