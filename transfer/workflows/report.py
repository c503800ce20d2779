"""report(): the report of a run, with images that are still available and heat maps of the mistakes."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import tensorflow as tf

from transfer.config import build
from transfer.data import sources
from transfer.data.changed import changes
from transfer.data.pipeline import file_of
from transfer.data.storage import Root, read_bytes
from transfer.errors import DataError
from transfer.exporters.compute import choice
from transfer.exporters.compute.facts import Preference
from transfer.exporters.formats import table
from transfer.exporters.served import Served
from transfer.quality.findings import Findings
from transfer.reports import cards, thumbnails
from transfer.reports.heat import overlay
from transfer.reports.run import gallery, page
from transfer.reports.run.gallery import Gallery
from transfer.runs import FINDINGS, Run
from transfer.serving.settings import AUTO
from transfer.system.files import write_text
from transfer.system.progress import Progress, shown
from transfer.workflows.run import opened
from transfer.workflows.run_requests import require_report

_HEATED = 200  # side in pixels of an image with its heat map
_LARGE = 320  # of a mistake as it is


def report(
    run: Run | str | os.PathLike[str], *, other: str | os.PathLike[str] | None = None, progress: Progress | bool | None = None
) -> Path:
    """Write the report of a run again, and return its path.

    Args:
        run: a run, its folder, or its name under `saved_models`.
        other: images of other data, to measure how well they are detected; saved in the run's metrics.
        progress: True, False, or an object with `step` and `say`; none: shown on a terminal and in a notebook, silent elsewhere. It is
            told what is missing in the report, and why.

    Raises:
        DataError: if none of the other images can be decoded.
        OutputError: if the run is among the user's data, or cannot be written.
        RunError: if there is no such run, or it cannot be read.
    """
    from transfer.workflows.ood import evaluate_other  # much that a report of itself does not need

    found, told = opened(run), shown(progress)
    require_report(found, other)
    if other is not None:
        evaluate_other(found, Path(other), told)
        found = opened(found.path, found.trust)  # with the new figures
    for line in again(found, told):
        told.say(line)
    return found.report


def again(run: Run, progress: Progress) -> list[str]:
    """Write the report of a finished run again, with the engines of this machine; they are measured if they have not been.

    Returns:
        Sentences on what is missing in it and why; empty if nothing is.

    Raises:
        OutputError: if the run is among the user's data, or cannot be written.
    """
    require_report(run)
    config = build([run.config])
    try:
        root = sources.root(config.data, progress)
    except DataError as error:
        write(run, None, None)
        return [f"The report shows no images of the data: {error}"]
    classifier = choice.load(run.export, Preference.of(run, AUTO), progress.say, run.trust)
    missing = write(run, root, classifier.served, classifier.engines)
    return [f"{missing} images are missing or have changed and are not shown."] if missing else []


def write(run: Run, root: Root | None, served: Served | None, engines: Sequence[Mapping[str, Any]] = ()) -> int:
    """Write the report of a run.

    Args:
        run: finished, or a draft with all its tables.
        root: folder that the paths of the manifest are relative to; None: the report shows no images.
        served: the run's export, for heat maps of the mistakes; None: no heat maps.
        engines: `Classifier.engines` of this machine.

    Returns:
        Number of images that should be shown but are missing or have changed.
    """
    findings = Findings.read(run.whole(FINDINGS)) if (run.path / FINDINGS).exists() else None
    chosen = gallery.choose(run, gallery.near_copies(findings))
    small, large = dict[str, str](), dict[str, str]()
    heated: dict[str, page.Heated] = {}
    missing = 0
    if root is not None:
        wanted = {one.path for one in (*chosen.mistakes, *chosen.plain())}
        wanted |= set(cards.paths(findings, page.FINDINGS_SHOWN)) if findings else set()
        rows = run.manifest[run.manifest["path"].isin(wanted) & (run.manifest["digest"] != "")]
        there = _unchanged(root, rows)
        missing = len(rows) - len(there)
        data = build([run.config]).data
        small = thumbnails.thumbnails(root, there, data=data)
        wrong = there["path"].isin([one.path for one in chosen.mistakes])
        large = thumbnails.thumbnails(root, there[wrong], _LARGE, data=data)
        if served is not None:
            heated = _heated(served, root, there, chosen)
    write_text(run.report, page.render(run, findings, small, page.Images(chosen, small, heated, large), table.read(run), engines))
    return missing


def _unchanged(root: Root, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose files have not changed."""
    return rows[[not why for why in changes(root, rows)]] if len(rows) else rows


def _heated(served: Served, root: Root, rows: pd.DataFrame, chosen: Gallery) -> dict[str, page.Heated]:
    """Return for each mistake the evidence for the predicted class and for the right one, over the image as the network saw it."""
    files = {str(row["path"]): file_of(root, row) for _, row in rows.iterrows()}
    shown = [one for one in chosen.mistakes if one.path in files]
    try:
        data = [read_bytes(files[one.path]) for one in shown]
        if not data:
            return {}
        asked = [served.labels.index(name) for one in shown for name in (one.predicted, one.label)]
        explained = served.explain([file for file in data for _ in range(2)], asked)
    except (OSError, tf.errors.OpError):
        return {}  # a file has just changed, or its transcoded copy was deleted: no heat maps
    drawn = [
        thumbnails.uri_of(overlay(image, heat).resize((_HEATED, _HEATED)))
        for image, heat in zip(explained.images, explained.heat, strict=True)
    ]
    return {one.path: page.Heated(*drawn[2 * number : 2 * number + 2]) for number, one in enumerate(shown)}
