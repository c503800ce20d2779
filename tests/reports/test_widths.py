"""Tables fit 80 and 100 columns, whatever the names of classes and runs: long, wide (CJK), of combining characters, no Unicode."""

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from rich.cells import cell_len

from tests.reports.made_up_run import write_run
from transfer.cli.export import _table as exports
from transfer.quality.findings import COLUMNS, Findings
from transfer.reports import predicted
from transfer.reports.check import text as check_text
from transfer.reports.run import text
from transfer.runs import Run

NAMES = {
    "long": "a very long name of a class " * 4,
    "wide": "漢字の名前" * 12,
    "combining": "e\u0301\u0323" * 60,
    "no Unicode": os.fsdecode(b"caf\xe9\xff" * 12),
    "right to left": "שלום עולם " * 8,
}


def _predictions(name: str, made: Run) -> str:
    rows = pd.DataFrame({"path": ["a.png"], "label": [name], "score": [0.5], "is_ood": [True], "error": [""]}, dtype=object)
    summary = predicted.Summary()
    summary.add(rows)
    return predicted.block(summary) + "\n" + predicted.block(summary, "out.csv")


def _findings(name: str, made: Run) -> str:
    classes = pd.DataFrame([[name, 10, 0.5, 8, 1, 1], ["b", 10, 0.5, 8, 1, 1]], columns=COLUMNS["classes"], dtype=object)
    issues = pd.DataFrame(
        [dict.fromkeys(COLUMNS["label_issues"], 0.5) | {"path": f"{name}/1.png", "label": name, "suggested": name}], dtype=object
    )
    found = Findings(classes=classes, label_issues=issues[COLUMNS["label_issues"]].astype(object))
    lines = check_text.block(found, None, None, width=int(os.environ["COLUMNS"])).splitlines()
    return "\n".join(line for line in lines if "Try next" not in line)  # commands stay whole, so that they can be copied


def _exports(name: str, made: Run) -> str:
    entry = {
        "format": "litert", "quantization": "int8", "bytes": 10**9, "accuracy": 0.5, "accuracy_ci95": [0.1, 0.9], "same_label": 0.5,
        "largest_difference": 1e-5, "latency_ms": 1234.5, "images_per_second": 12345.6, "file": "model.int8.tflite",
    }  # fmt: skip
    return "\n".join(exports([entry]))


BLOCKS: dict[str, Callable[[str, Run], str]] = {
    "run": lambda name, made: text.block(made).split("SavedModel")[0],  # after it: paths and a command, each whole on its line
    "runs": lambda name, made: text.side_by_side([made, made]),
    "predictions": _predictions,
    "findings": _findings,
    "exports": _exports,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Return a function that returns the run whose classes are called by a name of `NAMES`."""
    folder, known = tmp_path_factory.mktemp("runs"), {}

    def make(kind: str) -> Run:
        if kind not in known:
            name = NAMES[kind]
            known[kind] = write_run(
                folder / name.encode("utf-8", "surrogateescape")[:140].decode("utf-8", "ignore"), (name, f"{name}2", "c")
            )
        return known[kind]

    return make


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("block", BLOCKS)
def test_tables_fit(block: str, kind: str, width: int, made: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    printed = BLOCKS[block](NAMES[kind], made(kind))
    printed.encode()
    assert max(map(cell_len, printed.splitlines())) <= width, printed


def test_paths_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    path = "a long path/" * 12 + "a.png"
    rows = pd.DataFrame({"path": [path], "label": ["x"], "score": [0.5], "is_ood": [False], "error": [""]}, dtype=object)
    summary = predicted.Summary()
    summary.add(rows)
    assert path in predicted.block(summary)
