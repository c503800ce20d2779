"""A run, or two side by side, in a few lines for the terminal."""

import shlex

import pandas as pd

from transfer.quality.findings import Findings
from transfer.reports.check import text as check_text
from transfer.runs import FINDINGS, Run

_WORST = 3


def share(value: float, interval: list[float] | tuple[float, float] | None = None) -> str:
    """Return `0.943 (95 %: 0.921 to 0.959)`."""
    text = f"{value:.3f}"
    return text if interval is None else f"{text} (95 %: {interval[0]:.3f} to {interval[1]:.3f})"


def block(run: Run) -> str:
    """Return what a person wants to know at the end of a run."""
    test, timing = run.metrics["test"], run.metrics["timing"]
    images = run.metrics["images"]
    lines = [
        "",
        f"Test accuracy  {share(test['accuracy'], test['accuracy_ci95'])} on {test['images']} images, through the exported model",
        f"Macro F1       {share(test['macro_f1'])}",
        f"Worst classes  {_worst(test['per_class'])}",
        f"Images       {images['train']} train, {images['validation']} validation, {images['test']} test",
        f"Skipped        {_skipped(run.metrics['skipped'])}",
        *_unknown(run.metrics["ood"]["others"]),
        f"Seconds        {', '.join(f'{stage} {seconds:.1f}' for stage, seconds in timing.items())}",
        "",
        f"SavedModel     {run.export}",
        f"Report         {run.report}",
        f"Try next       transfer serve {shlex.quote(str(run.path))}",
    ]
    doubts = check_text.line(Findings.read(run.path / FINDINGS)) if (run.path / FINDINGS).exists() else ""
    return "\n".join([*lines, *(["", doubts] if doubts else [])])


def others(name: str, facts: dict[str, float]) -> str:
    """Return how well images of other data are told from the run's own."""
    return (
        f"Other data     {facts['images']} images of {name}: {facts['flagged']:.1%} called unknown, area under the ROC curve "
        f"{facts['auroc']:.3f}"
    )


def _worst(per_class: dict[str, dict[str, float]]) -> str:
    seen = [(name, facts) for name, facts in per_class.items() if facts["images"]]
    worst = sorted(seen, key=lambda item: item[1]["recall"])[:_WORST]
    return ", ".join(f"{name} {facts['recall']:.2f}" for name, facts in worst) + " (share found)"


def _skipped(reasons: dict[str, int]) -> str:
    if not reasons:
        return "none"
    total = sum(reasons.values())
    return f"{total} ({', '.join(f'{count} {reason}' for reason, count in reasons.items())}); see manifest.csv"


def _unknown(found: dict[str, dict[str, float]]) -> list[str]:
    if not found:
        return []
    kinds = ", ".join(f"{facts['flagged']:.0%} of {name}" for name, facts in found.items())
    return [f"Unknown        {kinds} are called so, as they should be"]


def cut_points(table: pd.DataFrame) -> str:
    """Return the table of `truncate_at: auto`."""
    lines = ["Cut points, cross-validated on the training images:"]
    for row in table.itertuples():
        mark = "  <- chosen" if row.chosen else ""
        lines.append(f"  {row.cut:28} {row.cv_accuracy:.3f} +- {row.standard_error:.3f}  {row.features:6} features{mark}")
    return "\n".join(lines)


def side_by_side(runs: list[Run]) -> str:
    """Return a table of runs on the same test images."""
    width = max(len(run.name) for run in runs)
    lines = [f"{'':{width}}  test accuracy (95 % interval)   macro F1  log loss  parameters trained  seconds"]
    for run in runs:
        test, parameters = run.metrics["test"], run.metrics["parameters"]
        low, high = test["accuracy_ci95"]
        lines.append(
            f"{run.name:{width}}  {test['accuracy']:.3f} ({low:.3f} to {high:.3f})          {test['macro_f1']:.3f}"
            f"     {test['log_loss']:.3f}  {parameters['trained']:18,}  {run.metrics['timing']['total']:7.1f}"
        )
    return "\n".join(lines)
