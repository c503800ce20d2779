"""A run's folder -> one self-contained page. Reads what the run wrote; knows nothing of training."""

from collections.abc import Mapping
from typing import Any

from transfer.checking.findings import Findings
from transfer.report import figures, page
from transfer.report.cards import Album
from transfer.report.names import printable, records
from transfer.report.summary import items, sentence
from transfer.run import REPORT, Draft, Run

_TEMPLATE = "report.html.jinja"
FINDINGS_SHOWN = 6
"""Pictures of each kind of finding that the page shows, about: the number for `cards.paths`."""


def render(run: Run, findings: Findings | None = None, thumbnails: Mapping[str, str] | None = None) -> str:
    """Return the page of a run.

    Args:
        run: what the page is about.
        findings: what the checks of its data found; none: the page has no such section.
        thumbnails: path -> data URI of pictures named by the findings.
    """
    return page.render(_TEMPLATE, **_content(run), findings=_findings(findings, thumbnails or {}))


def write(run: Draft, findings: Findings | None = None, thumbnails: Mapping[str, str] | None = None) -> None:
    """Write the page of a run into its folder; see `render`."""
    run.write_text(REPORT, render(run, findings, thumbnails))


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
    skipped = run.manifest[run.manifest["reason"] != ""]
    return {
        "name": run.path.name if not isinstance(run, Draft) else run.path.name.lstrip(".").rpartition(".partial-")[0],
        "sentence": (
            f"{test['accuracy']:.1%} of {test['images']} test pictures were classified right "
            f"(95 % interval: {low:.1%} to {high:.1%}), measured through the exported model."
        ),
        "metrics": metrics,
        "test": test,
        "classes": sorted(test["per_class"].items(), key=lambda item: item[1]["recall"]),
        "curves": figures.learning_curves(run.history, metrics["best_epoch"]),
        "confusion": figures.confusion(test["confusion"], classes),
        "reliability": figures.reliability(of_test, classes),
        "cut_points": [] if cut_points is None else cut_points.to_dict("records"),
        "skipped": skipped[["path", "reason"]].head(500).to_dict("records"),
        "skipped_total": len(skipped),
        "config": (run.path / "config.yaml").read_text(encoding="utf-8"),
        "environment": run.environment,
    }
