"""A run judged on other images, in a few lines for the terminal and as a piece of HTML for a notebook."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from transfer.evaluation.metrics import confusion_cells
from transfer.reports import notebook
from transfer.reports.names import printable, shortened
from transfer.reports.terminal import columns, wrapped
from transfer.reports.words import counted, listed, percent, share

_LABEL = 15  # columns, as in the text of a run
_WORST = 3
_CONFUSED = 3
_NAMED = 5
_LONGEST = 36  # columns of a class
_LEARNT = {"train": "trained on", "validation": "chosen by"}


def lines(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return what a person wants to know, label -> sentence; empty where there is nothing to say.

    Args:
        facts: `Evaluation.facts()`.
    """
    metrics, own = facts["metrics"], facts["own_test"]
    worst = sorted(((name, of) for name, of in metrics["per_class"].items() if of["images"]), key=lambda item: item[1]["recall"])[:_WORST]
    return {
        "Accuracy": f"{notebook.accuracy(metrics)} of {printable(facts['data'])}",
        "Compare with": f"{share(metrics['majority'])}, the accuracy of always answering {printable(metrics['majority_class'])!r}",
        "Own test": f"{share(own['accuracy'])} on the run's {counted(own['images'], 'test image')}; {_difference(facts['difference'])}",
        "Seen before": _seen(facts),
        "Macro F1": f"{share(metrics['macro_f1'])}, log loss {metrics['log_loss']:.3f}, calibration error {metrics['ece']:.3f}",
        "Worst classes": ", ".join(f"{_name(name)} {of['recall']:.2f}" for name, of in worst) + " (recall)",
        "Confused": _confused(metrics),
        "OOD": f"{percent(facts['flagged'])} out of distribution; of the run's test images {percent(own['flagged'])}",
        "Left out": _unknown(facts["unknown_classes"]),
        "Without": _missing(facts["missing_classes"]),
        "Not judged": _skipped(facts["skipped"]),
        "Written": facts["output"] or "",
    }


def block(facts: Mapping[str, Any]) -> str:
    """Return the lines for the terminal, as wide as it is."""
    begun = [(f"{label:{_LABEL}}", text) for label, text in lines(facts).items() if text]
    return "\n".join(line for first, text in begun for line in wrapped(text, columns(), first, " " * _LABEL))


def html(facts: Mapping[str, Any]) -> str:
    """Return a table of the lines, and one of the classes with the lowest recall."""
    return notebook.fragment(f"Run {facts['run']} on {facts['data']}", lines(facts), *notebook.class_rows(facts["metrics"]))


def _name(name: str) -> str:
    return shortened(printable(name), _LONGEST)


def _difference(difference: Sequence[float]) -> str:
    value, low, high = difference
    return f"difference {value:+.3f} (95 %: {low:+.3f} to {high:+.3f})"


def _seen(facts: Mapping[str, Any]) -> str:
    seen, unseen = facts["seen"], facts["unseen"]
    told = [f"{what} {seen[split]:,} of the images" for split, what in _LEARNT.items() if seen[split]]
    if not told:
        return ""
    rest = "nothing is left without them"
    if unseen:
        rest = f"without them {notebook.accuracy(unseen)}, {_difference(facts['unseen_difference'])}"
    return f"the run was {listed(told)}: the accuracy above is too good; {rest}"


def _confused(metrics: Mapping[str, Any]) -> str:
    cells = [(true, other, count) for true, row in confusion_cells(metrics).items() for other, count in row.items() if true != other]
    pairs = Counter({(true, other): count for true, other, count in cells})
    return ", ".join(f"{_name(true)} taken for {_name(other)} {count:,}" for (true, other), count in pairs.most_common(_CONFUSED))


def _unknown(unknown: Mapping[str, int]) -> str:
    if not unknown:
        return ""
    named = [f"{_name(name)} ({count:,})" for name, count in list(unknown.items())[:_NAMED]]
    more = [f"{len(unknown) - _NAMED:,} more"] if len(unknown) > _NAMED else []
    classes = "a class" if len(unknown) == 1 else "classes"
    return f"{counted(sum(unknown.values()), 'image')} of {classes} that the run does not know: {listed([*named, *more])}"


def _missing(missing: Sequence[str]) -> str:
    if not missing:
        return ""
    named = [_name(name) for name in missing[:_NAMED]]
    more = [f"{len(missing) - _NAMED:,} more"] if len(missing) > _NAMED else []
    return f"no image of {counted(len(missing), 'class', 'classes')} of the run: {listed([*named, *more])}"


def _skipped(skipped: Sequence[Mapping[str, str]]) -> str:
    reasons = Counter(row["reason"].split(":")[0] for row in skipped)
    examples = {row["reason"].split(":")[0]: row["path"] for row in reversed(skipped)}
    return "; ".join(f"{count:,} {printable(reason)}, such as {printable(examples[reason])}" for reason, count in reasons.most_common())
