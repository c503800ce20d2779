"""What a notebook shows of a comparison and of a check: the figures, in words that are escaped."""

from pathlib import Path

from tests.evaluation.made_up_comparison import comparison
from tests.reports.made_up_findings import HOSTILE, filled
from tests.reports.page import Page
from transfer.evaluation.learning_curves import summary
from transfer.quality.findings import Findings
from transfer.reports import notebook


def texts(source: str) -> str:
    assert "<script" not in source and "<img" not in source and "<b>" not in source
    return " ".join(Page(source).texts)


def test_a_comparison_is_the_table_of_accuracies_and_the_paragraph() -> None:
    runs, _ = comparison({"<b>frozen": {"1": 0.5, "all": 0.85}, "lenet": {"1": 0.3}})
    failures = [{"run": HOSTILE[0], "reason": "too few images"}]
    shown = texts(notebook.comparison("art", summary(runs), "Frozen is best.", failures, Path("comparisons/art/report.html")))
    for text in ("Comparison art", "<b>frozen", "lenet", "±", "Frozen is best.", f"Failed: {HOSTILE[0]}: too few images", "report.html"):
        assert text in shown, text


def test_a_check_is_its_findings_the_most_urgent_first() -> None:
    shown = texts(notebook.check(HOSTILE[1], filled(HOSTILE, HOSTILE), ["Too many leaks."], Path("report.html")))
    assert shown.index("fix first") < shown.index("worth a look") < shown.index("no action needed")
    assert f"Check of {HOSTILE[1]}" in shown and "Not passed: Too many leaks." in shown and "Border colours" in shown
    assert "Nothing found by the checks that ran." in texts(notebook.check("data", Findings(), [], Path("report.html")))
