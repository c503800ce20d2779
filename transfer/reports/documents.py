r"""The JSON documents of `--json`: one for each command, with these keys and no others.

Every document has `schema`, which changes when a key is renamed, removed or given another meaning (new keys may be added), and
`command`. Numbers that are not finite are null. A byte of a name that is no Unicode is written as text, `\xe9`, as on the terminal.
Exit status: 0; 1 where some files failed or a limit is exceeded (the document is whole); 2 with the document of an error.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from transfer.system.names import utf8

if TYPE_CHECKING:
    from pathlib import Path

    from transfer.quality.findings import Findings
    from transfer.reports.predicted import Summary
    from transfer.runs import Run

SCHEMA = "transfer/1"

_RUN = {
    "name": "of the run",
    "path": "its folder",
    "backbone": "or the network from scratch",
    "image_size": "side of the images, in pixels",
    "data": "source of the images",
    "classes": "their names, in the order of the model's outputs",
    "test_accuracy": "0 to 1, of the exported model",
    "test_accuracy_ci95": "its 95 % interval, [low, high]",
    "majority": "accuracy of always answering the most frequent class",
    "metrics": "all of the run's metrics.json",
    "export": "the newest SavedModel",
    "report": "the page",
    "cut_points": "the table of `truncate_at: auto`, a row each; null if the cut point was given",
    "findings": "what the data checks found, as in `check`",
}
KEYS: Mapping[str, Mapping[str, str]] = {
    "fit": _RUN,
    "tune": {**_RUN, "tuning": "of the search: trials, best, chosen, importances (the run's tuning.json)", "trials": "a row each"},
    "quickstart": {"runs": "a document as of `fit` for each of the two", "data": "folder of the images"},
    "check": {
        "path": "folder of the result",
        "report": "the page",
        "classes": "a row each: label, images, share, train, validation, test",
        "findings": "a row for each kind that was found: kind, urgency, count, said",
        "exceeded": "a sentence for each limit (`check.max_...`) that is exceeded",
        "not_checked": "a sentence for each check that could not be made",
        "seconds": "of each step",
    },
    "compare": {
        "path": "folder of the comparison",
        "report": "the page",
        "runs": "a row for each trial",
        "summary": "a row for each method and size",
        "paired": "a row for each pair of methods and size: difference, interval, p",
        "failures": "run and reason of each trial that failed",
    },
    "predict": {
        "files": "number of all files",
        "classified": "number of those that were classified",
        "failed": "number of those that were not",
        "out_of_distribution": "number of classified images that are unlike the training images",
        "classes": "class -> number of images",
        "errors": "reason -> number of files that were not classified",
        "output": "the table or folder written; null without --output",
        "predictions": "of the first 100 files: path, label, score, is_ood, error; --output has all",
    },
    "evaluate": {
        "run": "its name",
        "data": "name of the folder, table or data set",
        "metrics": "of all images of the run's classes, as in metrics.json: accuracy, accuracy_ci95, macro_f1, per_class, ...",
        "own_test": "images, accuracy, accuracy_ci95, flagged of the run's own test split",
        "difference": "of the accuracy to that: value, low, high (95 %)",
        "seen": "images that the run was trained on, or chosen by: train, validation",
        "unseen": "metrics without those; null: there are none, or nothing is left",
        "unseen_difference": "difference without those",
        "flagged": "share of the images that are out of distribution",
        "unknown_classes": "class that the run does not know -> images left out",
        "missing_classes": "classes of the run without an image",
        "skipped": "path and reason of each file that could not be judged",
        "output": "the folder written; null without --output",
    },
    "explain": {
        "folder": "of the PNG files",
        "filters": "what filters.png shows; empty: there is none",
        "layers": "whose activations are drawn",
        "images": "a row each: path, label, score, file (its heat map), error",
    },
    "export": {"path": "the file, or the folder of a SavedModel", "exports": "the run's table of exports (exports.json), a row each"},
    "report": {"report": "the page", "other_data": "figures of --other; null without", "notes": "what is missing in the page, and why"},
    "card": {"card": "the model card, a Markdown file"},
    "runs": {
        "runs": "a row each, the newest first: name, path, backbone, image_size, data, classes, images, accuracy, accuracy_ci95, bytes, "
        "age (seconds), trouble (why it cannot be read)",
        "bytes": "of all of them",
    },
    "init": {
        "path": "the configuration file",
        "classes": "class -> number of images",
        "settings": "the keys that are set in it",
        "group_by": "an expression by which images may belong together; null: none was seen",
    },
    "anatomy": {
        "network": "its name; null with --conv",
        "image_size": "side of the images, in pixels; null with --conv",
        "layers": "a row each; null with --conv",
        "convolution": "with --conv: its arithmetic",
        "file": "the table written with --csv",
    },
    "weights": {"backbone": "its name", "sha256": "of the ImageNet weights"},
    "store show": {"sets": "a row for each feature set", "bytes": "of all of them"},
    "store prune": {
        "deleted": "a row for each feature set that was deleted",
        "bytes": "of all of them",
        "archives_bytes": "of the decompressed archives that were deleted",
    },
    "store verify": {
        "sets": "a row each: id, records, damaged, problem, outdated",
        "files": "path and problem of each damaged file",
        "whole": "whether nothing is damaged",
    },
    "error": {"error": "what is wrong, and what to do", "status": "the exit status"},
}
"""Command -> key -> what it holds. `error` is the document of any command that failed."""


def document(command: str | None, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document: facts that JSON can hold."""
    return {"schema": SCHEMA, "command": command, **_plain(facts)}


def run(made: "Run") -> dict[str, Any]:
    """Return the facts of a run."""
    from transfer.evaluation.metrics import majority
    from transfer.quality.findings import Findings
    from transfer.runs import FINDINGS

    test, found = made.metrics["test"], made.path / FINDINGS
    return {
        "name": made.name,
        "path": made.path,
        "backbone": made.config["backbone"],
        "image_size": made.config["image_size"],
        "data": made.config["data.source"],
        "classes": made.labels,
        "test_accuracy": test["accuracy"],
        "test_accuracy_ci95": test["accuracy_ci95"],
        "majority": majority(test)[1],
        "metrics": made.metrics,
        "export": made.export,
        "report": made.report,
        "cut_points": made.cut_points,
        "findings": findings(Findings.read(made.whole(FINDINGS))) if found.exists() else [],
    }


def tuned(made: "Run") -> dict[str, Any]:
    """Return the facts of the run of a search."""
    return run(made) | {"tuning": made.tuning, "trials": made.trials}


def findings(found: "Findings") -> list[dict[str, Any]]:
    """Return what was found, the most urgent first."""
    from transfer.reports.findings import items

    return [{"kind": one.key, "urgency": one.urgency, "count": one.count, "said": one.phrase} for one in items(found) if one.count]


def predicted(summary: "Summary", output: "str | Path | None") -> dict[str, Any]:
    """Return the facts of predictions."""
    return {
        "files": summary.files,
        "classified": summary.files - summary.failed,
        "failed": summary.failed,
        "out_of_distribution": summary.is_ood,
        "classes": dict(summary.classes.most_common()),
        "errors": dict(summary.errors.most_common()),
        "output": output,
        "predictions": [] if summary.first is None else summary.first.head(100),
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, Mapping):
        return {utf8(str(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, str | os.PathLike):
        return utf8(os.fspath(value))
    if value is None or isinstance(value, bool | int):
        return value
    if hasattr(value, "to_dict"):  # a table of pandas
        return [_plain(row) for row in value.to_dict("records")]
    if hasattr(value, "tolist"):  # of NumPy
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if value - value == 0 else None  # neither NaN nor infinite
    if isinstance(value, list | tuple | set):
        return [_plain(one) for one in value]
    return utf8(str(value))
