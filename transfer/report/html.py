"""A run's folder -> one self-contained page. Reads what the run wrote; knows nothing of training."""

from importlib import resources
from typing import Any

import jinja2

from transfer.report import figures
from transfer.run import REPORT, Draft, Run

_TEMPLATE = "report.html.jinja"


def render(run: Run) -> str:
    """Return the page of a run."""
    source = resources.files("transfer.report").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(source).render(**_content(run))


def write(run: Draft) -> None:
    """Write the page of a run into its folder."""
    run.write_text(REPORT, render(run).encode("utf-8", "replace").decode())


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
