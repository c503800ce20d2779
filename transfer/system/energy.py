"""How much electricity a piece of work takes, by codecarbon, offline: no network, no files, no output.

Where the processor has an energy counter that can be read (RAPL), and each GPU one (NVML), their figures are counted;
memory is always modelled. Elsewhere the figure is an estimate from the load of the processor and what such processors
usually draw, and `Meter.source` says so.
"""

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from transfer.errors import ConfigError, unknown_name

COUNTER, ESTIMATE, NONE = "counter", "estimate", ""
_COUNTED = ("intel_rapl", "windows_emi", "intel_power_gadget")
_ANY_COUNTRY = "USA"  # codecarbon wants one; without one in the settings, what it says about CO2 is not used
_NEVER = 10.0**6  # seconds between measurements of its own: it measures at the ends of each piece of work


@dataclass
class Reading:
    """What one piece of work took: Wh of electricity and g of CO2; NaN where it was not measured."""

    wh: float = math.nan
    co2_g: float = math.nan

    def record(self, wh: float, co2_g: float) -> None:
        """Take the values at the end of the work."""
        self.wh, self.co2_g = wh, co2_g


def require_country(code: str) -> None:
    """Check that the electricity of a country is known.

    Raises:
        ConfigError: where it is not.
    """
    countries = _countries()
    if code not in countries:
        raise ConfigError(unknown_name("country", code, sorted(countries)))


def _countries() -> list[str]:
    from codecarbon.input import DataSource

    _be_quiet()
    return list(DataSource().get_global_energy_mix_data())


def _be_quiet() -> None:
    """After codecarbon is imported, which sets a level of its own."""
    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)


class Meter:
    """Measures pieces of work, one after the other.

    Attributes:
        source: `counter`, `estimate`, or empty where nothing is measured.
        trouble: why nothing is measured although it was wanted; else empty.
    """

    def __init__(self, wanted: bool, country: str | None) -> None:
        self.source, self.trouble = NONE, ""
        self._tracker: Any = None
        self._country = country
        if wanted:
            try:
                self._tracker = _tracker(country or _ANY_COUNTRY)
                self.source = _source(self._tracker)
            except Exception as error:  # whatever the machine is like, the work goes on without
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._tracker, self.source = None, NONE
        self.trouble = f"Energy is not measured: {' '.join(str(error).split()) or type(error).__name__}"

    @contextmanager
    def measuring(self) -> Iterator[Reading]:
        """Yield a reading that has its values when the block is left."""
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
    # Each argument that a file of the user's could otherwise set to something that writes or calls the network.
    tracker = OfflineEmissionsTracker(
        country_iso_code=country, region=None, cloud_provider=None, cloud_region=None, output_methods=[], output_handlers=[],
        emissions_endpoint=False, electricitymaps_api_token="", log_level="critical", tracking_mode="process",
        measure_power_secs=_NEVER, allow_multiple_runs=True,
    )  # fmt: skip
    tracker.start_task("start")  # looks for the hardware, which takes a second or two
    tracker.stop_task("start")
    return tracker


def _source(tracker: Any) -> str:
    """An estimate of the processor makes the sum an estimate."""
    modes = [part._mode for part in tracker._hardware if hasattr(part, "_mode")]
    return COUNTER if modes and all(mode in _COUNTED for mode in modes) else ESTIMATE
