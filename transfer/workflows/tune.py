"""tune(): searches the best head on features that are computed once, or the best settings of networks from scratch, and fits them as an
ordinary run."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from transfer.config import UNSET, Unset, given
from transfer.config.search_space import Space
from transfer.config.tuning import TuningConfig
from transfer.engines import LOCAL, Engine, opened
from transfer.runs import DEFAULT_OUTPUT, STUDY, TRIALS, TUNING, to_json
from transfer.system.progress import Progress, shown
from transfer.system.spreadsheet import to_csv
from transfer.system.startup import hearing
from transfer.workflows import fit
from transfer.workflows.requests import Data, FitRequest
from transfer.workflows.run import Run
from transfer.workflows.settings import with_source
from transfer.workflows.tune_requests import TuneRequest, tune_request
from transfer.workflows.tuning import choice, folder, journal
from transfer.workflows.tuning.choice import Chosen
from transfer.workflows.tuning.ready import prepare
from transfer.workflows.tuning.spaces import key_of
from transfer.workflows.tuning.study import Budget, Finished, Searched, run_study


def tune(
    data: Data = None,
    config: TuningConfig | Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    output: str | os.PathLike[str] = DEFAULT_OUTPUT,
    overwrite: bool = False,
    trials: int | Unset = UNSET,
    timeout: float | Unset | None = UNSET,
    folds: int | Unset = UNSET,
    backbones: str | Sequence[str] | Unset = UNSET,
    sizes: Sequence[int] | Unset = UNSET,
    space: Mapping[str, Any] | Unset = UNSET,
    common: Mapping[str, Any] | Unset = UNSET,
    seed: int | Unset = UNSET,
    progress: Progress | bool | None = None,
    **settings: Any,
) -> Run:
    """Search the best head on stored features by cross-validation on training and validation images, and fit it.

    Networks from scratch (`backbones=["lenet"]`) are trained in each trial, and judged on the validation images. The test images take no
    part in the search. A search that was interrupted goes on with the same call, and one that has ended with a
    larger `trials`, as if that had been asked at once.

    Args:
        data: as for `fit`: a folder, a table, or `tfds:NAME`; none: `data.source` in `common`.
        config: settings of the search (`config/tuning.py`), nested or dotted.
        name: name of the search and of its run; none: that of the data, and `-tuned`.
        output: folder of all runs; this one is written to `output/name`.
        overwrite: begin anew, and replace the run of this name.
        trials: in all; with more, an earlier search goes on.
        timeout: seconds after which it ends, with the batch of trials at hand; None: none.
        folds: of the cross-validation of each trial.
        backbones: to try, each one pass over the images; or networks from scratch.
        sizes: sides of the images to try, in pixels.
        space: what is tried: key -> list of values, or range, `{"head.dropout": [0.3, 0.5]}`.
        common: configuration keys for all trials.
        seed: of the split, the folds, the proposals, and the training of heads.
        progress: True, False, or an object with `step` and `say`; none: shown on a terminal and in a notebook, silent elsewhere.
        **settings: further settings, `choose="best"`. All settings override `config`.

    Returns:
        The published run of the chosen configuration, with `trials` and `tuning`.

    Raises:
        TransferError: for any error that the user can fix; finished trials are kept.
    """
    # Only what was set: networks from scratch have other defaults.
    basis = config.model_dump(exclude_unset=True) if isinstance(config, TuningConfig) else dict(config or {})
    named = given(
        trials=trials, timeout=timeout, folds=folds, backbones=backbones, sizes=sizes, space=space, common=common, seed=seed
    )  # fmt: skip
    return carry_out(tune_request(data, [basis, named, settings], name, output, overwrite), shown(progress))


def carry_out(request: TuneRequest, progress: Progress) -> Run:
    """Carry out a request; see `tune`."""
    engine_config = next(iter(request.configs.values())).engine
    with folder.locked(request.output, request.name) as place, hearing("ERROR"), opened(engine_config, progress) as engine:
        file = folder.begun(place, request.output / request.name, request.overwrite)
        with ExitStack() as stack:
            searched, space, facts = _search(request, file, place, progress, stack, engine)
        chosen = choice.choose(searched, request.settings.choose)
        progress.say(_said(searched, chosen))
        earlier = _published(request, searched, chosen)
        if earlier is not None:
            progress.say("The run of this search is there already. More --trials go on with it.")
        else:
            records = _records(request, searched, chosen, space, facts, file)
            config = with_source(request.data, [request.fixed, _final(request, chosen.trial)])
            earlier = fit.carry_out(FitRequest(config, request.output, request.name, True, records, request.parts), progress)
        folder.end(place)
    return earlier


def _search(
    request: TuneRequest, file: Path, place: Path, progress: Progress, stack: ExitStack, engine: Engine = LOCAL
) -> tuple[Searched, Space, dict[str, Any]]:
    """Prepare the images, and try heads or networks."""
    settings = request.settings
    ready = prepare(request, journal.identity_of(file), place, progress, stack, engine)
    searched = run_study(
        ready.space, ready.scorer, Budget(settings.trials, settings.timeout), file, ready.identity, progress,
        seed=settings.seed, batch=settings.batch, random_trials=settings.random_trials, anew=request.overwrite,
    )  # fmt: skip
    return searched, ready.space, ready.facts


def _final(request: TuneRequest, trial: Finished) -> dict[str, Any]:
    """Return the keys of the configuration that is fitted."""
    backbone, size = key_of(request.configs, trial.settings)
    return {"augment.views": request.settings.views[0]} | trial.settings | {
        "backbone": backbone, "image_size": size, "seed": request.settings.seed
    }  # fmt: skip


def _said(searched: Searched, chosen: Chosen) -> str:
    best, trial = chosen.best, chosen.trial
    time_up = " when the time was up" if searched.out_of_time else ""
    earlier = f", {searched.earlier:,} of them earlier" if searched.earlier else ""
    text = f"{len(searched.trials):,} trials{earlier}{time_up}. Best: trial {best.number}, {best.score.value:.4f}."
    if trial.number == best.number:
        return f"{text} It is fitted."
    return f"{text} Fitted: trial {trial.number}, {trial.score.value:.4f}, the simplest of {chosen.within} within one standard error of it."


def _published(request: TuneRequest, searched: Searched, chosen: Chosen) -> Run | None:
    """Return the run of this search, if it was published with the same trials and choice."""
    path = request.output / request.name
    if request.overwrite or not (path / TUNING).is_file():
        return None
    run = Run(path)
    facts = run.tuning or {}
    same = (facts.get("trials"), facts.get("chosen")) == (len(searched.trials), chosen.trial.number)
    return run if same else None


def _records(
    request: TuneRequest, searched: Searched, chosen: Chosen, space: Space, facts: Mapping[str, Any], file: Path
) -> dict[str, str]:
    """Return the files of the search in its run: name -> text."""
    content = {
        "trials": len(searched.trials),
        "pruned": sum(one.score.pruned for one in searched.trials),
        "out_of_time": searched.out_of_time,
        "seconds": round(sum(one.score.seconds for one in searched.trials), 1),
        "metric": request.settings.metric,
        **facts,
        "choose": request.settings.choose,
        "best": chosen.best.number,
        "chosen": chosen.trial.number,
        "within_one_standard_error": chosen.within,
        "importances": choice.importances(searched, space),
        "settings": request.settings.model_dump(mode="json"),
    }
    table = choice.table(searched, space)
    return {TUNING: to_json(content), TRIALS: to_csv(table), STUDY: file.read_text(encoding="utf-8")}
