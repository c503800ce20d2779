"""What a run tells of the search that found its configuration, on the page and in the terminal."""

from pathlib import Path
from typing import Any

import pytest

from tests.reports.made_up_run import write_run
from tests.reports.page import Page
from tests.workflows.tuning.made_up import SPACE, search
from transfer.drafts import Draft
from transfer.reports.run import page
from transfer.reports.tuning import text
from transfer.reports.tuning.search import CAUTION, Search
from transfer.runs import TRIALS, TUNING, Run
from transfer.workflows.tuning import choice


def tuned(folder: Path, trials: int = 40, **facts: Any) -> Run:
    """A run that was found by a made-up search."""
    write_run(folder)
    found = search(folder.parent / "study.journal", trials)
    chosen = choice.choose(found, "one_standard_error")
    draft = Draft(folder)
    draft.write_table(TRIALS, choice.table(found, SPACE))
    content = {
        "trials": trials, "pruned": sum(one.score.pruned for one in found.trials), "out_of_time": False, "seconds": 12.3,
        "metric": "accuracy", "images": 120, "folds": 5, "repeats": 1, "choose": "one_standard_error", "best": chosen.best.number,
        "chosen": chosen.trial.number, "within_one_standard_error": chosen.within, "importances": choice.importances(found, SPACE),
    }  # fmt: skip
    draft.write_json(TUNING, content | facts)
    return Run(folder)


def test_the_page_shows_the_search_and_warns_of_its_figures(tmp_path: Path) -> None:
    run = tuned(tmp_path / "run")
    shown = page.render(run)
    words = " ".join(Page(shown).texts)
    search_of = Search.of(run)
    assert search_of is not None
    for sentence in (CAUTION, "The search that found this head", "The best trials", "Which settings mattered", "40 trials"):
        assert " ".join(sentence.split()) in " ".join(words.split())
    assert shown.count("<svg") >= 5
    assert 'class="chosen"' in shown


def test_a_run_without_a_search_has_no_such_section(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert Search.of(run) is None
    assert text.table(run) == ""
    assert "The search that found this head" not in page.render(run)


def test_the_table_has_the_best_ten_and_the_one_that_was_fitted(tmp_path: Path) -> None:
    run = tuned(tmp_path / "run")
    found = Search.of(run)
    assert found is not None
    rows = found.best
    assert 10 <= len(rows) <= 11
    assert rows[0].mark.startswith("best")
    assert sum("fitted" in row.mark for row in rows) == 1
    lines = text.table(run)
    assert "optimistic" in lines
    assert "accuracy (95 %)" in lines
    assert "inverse_penalty" not in lines or "linear" in lines
    fitted = next(row.settings for row in rows if "fitted" in row.mark)
    assert f"Fitted: {fitted}." in " ".join(lines.split())
    assert all(len(line) <= 100 for line in lines.splitlines())


def test_the_page_leads_to_the_search_and_lets_long_lists_of_cut_points_break(tmp_path: Path) -> None:
    run = tuned(tmp_path / "run", 8)  # all of them are in the table
    shown = page.render(run)
    assert '<a href="#search">' in shown
    assert "block4_pool+<wbr>block5_pool" in shown
    assert '<a href="#search">' not in page.render(write_run(tmp_path / "other"))


def test_few_trials_say_that_importances_cannot_be_told(tmp_path: Path) -> None:
    run = tuned(tmp_path / "run", 4)
    assert "Too few trials finished" in page.render(run)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"out_of_time": True}, "The time was up"),
        ({"repeats": 3}, "3 times 5-fold"),
        ({"best": 7, "chosen": 7, "choose": "best"}, "Trial 7, the best, was fitted: the rule asked for it."),
        ({"best": 7, "chosen": 7}, "none within one standard error of it is simpler"),
        ({"best": 7, "chosen": 3, "within_one_standard_error": 5}, "Trial 3 was fitted: of the 5 within one standard error"),
    ],
)
def test_the_sentence(tmp_path: Path, facts: dict[str, Any], words: str) -> None:
    found = Search.of(tuned(tmp_path / "run", 12, **facts))
    assert found is not None
    assert words in found.sentence
