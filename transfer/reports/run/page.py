"""A run's folder -> one self-contained page. Reads what the run wrote, without TensorFlow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from transfer.drafts import Draft
from transfer.evaluation.metrics import confusion_cells, confusion_matrix, majority
from transfer.quality.findings import Findings
from transfer.reports import templates
from transfer.reports.cards import Album
from transfer.reports.findings import items, sentence
from transfer.reports.names import printable, records
from transfer.reports.run import class_curves, figures, text
from transfer.reports.run.gallery import Gallery, choose, near_copies
from transfer.reports.tuning import figures as tuning_figures
from transfer.reports.tuning.search import CAUTION, Search
from transfer.reports.words import percent
from transfer.runs import METRICS, Run

_TEMPLATE = "run/page.html.jinja"

_CLASSES_DRAWN = 150  # the matrix of more could not be read
_CONFUSED = 40

FINDINGS_SHOWN = 6
"""About how many images of each kind of finding the page shows: the number for `cards.paths`."""


@dataclass(frozen=True)
class Heated:
    """Data URIs of one image under its heat maps: of the predicted class, and of its own."""

    predicted: str
    label: str


@dataclass(frozen=True)
class Images:
    """The test images of a page.

    Attributes:
        gallery: which.
        thumbnails: path -> data URI.
        heated: path -> heat maps, of the mistakes.
        large: path -> data URI of a larger copy, of the mistakes.
    """

    gallery: Gallery
    thumbnails: Mapping[str, str]
    heated: Mapping[str, Heated]
    large: Mapping[str, str] = field(default_factory=dict)


def render(
    run: Run,
    findings: Findings | None = None,
    thumbnails: Mapping[str, str] | None = None,
    images: Images | None = None,
    exports: Sequence[Mapping[str, Any]] = (),
    engines: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the page of a run.

    Args:
        run: finished, or a draft with all its tables.
        findings: of the checks of its data; none: the page has no such section.
        thumbnails: path -> data URI of images named by the findings.
        images: of the test split; none: they are named, not shown.
        exports: the table of the run's exports, as `exports.json` holds it.
        engines: that can compute the SavedModel on this machine: `name`, `images_per_second`, `latency_ms`, `chosen`, and the second's
            agreement with the first; empty: they were not measured.
    """
    shown = images or Images(choose(run, near_copies(findings)), {}, {})
    own = {"images": shown, "exports": exports, "engines": engines}
    return templates.render(_TEMPLATE, **_content(run), findings=_findings(findings, thumbnails or {}), **own)


def _findings(findings: Findings | None, thumbnails: Mapping[str, str]) -> dict[str, Any] | None:
    if findings is None:
        return None
    return {
        "sentence": sentence(findings),
        "items": items(findings),
        "album": Album(findings, thumbnails, FINDINGS_SHOWN),
        "leaks": records(findings.leaks[findings.leaks["leak"].astype(bool)]),
        "notes": [printable(note) for note in findings.notes],
    }


def _content(run: Run) -> dict[str, Any]:
    metrics, classes = run.metrics, run.labels
    test = metrics["test"]
    low, high = test["accuracy_ci95"]
    of_test = run.predictions[run.predictions["split"] == "test"]
    cut_points = run.cut_points
    other_data = {name: {**facts, "judged": text.judged(facts)} for name, facts in text.other_kinds(metrics["ood"]).items()}
    usual, most = majority(test)
    drawn = len(classes) <= _CLASSES_DRAWN
    curves = class_curves.of_run(run.predictions, classes)
    skipped = run.manifest[run.manifest["reason"] != ""]
    return {
        "name": run.path.name if not isinstance(run, Draft) else run.path.name.lstrip(".").rpartition(".partial-")[0],
        "facts": list(_facts(run)),
        "accuracy": percent(test["accuracy"]),
        "interval": f"{percent(low)} to {percent(high)}",
        "usual": printable(usual),
        "majority": percent(most),
        "measured": text.measured(metrics),
        "metrics": metrics,
        "test": test,
        "classes": sorted(test["per_class"].items(), key=lambda item: item[1]["recall"]),
        "curves": figures.learning_curves(run.history, metrics["best_epoch"]),
        "without": text.without(run),
        "confusion": figures.confusion(confusion_matrix(test), classes) if drawn else "",
        "confused": [] if drawn else _confused(test),
        "class_curves": curves[: class_curves.SHOWN + class_curves.FOLDED],
        "curves_shown": class_curves.SHOWN,
        "curves_left_out": max(len(curves) - class_curves.SHOWN - class_curves.FOLDED, 0),
        "reliability": figures.reliability(of_test, classes),
        "folds": metrics.get("cross_validation"),
        "calibration": metrics["calibration"],
        "ood": metrics["ood"],
        "other_data": other_data,
        "blind": [name for name, facts in other_data.items() if name != text.NEW_CLASS and facts["judged"] == text.NOT_FOUND],
        "new_classes": _new_classes(metrics["ood"].get("new_classes")),
        "stages": _stages(metrics["timing"]),
        "cut_points": [] if cut_points is None else cut_points.to_dict("records"),
        "tuning": _tuning(run),
        "skipped": skipped[["path", "reason"]].head(500).to_dict("records"),
        "skipped_total": len(skipped),
        "config": (run.path / "config.yaml").read_text(encoding="utf-8"),
        "environment": run.environment,
    }


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    """Yield what a reader wants to know of a run first: names and values."""
    config, cuts = run.config, run.config.get("truncate_at", "top")
    yield "backbone", printable(str(config.get("backbone", "")))
    if cuts != "top":
        yield "cut at", printable(cuts if isinstance(cuts, str) else ", ".join(map(str, cuts)))
    if config.get("unfreeze_from"):
        yield "fine-tuned from", printable(str(config.get("unfreeze_from")))
    if config.get("image_size"):
        yield "image size", f"{config['image_size']:,} px"
    yield "data", printable(str(config.get("data.source", "")))
    yield "date", datetime.fromtimestamp((run.path / METRICS).stat().st_mtime).strftime("%-d %B %Y, %H:%M")


def _new_classes(found: Mapping[str, Any] | None) -> str:
    """Return what to expect of images of a class that the run does not know, and that looks like its own."""
    if not found:
        return ""
    by_share = sorted(found["per_class"].items(), key=lambda item: item[1]["flagged"])
    (hardest, least), (easiest, most) = by_share[0], by_share[-1]
    of_each = f" (fewest: '{printable(hardest)}', {percent(least['flagged'])}; most: '{printable(easiest)}', {percent(most['flagged'])})"
    caution = " A new one is found less often: the network was trained on these classes, and looks for what tells them apart."
    return (
        f"A new class that looks like these would be found in {'at most ' if found['at_most'] else ''}{percent(found['flagged'])} of cases"
        f"{of_each if len(by_share) > 1 else ''}: each class was taken for a new one in turn, and compared with the other classes alone."
        f"{caution if found['at_most'] else ''}"
    )


def _tuning(run: Run) -> dict[str, Any] | None:
    """Return what the page says of the search that found the configuration; None if there was none."""
    search = Search.of(run)
    if search is None:
        return None
    return {
        "search": search,
        "caution": CAUTION,
        "by_trial": tuning_figures.by_trial(search.trials, search.metric, search.facts["chosen"]),
        "importances": {among: tuning_figures.importances(shares) for among, shares in search.importances.items()},
    }


def _confused(test: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Return the most frequent mistakes: true class, predicted class, images."""
    cells = [(true, other, count) for true, row in confusion_cells(test).items() for other, count in row.items() if other != true]
    return sorted(cells, key=lambda cell: -cell[2])[:_CONFUSED]


def _stages(timing: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """Return name, seconds and share of the whole of each stage."""
    total = max(timing["total"], 1e-9)
    return [(name, seconds, min(seconds / total, 1.0)) for name, seconds in timing.items() if name != "total"]
