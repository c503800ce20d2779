"""Long steps are foretold once, as soon as their speed is known; short ones are not."""

import time

import pytest

from transfer.system.foretold import Foretold, duration
from transfer.system.terminal import Terminal


class Clock:
    """A clock that the test turns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)


def told(monkeypatch: pytest.MonkeyPatch, total: int | None, each: float, first: float = 0.0, unit: str = "images") -> list[str]:
    """Return what is said in a step of batches of 10, which take `each` second, the first one `first` seconds more."""
    clock, said = Clock(monkeypatch), list[str]()
    step = Foretold("Extracting features", total, unit, said.append)
    clock.now += first
    for _ in range(0, total or 100, 10):
        clock.now += each
        step.advance(10)
    return said


def test_a_long_step_is_foretold_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, 1750, 1.4) == ["Extracting features: 1,750 images, about 4 min"]


def test_what_comes_before_the_first_images_is_not_taken_for_their_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, 1000, 0.1, first=40) == []
    assert told(monkeypatch, 1000, 1.0, first=40) == ["Extracting features: 1,000 images, about 2 min"]


def test_a_short_step_or_one_without_an_end_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, 500, 1.0) == []
    assert told(monkeypatch, None, 10.0) == []


def test_training_may_end_early(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, 60, 60.0, unit="epochs") == ["Extracting features: 60 epochs, at most about 6 min"]


@pytest.mark.parametrize(("seconds", "text"), [(61, "1 min"), (240, "4 min"), (5000, "83 min"), (9000, "2.5 h"), (400_000, "5 days")])
def test_durations_are_as_exact_as_an_estimate(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_without_a_terminal_it_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock(monkeypatch)
    with Terminal().step("Training the head", 100, "epochs") as advance:
        for _ in range(3):
            clock.now += 2
            advance(1)
    assert capsys.readouterr().err.startswith("Training the head: 100 epochs, at most about 3 min\n")
