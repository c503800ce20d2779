"""Findings: limits for the continuous integration of a data set."""

import pandas as pd
import pytest

from transfer.config import CheckConfig
from transfer.quality.findings import COLUMNS, Findings


def findings(**tables: list[list[object]]) -> Findings:
    """Return findings about 98 used images."""
    made = {"classes": [["a", 50, 0.5, 50, 0, 0], ["b", 48, 0.5, 48, 0, 0]], **tables}
    return Findings(**{name: pd.DataFrame(rows, columns=COLUMNS[name], dtype=object) for name, rows in made.items()})


CONTRADICTION = [[0, "a/1", "a", "train", True], [0, "b/1", "b", "train", True]]
ACROSS = [[0, "a/1", "a", "train", "a/2", "a", "test", 0.999, True], [0, "a/1", "a", "train", "a/3", "a", "train", 0.998, False]]
CASES = {
    "max_unusable": {"kinds": [["empty", 2, "not used"], ["animated", 5, "used: the first frame"]]},
    "max_contradictions": {"duplicates": [*CONTRADICTION, [1, "a/5", "a", "train", False], [1, "a/6", "a", "train", False]]},
    "max_across": {"near_duplicates": ACROSS},
    "max_label_issues": {"label_issues": [[f"a/{number}", "a", "train", "b", 0.1, 0.9] for number in range(6)]},
    "max_leaks": {"leaks": [["format", 0.9, 0.5, True, "x"], ["width", 0.5, 0.5, False, ""]]},
}
FOUND = {"max_unusable": 0.02, "max_contradictions": 1, "max_across": 1, "max_label_issues": 6 / 98, "max_leaks": 1}


@pytest.mark.parametrize("limit", CASES)
def test_each_limit_has_its_own_sentence_with_the_key(limit: str) -> None:
    sentences = findings(**CASES[limit]).exceeded(CheckConfig())
    assert len(sentences) == 1
    assert f"(check.{limit})" in sentences[0]


@pytest.mark.parametrize("limit", CASES)
def test_what_equals_the_limit_is_allowed(limit: str) -> None:
    assert findings(**CASES[limit]).exceeded(CheckConfig(**{limit: FOUND[limit]})) == []


def test_clean_data_passes() -> None:
    assert findings().exceeded(CheckConfig()) == []
    assert Findings().exceeded(CheckConfig()) == []
