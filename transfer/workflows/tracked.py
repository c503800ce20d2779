"""Runs and comparisons recorded elsewhere, too (`logging.*`): a place in the workflow around its stages, fed from its results."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from transfer.system.progress import Progress
from transfer.tracking.opened import recorded
from transfer.workflows.comparison import folder
from transfer.workflows.comparison.folder import Comparison
from transfer.workflows.requests import CompareRequest, FitRequest
from transfer.workflows.run import Run
from transfer.workflows.settings import data_name

if TYPE_CHECKING:
    from transfer.tracking import record


def tracked(carry_out: Callable[[FitRequest, Progress], Run]) -> Callable[[FitRequest, Progress], Run]:
    """Return the workflow of a run that also records it: each epoch as it comes, the rest in the end, with the trials of a search."""

    @functools.wraps(carry_out)
    def recording(request: FitRequest, progress: Progress) -> Run:
        config = request.config
        if not config.logging.to:
            return carry_out(request, progress)
        from transfer.tracking import record

        settings, data = record.parameters(config.model_dump(mode="json")), data_name(str(config.data.source))
        with recorded(config.logging, request.output, request.name, data, settings, progress) as told:
            run = carry_out(request, told)
        progress.say("Recording the run")
        told.finish(record.of_run(run, config.logging.model))
        return run

    return recording


def tracked_comparison(carry_out: Callable[[CompareRequest, Progress], Comparison]) -> Callable[[CompareRequest, Progress], Comparison]:
    """Return the workflow of a comparison that also records it, in the end: its tables, and each trial as a run below it."""

    @functools.wraps(carry_out)
    def recording(request: CompareRequest, progress: Progress) -> Comparison:
        config = next(iter(request.configs.values()))
        if not config.logging.to:
            return carry_out(request, progress)
        from transfer.tracking import record

        settings, place = record.parameters(request.settings.model_dump(mode="json")), request.folder
        with recorded(config.logging, place.parent, place.name, data_name(str(config.data.source)), settings, progress) as told:
            done = carry_out(request, progress)
        progress.say("Recording the comparison")
        told.finish(_of_comparison(done, settings, str(config.data.source)))
        return done

    return recording


def _of_comparison(done: Comparison, settings: dict[str, str], source: str) -> "record.Record":
    from transfer.tracking import record

    means = {
        f"{row['method']}/{row['size']}/{name}": float(row[name])
        for row in done.summary.to_dict("records")
        for name in ("accuracy", "macro_f1", "log_loss", "seconds")
        if name in row and row[name] == row[name]
    }
    names = (*folder.TABLES, folder.SETTINGS, folder.MANIFEST, folder.REPORT)
    files = tuple(done.path / name for name in names if (done.path / name).is_file())
    return record.Record(settings, means, files, source, children=tuple(record.children(done.runs.to_dict("records"), "run")))
