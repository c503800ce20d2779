"""The test images that a person should see are chosen by the predictions."""

from pathlib import Path

import numpy as np
import pandas as pd

from tests.reports.made_up_findings import table
from tests.reports.made_up_run import write_run
from transfer.drafts import Draft
from transfer.evaluation import predictions
from transfer.quality.findings import Findings
from transfer.reports.run.gallery import MISTAKES, choose, near_copies
from transfer.runs import PREDICTIONS, Run

CLASSES = ["red", "green", "blue"]


def run_with(folder: Path, rows: list[tuple[str, list[float]]]) -> Run:
    """Return a run whose test images have these labels and probabilities; their paths are their numbers."""
    run = write_run(folder)
    values = np.array([probabilities for _, probabilities in rows], np.float32)
    facts = {
        "path": [f"{number}.png" for number in range(len(rows))], "split": "test", "label": [label for label, _ in rows],
        "predicted": [CLASSES[number] for number in values.argmax(1)],
    }  # fmt: skip
    Draft(run.path).write_table(PREDICTIONS, predictions.table(pd.DataFrame(facts, dtype=object), values, CLASSES))
    return Run(run.path)


def test_mistakes_come_with_the_confident_first(tmp_path: Path) -> None:
    rows = [("red", [0.9, 0.1, 0.0]), ("red", [0.2, 0.7, 0.1]), ("green", [0.0, 0.05, 0.95]), ("blue", [0.4, 0.3, 0.3])]
    found = choose(run_with(tmp_path / "run", rows))
    assert [(one.path, one.label, one.predicted) for one in found.mistakes] == [
        ("2.png", "green", "blue"), ("1.png", "red", "green"), ("3.png", "blue", "red"),
    ]  # fmt: skip
    assert found.mistaken == 3
    assert found.mistakes[0].score == np.float32(0.95) and found.mistakes[0].of_label == np.float32(0.05)


def test_of_each_class_the_confident_are_right_and_the_most_uncertain_are_others(tmp_path: Path) -> None:
    rows = [("red", [score, 1 - score, 0.0]) for score in (0.9, 0.6, 0.8, 0.7, 0.55, 0.99)] + [("green", [0.95, 0.05, 0.0])]
    red, green, blue = choose(run_with(tmp_path / "run", rows)).classes
    assert [one.path for one in red.confident] == ["5.png", "0.png", "2.png"]
    assert [one.path for one in red.uncertain] == ["4.png", "1.png", "3.png"]
    assert (green.confident, [one.path for one in green.uncertain]) == ([], ["6.png"])
    assert (blue.confident, blue.uncertain) == ([], [])


def test_only_so_many_mistakes_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    found = choose(run_with(tmp_path / "run", [("red", [0.1, 0.9, 0.0])] * (MISTAKES + 5)))
    assert len(found.mistakes) == MISTAKES and found.mistaken == MISTAKES + 5
    assert {one.path for one in found.plain()} == {"0.png", "1.png", "2.png"}


def test_a_run_without_a_mistake_has_none(tmp_path: Path) -> None:
    found = choose(run_with(tmp_path / "run", [("blue", [0.0, 0.1, 0.9])]))
    assert (found.mistakes, found.mistaken, found.left_out) == ([], 0, 0)


def test_of_near_copies_only_the_first_is_shown_with_their_number(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    wrong = choose(run).mistakes
    assert [one.images for one in wrong] == [1, 1]
    copies = choose(run, {one.path: "near 0" for one in wrong}).mistakes
    assert [(one.path, one.images) for one in copies] == [(wrong[0].path, 2)]


def test_near_copies_are_named_by_their_set_and_exact_ones_belong_to_it() -> None:
    findings = Findings(
        near_duplicates=table("near_duplicates", [(7, "a", "x", "test", "b", "x", "test", 0.99, False)]),
        duplicates=table("duplicates", [(0, "b", "x", "test", False), (0, "c", "x", "test", False), (1, "d", "x", "test", False)]),
    )
    assert near_copies(findings) == {"a": "near 7", "b": "near 7", "c": "near 7", "d": "same 1"}
    assert near_copies(None) == {}
