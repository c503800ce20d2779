"""compare(): methods x sizes x seeds on the same splits, continued where it was interrupted."""

import gc
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pandas as pd

from transfer.config.comparison import ComparisonConfig
from transfer.data import dataset as manifests
from transfer.errors import TransferError
from transfer.system import environment
from transfer.system.energy import Meter
from transfer.system.files import write_text
from transfer.system.progress import Progress, Silent
from transfer.system.startup import hearing
from transfer.workflows.comparison import costs, folder, records, tables, training
from transfer.workflows.comparison.jobs import Job, jobs
from transfer.workflows.comparison.planning import ComparisonPlan, compare_plan
from transfer.workflows.comparison.records import Record
from transfer.workflows.comparison.result import Comparison
from transfer.workflows.comparison.shared import Method, prepare

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder

_COLLECT_AFTER = 10  # runs


def compare(
    data: "str | os.PathLike[str] | DatasetBuilder | None" = None,
    config: ComparisonConfig | Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    output: str | os.PathLike[str] = folder.DEFAULT_OUTPUT,
    progress: Progress | None = None,
    **settings: Any,
) -> Comparison:
    """Train several methods on nested subsets of the same training images and compare them on the same test images.

    A run that exists in the comparison's folder, with the same configuration and images, is not repeated.

    Args:
        data: as for `fit`: a folder, a table, or `tfds:NAME`; none: `data.source` in `common`.
        config: settings of a comparison (`comparison/settings.py`), nested or dotted.
        name: of the comparison; none: made of the name of the data.
        output: where comparisons lie; the folder is `output/name`.
        progress: told of each step; none: nothing is printed.
        **settings: further settings, `sizes=[1, 10]`, `methods={"top": {...}}`, over those of `config`.

    Returns:
        The comparison: tables of runs, means, paired differences, predictions, and a paragraph in words.

    Raises:
        TransferError: for what the user can mend; finished runs stay. A single run that fails for such a reason is left out
            and listed in `Comparison.failures`.
    """
    given = config.model_dump() if isinstance(config, ComparisonConfig) else dict(config or {})
    return run(compare_plan(data, [given, settings], name, output), progress or Silent())


def run(planned: ComparisonPlan, progress: Progress) -> Comparison:
    """Carry out a plan; see `compare`."""
    # TensorFlow warns of many graphs made for one purpose; here each run has its own.
    with folder.alone(planned.folder), hearing("ERROR"), ExitStack() as stack:
        methods, manifest = prepare(planned.configs, progress, stack)
        _Comparing(planned, methods, manifest, progress).run()
    return Comparison(planned.folder)


class _Comparing:
    """The runs of one comparison, and what is written of them."""

    def __init__(self, planned: ComparisonPlan, methods: Sequence[Method], manifest: pd.DataFrame, progress: Progress) -> None:
        self.planned, self.progress, self.folder = planned, progress, planned.folder
        self.methods, self.manifest = methods, manifest
        self.classes = manifests.class_names(manifest)
        self.jobs, note = jobs(planned.settings, methods, manifest)
        self.notes = [note] if note else []
        self.found: dict[str, Record] = {}
        self.failures: list[dict[str, Any]] = []

    def run(self) -> None:
        """Make the runs that are lacking, size by size, and write the tables after each size."""
        for note in self.notes:
            self.progress.say(note)
        manifests.write(self.manifest, self.folder / folder.MANIFEST)
        write_text(self.folder / folder.SETTINGS, self.planned.settings.to_yaml())
        for job in self.jobs:
            record = records.read(self.folder, job.identity)
            if record is not None:
                self.found[job.identity] = record
        lacking = [job for job in self.jobs if job.identity not in self.found]
        if self.found:
            self.progress.say(f"{len(self.found)} of {len(self.jobs)} runs exist and are not repeated.")
        if lacking:
            self._make(lacking)
        self._write()

    def _make(self, lacking: Sequence[Job]) -> None:
        meter = Meter(self.planned.settings.energy == "auto", self.planned.settings.country)
        if meter.trouble:
            self._note(meter.trouble)
        rates = {method.name: costs.rate(method, self.folder, meter) for method in self.methods if _needs(method, lacking)}
        size = lacking[0].size
        with self.progress.step("Comparing", len(lacking), "runs") as advance:
            for number, job in enumerate(lacking, start=1):
                if job.size != size:
                    size = job.size
                    self._write()
                self._one(job, rates[job.method.name], meter)
                advance(1)
                if number % _COLLECT_AFTER == 0:
                    gc.collect()  # networks and their graphs hold each other
        if meter.source == "estimate":
            self.progress.say("Energy is an estimate: this machine has no counter that can be read.")

    def _one(self, job: Job, rate: costs.Rate, meter: Meter) -> None:
        try:
            record = training.train(job, self.classes, rate, meter)
        except TransferError as error:
            self.failures.append({"run": job.run, "reason": " ".join(str(error).split())})
            self.progress.say(f"Run {job.run} failed and is left out: {error}")
            return
        records.write(self.folder, job.identity, record, {"method": job.method.name, "size": job.size, "seed": job.seed})
        self.found[job.identity] = record

    def _note(self, text: str) -> None:
        self.notes.append(text)
        self.progress.say(text)

    def _write(self) -> None:
        """Write the tables of the runs that there are.

        Raises:
            TransferError: where all runs have failed.
        """
        found = [(job, self.found[job.identity]) for job in self.jobs if job.identity in self.found]
        if not found:
            if len(self.failures) == len(self.jobs):
                raise TransferError(f"All {len(self.jobs)} runs failed. The first: {self.failures[0]['reason']}")
            return
        table = tables.runs(found, list(self.planned.configs), len(self.classes))
        test = manifests.used(self.manifest)
        test = test[test["split"] == "test"]
        predicted = tables.predictions(found, test, self.classes, list(table["run"]))
        settings = self.planned.settings
        tables.write(self.folder, table, predicted, settings.to_yaml(), settings.reference, self._facts(found))

    def _facts(self, found: Sequence[tuple[Job, Record]]) -> dict[str, Any]:
        settings, first = self.planned.settings, next(iter(self.planned.configs.values()))
        co2 = [record.co2_g for _, record in found if record.co2_g is not None]
        used = manifests.used(self.manifest)
        return {
            "data": first.data.source,
            "settings": settings.model_dump(mode="json"),
            "methods": {method.name: method.prepared.config.model_dump(mode="json") for method in self.methods},
            "classes": self.classes,
            "images": {split: int((used["split"] == split).sum()) for split in manifests.SPLITS},
            "validation": settings.validation,
            "runs": {"wanted": len(self.jobs), "finished": len(found), "failed": len(self.failures)},
            "failures": self.failures,
            "notes": self.notes,
            "skipped": manifests.reason_counts(self.manifest),
            "co2_g": round(sum(co2), 4) if co2 else None,
            "country": settings.country,
            "environment": {method.name: _described(method) for method in self.methods[:1]},
            "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }


def _needs(method: Method, lacking: Sequence[Job]) -> bool:
    return any(job.method.name == method.name for job in lacking)


def _described(method: Method) -> dict[str, Any]:
    frozen = method.prepared.frozen
    return environment.describe(method.prepared.config.precision, frozen.measured if frozen else None)
