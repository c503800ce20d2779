"""Energy is measured quietly, said to be an estimate where it is one, and never stops a comparison."""

import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from transfer.system import energy
from transfer.system.energy import Meter


class Tracker:
    """Stands in for codecarbon's; each piece of work takes 2 Wh and 0.5 g."""

    def __init__(self, *modes: str, fails: bool = False) -> None:
        self._hardware = [SimpleNamespace(), *(SimpleNamespace(_mode=mode) for mode in modes)]
        self.fails = fails

    def start_task(self) -> None:
        pass

    def stop_task(self) -> SimpleNamespace:
        if self.fails:
            raise OSError("the counter is gone")
        return SimpleNamespace(energy_consumed=0.002, emissions=0.0005)


def meter(monkeypatch: pytest.MonkeyPatch, tracker: Tracker, country: str | None = None) -> Meter:
    monkeypatch.setattr(energy, "_tracker", lambda code: tracker)
    return Meter(True, country)


@pytest.mark.parametrize(
    ("modes", "source"),
    [(["intel_rapl"], "counter"), (["cpu_load"], "estimate"), (["intel_rapl", "cpu_load"], "estimate"), ([], "estimate")],
)
def test_only_what_counters_have_measured_is_called_counted(monkeypatch: pytest.MonkeyPatch, modes: list[str], source: str) -> None:
    assert meter(monkeypatch, Tracker(*modes)).source == source


def test_what_was_looked_for_ahead_is_used_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(energy, "_tracker", lambda code: made.append(Tracker("cpu_load")) or made[-1])
    energy.look_ahead()
    with Meter(True, None).measuring() as reading:
        pass
    assert reading.wh == pytest.approx(2.0) and len(made) == 1
    assert Meter(True, None).source == "estimate" and len(made) == 2


def test_what_fails_ahead_is_told_by_the_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(code: str) -> Tracker:
        raise OSError("no such counter")

    monkeypatch.setattr(energy, "_tracker", fails)
    energy.look_ahead()
    assert "no such counter" in Meter(True, None).trouble


def test_a_reading_is_in_wh_and_has_co2_only_with_a_country(monkeypatch: pytest.MonkeyPatch) -> None:
    for country in (None, "DEU"):
        with meter(monkeypatch, Tracker("cpu_load"), country).measuring() as reading:
            assert math.isnan(reading.wh)
        assert reading.wh == pytest.approx(2.0)
        assert math.isnan(reading.co2_g) if country is None else reading.co2_g == pytest.approx(0.5)


def test_a_meter_that_fails_measures_nothing_and_lets_the_work_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = meter(monkeypatch, Tracker("cpu_load", fails=True))
    with broken.measuring() as reading:
        pass
    assert math.isnan(reading.wh)
    assert broken.source == ""
    assert "the counter is gone" in broken.trouble
    with broken.measuring() as reading:
        pass
    assert math.isnan(reading.wh)


def test_an_error_of_the_work_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="mine"), meter(monkeypatch, Tracker("cpu_load", fails=True)).measuring():
        raise ValueError("mine")


def test_without_codecarbon_there_is_no_energy_and_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    found = Meter(True, None)
    assert found.source == ""
    assert found.trouble.startswith("Energy is not measured")
    assert Meter(False, None).trouble == ""


def test_the_real_meter_is_silent_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    real = Meter(True, "DEU")
    with real.measuring() as reading:
        sum(range(100_000))
    assert real.trouble == ""
    assert real.source in ("counter", "estimate")
    assert reading.wh >= 0
    assert list(tmp_path.iterdir()) == []
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
