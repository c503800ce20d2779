"""The terminal's text on a run, on cut points, and on several runs."""

from pathlib import Path

import pandas as pd
import pytest
from rich.cells import cell_len

from tests.reports.made_up_run import write_run
from transfer.reports.run import text


def test_the_block_says_what_a_person_wants_to_know(tmp_path: Path) -> None:
    run = write_run(tmp_path / "my run", ("a", "b", "c"))
    block = text.block(run)
    low, high = run.metrics["test"]["accuracy_ci95"]
    assert f"Test accuracy  0.333 (95 %: {low:.3f} to {high:.3f}) on 3 images" in block
    assert "Worst classes  a 0.00, c 0.00, b 1.00 (recall)" in block
    assert "2 (1 damaged, 1 not an image)" in block
    assert "scan 0.5, total 61.2" in block
    assert f"transfer serve '{run.path}'" in block
    assert "found: handwritten digits (90.0 %); not found: new classes that look like these (20.0 %)" in " ".join(block.split())
    assert str(run.export) in block


def test_two_runs_stand_side_by_side(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name) for name in ("short", "a longer name")]
    head, *lines = text.side_by_side(runs).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["short", "a longer name"]
    assert head.index("macro F1") <= lines[0].index("0.333", 30) + 8
    assert all("1,000" in line for line in lines)


def test_the_chosen_cut_point_is_marked() -> None:
    marked = [line for line in text.cut_points(_cut_points()).splitlines() if "<- chosen" in line]
    assert len(marked) == 1
    assert "block2_pool" in marked[0]


@pytest.mark.parametrize(
    ("flagged", "expected"),
    [(1.0, "found"), (0.9, "found"), (0.89, "partly found"), (0.5, "partly found"), (0.49, "not found"), (0.0, "not found")],
)
def test_detection_is_judged_by_the_share_that_is_found(flagged: float, expected: str) -> None:
    facts = {"images": 30, "flagged": flagged, "auroc": 0.987}
    assert text.judged(facts) == expected
    said = text.other_data("photographs", facts)
    assert f"30 images of photographs: {expected} ({100 * flagged:.1f} % called out of distribution, AUROC 0.987)" in said


def test_names_of_other_data_are_made_printable(tmp_path: Path) -> None:
    assert "\x1b" not in text.other_data("a\x1b[31mb", {"images": 1, "flagged": 1.0, "auroc": 1.0})


def test_what_is_found_partly_found_and_not_found_is_said_in_this_order(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    run.metrics["ood"]["others"] |= {
        "fog": {"images": 3, "auroc": 0.4, "flagged": 0.1},
        "x-rays": {"images": 3, "auroc": 0.9, "flagged": 0.6},
    }
    said = " ".join(text.block(run).split())
    assert "found: handwritten digits (90.0 %); partly found: x-rays (60.0 %); not found: fog (10.0 %), new classes" in said


def test_where_the_network_was_trained_on_the_classes_their_share_is_a_bound(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    run.metrics["ood"]["new_classes"]["at_most"] = True
    assert "not found: new classes that look like these (at most 20.0 %)" in " ".join(text.block(run).split())


@pytest.mark.parametrize("new", [{"new_classes": {}}, {}])
def test_without_other_data_nothing_is_said_of_it(tmp_path: Path, new: dict[str, object]) -> None:
    run = write_run(tmp_path / "run")
    del run.metrics["ood"]["new_classes"]  # as in runs made before there were these figures
    run.metrics["ood"] |= {"others": {}} | new
    assert "OOD" not in text.block(run)


def _cut_points() -> pd.DataFrame:
    facts = {"cut": ["block1_pool", "block2_pool"], "features": [64, 128], "cv_accuracy": [0.5, 0.75]}
    return pd.DataFrame({**facts, "standard_error": [0.1, 0.05], "chosen": [False, True]})


LONG = "a plant that somebody described at length, with its family and order and where it was found, " * 5


@pytest.mark.parametrize("width", [80, 100])
def test_lines_fit_the_terminal_and_long_names_are_shortened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    run = write_run(tmp_path / "run", [LONG, "\u732b" * 80, "c\x1b"])
    run.metrics["timing"] |= {f"a step of some length {number}": 12.3 for number in range(12)}
    facts, places = text.block(run).split("\n\nSavedModel")
    assert max(cell_len(line) for line in facts.splitlines()) <= width
    assert "a step of some length 11 12.3" in " ".join(facts.split())
    assert "a plant that som..." in facts and "\x1b" not in facts and LONG not in facts
    assert str(run.report) in places
