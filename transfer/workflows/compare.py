"""compare(): methods x sizes x seeds on the same splits; an interrupted comparison can be continued."""

import gc
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from transfer.config import UNSET, Config, Unset, given
from transfer.config.comparison import ComparisonConfig
from transfer.data import dataset as manifests
from transfer.data.dataset import Dataset
from transfer.engines import Engine, opened
from transfer.errors import TransferError
from transfer.models.own.parts import NONE
from transfer.reports.words import counted
from transfer.system import environment
from transfer.system.energy import Meter
from transfer.system.files import write_text
from transfer.system.progress import Progress, shown
from transfer.system.startup import hearing
from transfer.training import head
from transfer.workflows.comparison import costs, folder, records, tables, tuning
from transfer.workflows.comparison.folder import Comparison
from transfer.workflows.comparison.methods import Method, prepare
from transfer.workflows.comparison.records import Record
from transfer.workflows.comparison.training import Trainer, outcomes
from transfer.workflows.comparison.trials import Trial, trials
from transfer.workflows.comparison.tuning import Tuned
from transfer.workflows.requests import CompareRequest, Data, compare_request
from transfer.workflows.tracked import tracked_comparison

_COLLECT_AFTER = 10  # trials


def compare(
    data: Data = None,
    config: ComparisonConfig | Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    output: str | os.PathLike[str] = folder.DEFAULT_OUTPUT,
    methods: Mapping[str, Mapping[str, Any]] | Unset = UNSET,
    sizes: Sequence[int | str] | Unset = UNSET,
    seeds: Sequence[int] | Unset = UNSET,
    reference: str | Unset | None = UNSET,
    tune: int | Unset = UNSET,
    common: Mapping[str, Any] | Unset = UNSET,
    progress: Progress | bool | None = None,
    **settings: Any,
) -> Comparison:
    """Train several methods on nested subsets of the same training images and compare them on the same test images.

    A trial with a record in the comparison's folder, for the same configuration and images, is not repeated.

    Args:
        data: as for `fit`: a folder, a table, or `tfds:NAME`; none: `data.source` in `common`.
        config: settings of a comparison (`config/comparison.py`), nested or dotted.
        name: name of the comparison; none: the name of the data.
        output: folder of all comparisons; this one is written to `output/name`.
        methods: name -> configuration keys of the method, `{"frozen": {"backbone": "vgg16"}, ...}`; they override `common`.
        sizes: training images per class, or `all`.
        seeds: of the trials.
        reference: method that all others are compared with; None: all pairs are compared.
        tune: settings tried for each method before the comparison.
        common: configuration keys for all methods.
        progress: True, False, or an object with `step` and `say`; none: shown on a terminal and in a notebook, silent elsewhere.
        **settings: further settings, `validation="proportional"`. All settings override `config`.

    Returns:
        The comparison: tables of trials, means, paired differences, predictions, and a paragraph in words.

    Raises:
        TransferError: for any error that the user can fix; finished trials are kept. A single trial that fails with such an
            error is left out and listed in `Comparison.failures`.
    """
    basis = config.model_dump() if isinstance(config, ComparisonConfig) else dict(config or {})
    named = given(methods=methods, sizes=sizes, seeds=seeds, reference=reference, tune=tune, common=common)
    return carry_out(compare_request(data, [basis, named, settings], name, output), shown(progress))


@tracked_comparison
def carry_out(request: CompareRequest, progress: Progress) -> Comparison:
    """Carry out a request; see `compare`."""
    # TensorFlow warns about repeated tracing; here each trial has its own graph.
    with folder.locked(request.folder), hearing("ERROR"), opened(_first(request).engine, progress) as engine, ExitStack() as stack:
        methods, dataset = prepare(request.configs, request.settings.seeds, progress, stack, engine)
        methods = [replace(method, parts=request.parts.get(method.name, NONE)) for method in methods]
        for method in methods:
            head.require_fit(dataset.classes, method.extractor, method.config, method.parts)
        wanted, note = trials(request.settings, methods, dataset, engine)
        if note:
            progress.say(note)
        progress.say(_extent(request.settings, methods, wanted))
        manifests.write(dataset.table, request.folder / folder.MANIFEST)
        write_text(request.folder / folder.SETTINGS, request.settings.to_yaml())
        wanted, searches = tuning.tune(request.settings, wanted, request.folder, progress)
        results = _recorded(request, wanted, [note] if note else [], searches)
        if unusable := sum(records.place(request.folder, trial.identity).exists() for trial in wanted) - len(results.found):
            progress.say(f"{unusable} of {len(wanted)} trials have a record that is damaged or of an earlier version, and are repeated.")
        if results.found:
            progress.say(f"{len(results.found)} of {len(wanted)} trials have a record and are not repeated.")
        lacking = [trial for trial in wanted if trial.identity not in results.found]
        if lacking:
            results = _train(request, methods, dataset, wanted, lacking, results, progress, engine)
        _write(request, methods, dataset, wanted, results)
    return Comparison(request.folder)


@dataclass(frozen=True)
class _Results:
    """The results of a comparison so far.

    Attributes:
        found: identity of a trial -> its record.
        failures: `run`, `reason` of each failed trial.
        notes: sentences for the report.
        searches: for settings, before the comparison.
    """

    found: dict[str, Record]
    failures: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    searches: tuple[Tuned, ...]


def _extent(settings: ComparisonConfig, methods: Sequence[Method], wanted: Sequence[Trial]) -> str:
    """Return a sentence on how much is to be done."""
    sizes = list(dict.fromkeys(trial.size for trial in wanted))
    text = (
        f"{counted(len(wanted), 'trial')}: {counted(len(methods), 'method')} x {counted(len(sizes), 'size')} ({', '.join(sizes)}) x "
        f"{counted(len(settings.seeds), 'seed')}"
    )
    if not settings.tune:
        return f"{text}."
    searched = len(methods) * (len(sizes) if settings.tune_at == "each" else 1)
    return f"{text}; before them up to {searched * settings.tune} trials of settings."


def _recorded(request: CompareRequest, wanted: Sequence[Trial], notes: Sequence[str], searches: Sequence[Tuned]) -> _Results:
    """Read the records of earlier calls."""
    stored = {trial.identity: records.read(request.folder, trial.identity) for trial in wanted}
    return _Results({name: record for name, record in stored.items() if record is not None}, (), tuple(notes), tuple(searches))


def _train(
    request: CompareRequest, methods: Sequence[Method], dataset: Dataset, wanted: Sequence[Trial], lacking: Sequence[Trial],
    results: _Results, progress: Progress, engine: Engine,
) -> _Results:  # fmt: skip
    """Train the missing trials, size by size, and write the tables after each size."""
    meter, trouble = _meter(request)
    found, failures, notes = dict(results.found), list(results.failures), list(results.notes)
    if trouble:
        notes.append(trouble)
        progress.say(trouble)
    needed = {trial.method for trial in lacking}
    rates = {method.name: costs.rate(method, dataset, request.folder, meter) for method in methods if method.name in needed}
    size = lacking[0].size
    trained = outcomes(lacking, Trainer.of(lacking, dataset, rates, meter), engine)
    with progress.step(engine.titled("Comparing"), len(lacking), "trials") as advance:
        for number, trial in enumerate(lacking, start=1):
            if trial.size != size:
                size = trial.size
                _write(request, methods, dataset, wanted, _Results(found, tuple(failures), tuple(notes), results.searches))
            outcome = next(trained)
            if isinstance(outcome, Record):
                about = {"method": trial.method, "size": trial.size, "seed": trial.seed}
                records.write(request.folder, trial.identity, outcome, about)
                found[trial.identity] = outcome
            else:
                failures.append({"run": trial.name, "reason": " ".join(outcome.split())})
                progress.say(f"Trial {trial.name} failed and is left out: {outcome}")
            advance(1)
            if number % _COLLECT_AFTER == 0:
                gc.collect()  # networks and their graphs are reference cycles
    if meter.source == "estimate":
        progress.say("Energy is an estimate: this machine has no readable energy counter.")
    return _Results(found, tuple(failures), tuple(notes), results.searches)


def _meter(request: CompareRequest) -> tuple[Meter, str]:
    """Return what measures the energy of trainings, and why nothing is measured although it was requested."""
    wanted = request.settings.energy == "auto"
    if wanted and _first(request).engine.kind != "local":
        return Meter(False, None), "Energy is not measured on a cluster: its counters count whole machines, on which several trials run"
    meter = Meter(wanted, request.settings.country)
    return meter, meter.trouble


def _first(request: CompareRequest) -> Config:
    return next(iter(request.configs.values()))


def _write(request: CompareRequest, methods: Sequence[Method], dataset: Dataset, wanted: Sequence[Trial], results: _Results) -> None:
    """Write the tables and the report of the finished trials.

    Raises:
        TransferError: if all trials failed.
    """
    found = [(trial, results.found[trial.identity]) for trial in wanted if trial.identity in results.found]
    if not found:
        if len(results.failures) == len(wanted):
            raise TransferError(f"All {len(wanted)} trials failed. The first: {results.failures[0]['reason']}")
        return
    table = tables.runs(found, list(request.configs), len(dataset.classes))
    predicted = tables.predictions(found, dataset.rows("test"), dataset.classes, list(table["run"]))
    facts = _facts(request, methods, dataset, wanted, results, [record for _, record in found])
    tables.write(request.folder, table, predicted, request.settings.to_yaml(), request.settings.reference, facts, results.searches)


def _facts(
    request: CompareRequest,
    methods: Sequence[Method],
    dataset: Dataset,
    wanted: Sequence[Trial],
    results: _Results,
    found: Sequence[Record],
) -> dict[str, Any]:
    settings, co2 = request.settings, [record.co2_g for record in found if record.co2_g is not None]
    computed = {method.name: (method.extractor.engine, method.extractor.precision) for method in methods}
    configs = {one.name: one.config.updated(compute=computed[one.name][0], precision=computed[one.name][1]) for one in methods}
    return {
        "data": methods[0].config.data.source,
        "settings": settings.model_dump(mode="json"),
        "methods": {name: config.model_dump(mode="json") for name, config in configs.items()},
        "classes": dataset.classes,
        "images": {split: len(dataset.rows(split)) for split in manifests.SPLITS},
        "validation": settings.validation,
        "runs": {"wanted": len(wanted), "finished": len(found), "failed": len(results.failures)},
        "failures": list(results.failures),
        "notes": list(results.notes),
        "skipped": manifests.reason_counts(dataset.table),
        "co2_g": round(sum(co2), 4) if co2 else None,
        "country": settings.country,
        "environment": {method.name: environment.describe(*computed[method.name], method.measured) for method in methods[:1]},
        "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
