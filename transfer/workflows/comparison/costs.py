"""Cost of feature extraction per image in seconds and Wh, measured once for each method and kept in the comparison's folder."""

import hashlib
import itertools
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from transfer.data import pipeline
from transfer.data.dataset import Dataset
from transfer.data.storage import shown
from transfer.errors import DataError
from transfer.features.pixels import PixelExtractor
from transfer.features.specs import batch_size
from transfer.system.devices import machine
from transfer.system.energy import Meter
from transfer.system.sealed import read_json, write_json
from transfer.workflows.comparison.folder import RATES
from transfer.workflows.comparison.methods import Method

_LEAST_BATCHES, _MOST_BATCHES, _LEAST_SECONDS = 2, 64, 1.0


@dataclass(frozen=True)
class Rate:
    """Cost per image: seconds, Wh, g of CO2; None if energy was not measured."""

    seconds: float
    wh: float | None = None
    co2_g: float | None = None


def rate(method: Method, dataset: Dataset, folder: Path, meter: Meter) -> Rate:
    """Return the cost per image of reading, decoding and the frozen prefix of a method; zero if nothing is frozen.

    It is measured by extracting features of real images, at least two batches and one second, after a first batch that does
    not count. Features that are already stored make no difference.
    """
    if isinstance(method.extractor, PixelExtractor):
        return Rate(0.0, 0.0 if meter.source else None, 0.0 if meter.source else None)
    facts = {"machine": machine(), "set": method.extractor.feature_set.id, "outputs": method.extractor.outputs, "energy": meter.source}
    name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    known = read_json(folder / RATES) or {}  # damaged: measured again
    if name in known:
        return Rate(**known[name])
    found = _measured(method, dataset, meter)
    write_json(folder / RATES, known | {name: asdict(found)}, indent=2)
    return found


def _measured(method: Method, dataset: Dataset, meter: Meter) -> Rate:
    """Measure the extraction of a few hundred images, or of fewer several times.

    Raises:
        DataError: if they were deleted or damaged meanwhile.
    """
    together, rows = batch_size(method.config, method.extractor.image_spec.size), dataset.used
    count = _MOST_BATCHES * together
    files = list(itertools.islice(itertools.cycle(pipeline.files_of(dataset.root, rows.head(count))), count))
    done, started, seconds = 0, 0.0, 0.0
    batches = iter(pipeline.batches(files, method.extractor.image_spec, together))
    for _, images in itertools.islice(batches, 1):
        method.extractor(images)  # warm-up
    with meter.measuring() as reading:
        started = time.perf_counter()
        for _, images in batches:
            method.extractor(images)
            done, seconds = done + len(images), time.perf_counter() - started
            if done >= _LEAST_BATCHES * together and seconds >= _LEAST_SECONDS:
                break
    if not done:
        raise DataError(
            "The images cannot be read any more, so the cost of feature extraction cannot be measured. Expected unchanged files. "
            f"Received {shown(files[0])!r} and others."
        )
    return Rate(seconds / done, _per_image(reading.wh, done), _per_image(reading.co2_g, done))


def _per_image(value: float, images: int) -> float | None:
    return None if math.isnan(value) else value / images
