"""Results as a notebook shows them: a piece of HTML in which every name is escaped, as they come from folders of anybody."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.evaluation.metrics import majority
from transfer.quality.findings import Findings
from transfer.reports.comparison import table as comparison_table
from transfer.reports.findings import items
from transfer.reports.names import printable, shortened
from transfer.reports.run import text
from transfer.reports.templates import render
from transfer.reports.words import counted, share
from transfer.runs import Run

_WORST = 10  # classes shown
_LONGEST = 60  # columns of a class


def fragment(
    title: str, facts: Mapping[str, str], head: Sequence[str] = (), rows: Sequence[Sequence[str]] = (), notes: Sequence[str] = ()
) -> str:
    """Return a title, a table of facts, a table of rows, and sentences, as HTML; all texts are shown as they are."""
    shown = {name: printable(fact) for name, fact in facts.items() if fact}
    table = [[printable(cell) for cell in row] for row in rows]
    return render(
        "notebook.html.jinja", title=printable(title), facts=shown, head=[printable(name) for name in head], rows=table,
        notes=[printable(note) for note in notes],
    )  # fmt: skip


def accuracy(metrics: Mapping[str, Any]) -> str:
    """Return the accuracy of a split with its interval and the number of images."""
    low, high = metrics["accuracy_ci95"]
    return f"{share(metrics['accuracy'])} (95 %: {share(low)} to {share(high)}) on {counted(metrics['images'], 'image')}"


def class_rows(metrics: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of a table of the classes with the lowest recall."""
    seen = [(name, facts) for name, facts in metrics["per_class"].items() if facts["images"]]
    worst = sorted(seen, key=lambda item: item[1]["recall"])[:_WORST]
    first = "class" if len(worst) == len(seen) else f"{len(worst)} worst classes of {len(seen):,}"
    rows = [
        [shortened(printable(name), _LONGEST), f"{of['images']:,}", f"{of['recall']:.2f}", f"{of['precision']:.2f}", f"{of['f1']:.2f}"]
        for name, of in worst
    ]
    return [first, "images", "recall", "precision", "F1"], rows


def run(made: Run) -> str:
    """Return a finished run: its figures on the test split, and where its files are."""
    test, images = made.metrics["test"], made.metrics["images"]
    usual, most = majority(test)
    facts = {
        "Network": f"{made.config['backbone']}, {made.config['image_size']} px",
        "Test accuracy": accuracy(test),
        "Compare with": f"{share(most)}, the accuracy of always answering {printable(usual)!r}",
        "Macro F1": share(test["macro_f1"]),
        "Images": ", ".join(f"{count:,} {split}" for split, count in images.items()),
        "Without": "; ".join(text.without(made)),
        "SavedModel": str(made.export),
        "Report": str(made.report),
    }
    return fragment(f"Run {made.name}", facts, *class_rows(test))


def comparison(name: str, summary: pd.DataFrame, paragraph: str, failures: Sequence[Mapping[str, Any]], report: Path) -> str:
    """Return a comparison: accuracies of methods by sizes, and the paragraph in words."""
    heads, of_method = comparison_table.cells(summary)
    rows = [[shortened(printable(method), _LONGEST), *(cell or "-" for cell in cells)] for method, cells in of_method.items()]
    notes = [f"Accuracy in % with half its 95 % interval ({comparison_table.meaning(summary)}).", paragraph]
    notes += [f"Failed: {failure['run']}: {failure['reason']}" for failure in failures]
    return fragment(f"Comparison {name}", {"Report": str(report)}, ["images per class", *heads], rows, notes)


def check(root: str, findings: Findings, exceeded: Sequence[str], report: Path) -> str:
    """Return what the check of a data set found, the most urgent first."""
    found = [item for item in items(findings) if item.count]
    rows = [[item.urgency, item.phrase, item.brief] for item in found]
    notes = [*([] if found else ["Nothing found by the checks that ran."]), *findings.notes]
    notes += [f"Not passed: {sentence}" for sentence in exceeded if sentence not in findings.notes]
    return fragment(f"Check of {root}", {"Report": str(report)}, ["urgency", "found", "what to do"], rows, notes)
