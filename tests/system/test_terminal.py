"""What a person sees: one line per step if the output is not a terminal, and TensorFlow's messages only where they explain a failure."""

import io
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import tensorflow as tf
from rich.console import Console

from transfer.system import late_import
from transfer.system.startup import hearing, import_tensorflow_quietly
from transfer.system.terminal import Terminal


def test_without_a_terminal_each_step_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal().step("Extracting features", 1500) as advance:
        advance(1000)
        advance(500)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Extracting features: 1,500 images in ")
    assert captured.err.rstrip().endswith(" images/s)")
    assert captured.err.count("\n") == 1


def test_a_step_that_fails_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="stop"), Terminal().step("Training", 3, "epochs") as advance:
        advance(1)
        raise ValueError("stop")
    assert capsys.readouterr().err == ""


def test_a_step_without_a_known_total_counts_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal().step("Scanning", None, "files") as advance:
        advance(7)
    assert capsys.readouterr().err.startswith("Scanning: 7 files in ")


def test_news_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    news = "[red]vgg16[/red] " + "long " * 60
    Terminal().say(news)
    assert capsys.readouterr().err == news + "\n"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], tuple[Terminal, Callable[[], list[str]]]]:
    """Return a function that makes a terminal of so many columns, and one that tells what it shows in the end."""

    def make(width: int) -> tuple[Terminal, Callable[[], list[str]]]:
        file, terminal = io.StringIO(), Terminal()
        options: dict[str, Any] = {"force_terminal": True, "width": width, "highlight": False, "emoji": False, "color_system": None}
        monkeypatch.setattr(terminal, "_console", Console(file=file, **options))

        def lines() -> list[str]:
            text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "\n", file.getvalue().replace("\r", "\n"))
            return [line.rstrip() for line in text.splitlines() if line.strip()]

        return terminal, lines

    return make


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize(("total", "done"), [(10, 10), (60, 20), (None, 7), (1_000_000, 1_000_000)])
def test_a_bar_that_ended_shows_the_time_taken(shown: Callable[..., Any], width: int, total: int | None, done: int) -> None:
    terminal, lines = shown(width)
    with terminal.step("Extracting features", total) as advance:
        advance(done)
        time.sleep(0.05)  # so that the figure of images/s has a length as in life
    *_, last = lines()
    assert re.fullmatch(r"Extracting features .* [\d/?]+ [\d,.]+ images/s in 0:00:0\d", last), last
    assert len(last) <= width


def test_a_bar_that_failed_shows_the_time_left(shown: Callable[..., Any]) -> None:
    terminal, lines = shown(80)
    with pytest.raises(ValueError, match="stop"), terminal.step("Training", 3, "epochs") as advance:
        advance(1)
        raise ValueError("stop")
    assert " left " in lines()[-1] and " in " not in lines()[-1]


@pytest.mark.parametrize("width", [80, 100])
def test_words_of_a_long_title_and_of_news_are_not_broken(shown: Callable[..., Any], width: int) -> None:
    title = "Choosing precision (once for this machine, network and size)"
    news = "42 images in 3 classes: " + ", ".join(f"class{number} 14" for number in range(40)) + " :cat:"
    terminal, lines = shown(width)
    with terminal.step(title, 2, "precisions") as advance:
        advance(2)
    terminal.say(news)
    assert set(title.split()) | set(news.split()) <= set(" ".join(lines()).split())
    assert max(map(len, lines())) <= width


class Failing:
    """An import that prints below Python's own streams, and fails."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> None:
        if name == "keras":
            os.write(2, b"libcudart is missing\n")
            raise self.error


def test_what_was_held_back_is_shown_where_the_import_fails(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Failing(ImportError("no keras")), *sys.meta_path])
    with pytest.raises(ImportError, match="no keras"):
        import_tensorflow_quietly()
    assert capfd.readouterr().err == "libcudart is missing\n"
    os.write(2, b"after")
    assert capfd.readouterr().err == "after", "the stream is back in its place"


def test_an_interrupted_import_says_nothing(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Failing(KeyboardInterrupt()), *sys.meta_path])
    with pytest.raises(KeyboardInterrupt):
        import_tensorflow_quietly()
    assert capfd.readouterr().err == ""


def test_the_garbage_collector_is_kept_from_tensorflows_modules_and_works_afterwards() -> None:
    code = (
        "import gc; from transfer.system.startup import import_tensorflow_quietly as start\n"
        "start(); first = gc.get_freeze_count(); start()\n"
        "assert first == gc.get_freeze_count() > 100_000 and gc.isenabled(), 'once, and no garbage of later work'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_tensorflow_is_heard_less_for_a_while_and_never_more() -> None:
    logger = tf.get_logger()
    logger.setLevel("ERROR")
    with hearing("WARNING"):
        assert logger.level == logging.ERROR
    logger.setLevel("INFO")
    with pytest.raises(KeyError), hearing("WARNING"):
        assert logger.level == logging.WARNING
        raise KeyError
    assert logger.level == logging.INFO


def test_a_script_that_imports_tensorflow_itself_hears_it_only_where_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = dict(sys.modules)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    late_import.watch()
    assert [type(finder).__name__ for finder in sys.meta_path].count("_Finder") == 0, "it is imported already"
    monkeypatch.setattr(sys, "modules", {name: module for name, module in kept.items() if name != "tensorflow"})
    late_import.watch()
    late_import.watch()
    finder = sys.meta_path[0]
    assert [type(one).__name__ for one in sys.meta_path].count("_Finder") == 1
    assert finder.find_spec("keras", None) is None and finder in sys.meta_path
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
    assert finder.find_spec("tensorflow", None) is None and finder not in sys.meta_path, "once, and not where messages are asked for"
