"""A run, its cut points, or several runs side by side, in a few lines for the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.data.classes import describe_absent
from transfer.evaluation.metrics import absent, majority
from transfer.quality.findings import Findings
from transfer.reports.check import text as check_text
from transfer.reports.names import printable, shortened
from transfer.reports.terminal import columns, fitted, table, wrapped
from transfer.reports.words import percent, share
from transfer.runs import CONFIG, FINDINGS, Run
from transfer.system import shell

NEW_CLASS = "new classes that look like these"
FOUND, PARTLY, NOT_FOUND = "found", "partly found", "not found"

_FOUND_FROM, _PARTLY_FROM = 0.9, 0.5  # share of other data that `is_ood` flags
_WORST = 3
_LONGEST_CLASS, _LONGEST_RUN = 36, 40
_LABEL = 15  # columns


def block(run: Run) -> str:
    """Return what a person wants to know at the end of a run, in lines as wide as the terminal."""
    test, timing, images = run.metrics["test"], run.metrics["timing"], run.metrics["images"]
    usual, most = majority(test)
    facts = {
        "Test accuracy": f"{_accuracy(test)} on {test['images']} images, {measured(run.metrics)}",
        "Compare with": f"{share(most)}, the accuracy of always answering {shortened(printable(usual), _LONGEST_CLASS)!r}",
        "Folds": folds(run.metrics.get("cross_validation")),
        "Macro F1": f"{test['macro_f1']:.3f}",
        "Worst classes": f"{_worst(test['per_class'])} (recall)",
        "Images": f"{images['train']} train, {images['validation']} validation, {images['test']} test",
        "Without": "; ".join(without(run)),
        "Skipped": _skipped(run.metrics["skipped"]),
        "OOD": _ood(run.metrics["ood"]),
        "Seconds": ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in timing.items()),
    }
    places = {"SavedModel": str(run.export), "Report": str(run.report), "Try next": shell.command("serve", run.path)}
    doubts = check_text.line(Findings.read(run.whole(FINDINGS)), run.path / CONFIG) if (run.path / FINDINGS).exists() else ""
    return "\n".join(["", *_entries(facts), "", *_entries(places, whole=True), *(["", doubts] if doubts else [])])


def measured(metrics: Mapping[str, Any]) -> str:
    """Return what the test figures are those of."""
    verified, images = metrics["agreement"].get("images"), metrics["test"]["images"]  # runs of earlier versions name none, and verified all
    if verified is None or verified >= images:
        return "through the exported model"
    return f"from their stored features; the exported model, given the bytes of {verified:,} of them, agrees"


def without(run: Run) -> list[str]:
    """Return a sentence for each of the validation and the test split that has no image of some class."""
    return [said for split in ("validation", "test") if (said := describe_absent(split, absent(run.metrics[split])))]


def folds(found: Mapping[str, Any] | None) -> str:
    """Return what cross-validation found, in a line; empty without it."""
    if found is None:
        return ""
    accuracy, pooled = found["accuracy"], found["pooled"]
    return (
        f"mean accuracy {_accuracy({'accuracy': accuracy['mean'], 'accuracy_ci95': accuracy['ci95']})} over {found['folds']} "
        f"folds, standard deviation {accuracy['std']:.3f}; {_accuracy(pooled)} on all {found['images']:,} images that are not test images"
        f"{'; the average of their heads is exported' if found['averaged'] else ''}"
    )


def judged(facts: Mapping[str, float]) -> str:
    """Return `found`, `partly found` or `not found`: whether `is_ood` flags images of other data."""
    return FOUND if facts["flagged"] >= _FOUND_FROM else PARTLY if facts["flagged"] >= _PARTLY_FROM else NOT_FOUND


def other_kinds(ood: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the facts of each kind of other data on which a run was tried, new classes last; of runs before these, without them."""
    return ood["others"] | ({NEW_CLASS: ood["new_classes"]} if ood.get("new_classes") else {})


def other_data(name: str, facts: Mapping[str, float]) -> str:
    """Return how well images of other data are told from the run's own."""
    found = f"{percent(facts['flagged'])} called out of distribution, AUROC {facts['auroc']:.3f}"
    return f"Other data     {facts['images']} images of {printable(name)}: {judged(facts)} ({found})"


def cut_points(compared: pd.DataFrame) -> str:
    """Return the table of `truncate_at: auto`."""
    chosen = {False: "", True: "<- chosen"}
    rows = [
        [
            row.cut,
            f"{row.cv_accuracy:.3f}",
            f"standard error {row.standard_error:.3f}",
            f"{row.features:,} features",
            chosen[bool(row.chosen)],
        ]
        for row in compared.itertuples()
    ]
    return "\n".join(["Cut points, cross-validated on the training images:", *table([""] * 5, rows, left=(0, 4), indent=2)])


def side_by_side(runs: Sequence[Run]) -> str:
    """Return a table of runs on the same test images."""
    head = ["", "test accuracy (95 % interval)", "most frequent class alone", "macro F1", "log loss", "parameters trained", "seconds"]
    rows = []
    for run in runs:
        test, trained, seconds = run.metrics["test"], run.metrics["parameters"]["trained"], run.metrics["timing"]["total"]
        low, high = test["accuracy_ci95"]
        accuracy = f"{share(test['accuracy'])} ({share(low)} to {share(high)})"
        rows.append(
            [
                shortened(printable(run.name), _LONGEST_RUN),
                accuracy,
                share(majority(test)[1]),
                f"{test['macro_f1']:.3f}",
                f"{test['log_loss']:.3f}",
                f"{trained:,}",
                f"{seconds:.1f}",
            ]
        )
    return "\n".join(fitted(head, rows, left=(0, 1)))


def two_runs(vgg16: Run, lenet: Run, data: Path) -> str:
    """Return the result of the quickstart: the cut points, both runs, and what to try next."""
    table = vgg16.cut_points
    assert table is not None
    places = {
        "SavedModels": f"{vgg16.export}, {lenet.export}",
        "Report": str(vgg16.report),
        "Try next": shell.command("predict", vgg16.path, data / "test" / "7"),
    }
    lines = [cut_points(table), "", side_by_side([vgg16, lenet]), "", *_entries(places, whole=True)]
    lines += [f"{'':{_LABEL}}{shell.command(*words)}" for words in (("serve", vgg16.path), ("fit", "YOUR_FOLDER"))]
    return "\n".join(lines)


def _accuracy(test: Mapping[str, Any]) -> str:
    low, high = test["accuracy_ci95"]
    return f"{share(test['accuracy'])} (95 %: {share(low)} to {share(high)})"


def _worst(per_class: Mapping[str, Mapping[str, float]]) -> str:
    seen = [(name, facts) for name, facts in per_class.items() if facts["images"]]
    worst = sorted(seen, key=lambda item: item[1]["recall"])[:_WORST]
    return ", ".join(f"{shortened(printable(name), _LONGEST_CLASS)} {facts['recall']:.2f}" for name, facts in worst)


def _skipped(reasons: Mapping[str, int]) -> str:
    if not reasons:
        return "none"
    return f"{sum(reasons.values())} ({', '.join(f'{count} {reason}' for reason, count in reasons.items())}); see manifest.csv"


def _ood(ood: Mapping[str, Any]) -> str:
    """Return which other data is found, which partly and which not."""
    by_word: dict[str, list[str]] = {FOUND: [], PARTLY: [], NOT_FOUND: []}
    for name, facts in other_kinds(ood).items():
        share_found = f"{'at most ' if facts.get('at_most') else ''}{percent(facts['flagged'])}"
        by_word[judged(facts)].append(f"{printable(name)} ({share_found})")
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in by_word.items() if names)


def _entries(facts: Mapping[str, str], whole: bool = False) -> list[str]:
    """Return a line for each fact, or more where it is long; `whole`: one line each, so that it can be copied."""
    begun = [(f"{label:{_LABEL}}", text) for label, text in facts.items() if text]
    if whole:
        return [first + text for first, text in begun]
    return [line for first, text in begun for line in wrapped(text, columns(), first, " " * _LABEL)]
