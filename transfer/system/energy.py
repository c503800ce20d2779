"""Electricity used by a piece of work, measured with codecarbon, offline: no network, no files, no output.

If the CPU has a readable energy counter (RAPL), and each GPU has one (NVML), their values are used; memory is always
modelled. Otherwise the value is an estimate from the load of the CPU and the typical power of such CPUs, and `Meter.source`
says so.
"""

import logging
import math
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from transfer.errors import ConfigError, unknown_name

COUNTER, ESTIMATE, NONE = "counter", "estimate", ""
_COUNTED = ("intel_rapl", "windows_emi", "intel_power_gadget")
_ANY_COUNTRY = "USA"  # codecarbon needs a country; unless the settings name one, its CO2 figures are not used
_NEVER = 10.0**6  # seconds between its periodic measurements: only the ends of each piece of work are measured


@dataclass
class Reading:
    """Electricity (Wh) and CO2 (g) of one piece of work; NaN if not measured."""

    wh: float = math.nan
    co2_g: float = math.nan

    def record(self, wh: float, co2_g: float) -> None:
        """Take the values at the end of the work."""
        self.wh, self.co2_g = wh, co2_g


def require_country(code: str) -> None:
    """Check that codecarbon knows the electricity mix of a country.

    Raises:
        ConfigError: if it does not.
    """
    countries = _countries()
    if code not in countries:
        raise ConfigError(unknown_name("country", code, sorted(countries)))


def _countries() -> list[str]:
    from codecarbon.input import DataSource

    _be_quiet()
    return list(DataSource().get_global_energy_mix_data())


def _be_quiet() -> None:
    """Silence codecarbon; to be called after its import, which sets a log level."""
    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)


_ahead: "dict[str, Future[Any]]" = {}


def look_ahead(country: str | None = None) -> None:
    """Begin to look for the hardware, on a thread, before a `Meter` needs it: while TensorFlow is imported it costs no time."""
    found: Future[Any] = Future()

    def look() -> None:
        try:
            found.set_result(_tracker(country or _ANY_COUNTRY))
        except Exception as error:  # the meter says so
            found.set_exception(error)

    _ahead[country or _ANY_COUNTRY] = found
    threading.Thread(target=look, name="energy", daemon=True).start()


class Meter:
    """Measures pieces of work, one after the other.

    Attributes:
        source: `counter`, `estimate`, or empty if nothing is measured.
        trouble: why nothing is measured although it was requested; otherwise empty.
    """

    def __init__(self, wanted: bool, country: str | None) -> None:
        self.source, self.trouble = NONE, ""
        self._tracker: Any = None
        self._country = country
        if wanted:
            try:
                ahead = _ahead.pop(country or _ANY_COUNTRY, None)
                self._tracker = ahead.result() if ahead else _tracker(country or _ANY_COUNTRY)
                self.source = _source(self._tracker)
            except Exception as error:  # whatever fails, the work continues without measuring
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._tracker, self.source = None, NONE
        self.trouble = f"Energy is not measured: {' '.join(str(error).split()) or type(error).__name__}"

    @contextmanager
    def measuring(self) -> Iterator[Reading]:
        """Yield a reading that is filled in when the block ends."""
        reading = Reading()
        if self._tracker is None:
            yield reading
            return
        try:
            self._tracker.start_task()
        except Exception as error:
            self._give_up(error)
        try:
            yield reading
        finally:
            self._finish(reading)

    def _finish(self, reading: Reading) -> None:
        if self._tracker is None:
            return
        try:
            done = self._tracker.stop_task()
            reading.record(float(done.energy_consumed) * 1000, float(done.emissions) * 1000 if self._country else math.nan)
        except Exception as error:
            self._give_up(error)


def _tracker(country: str) -> Any:
    from codecarbon import OfflineEmissionsTracker

    _be_quiet()
    # Every argument that a user's configuration file could otherwise set to write files or use the network.
    tracker = OfflineEmissionsTracker(
        country_iso_code=country, region=None, cloud_provider=None, cloud_region=None, output_methods=[], output_handlers=[],
        emissions_endpoint=False, electricitymaps_api_token="", log_level="critical", tracking_mode="process",
        measure_power_secs=_NEVER, allow_multiple_runs=True,
    )  # fmt: skip
    tracker.start_task("start")  # detects the hardware, which takes a second or two
    tracker.stop_task("start")
    return tracker


def _source(tracker: Any) -> str:
    """Return whether all figures are counted: one estimate makes the sum an estimate."""
    modes = [part._mode for part in tracker._hardware if hasattr(part, "_mode")]
    return COUNTER if modes and all(mode in _COUNTED for mode in modes) else ESTIMATE
