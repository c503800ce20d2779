"""The terminal's words on findings: the urgent first, at most 100 columns, no name that steers the terminal."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.reports.made_up_findings import HOSTILE, clean, filled, table
from transfer.quality.findings import COLUMNS, Findings
from transfer.reports.check.text import block, line
from transfer.reports.names import printable, shortened

CONFIG = Path("my runs/config.yaml")

MANY = [f"class {number}" for number in range(300)]
CASES = {
    "two classes": filled(labels=("cat", "dog")),
    "300 classes": filled(labels=MANY),
    "hostile": filled(HOSTILE, HOSTILE),
    "clean": clean(),
    "empty": Findings(),
}


@pytest.mark.parametrize("case", CASES)
def test_no_line_is_longer_than_100_columns(case: str) -> None:
    lines = (block(CASES[case], {"scan": 1.0}, None) + "\n" + line(CASES[case], CONFIG)).splitlines()
    assert {text for text in lines if cell_len(text) > 100} == set()


@pytest.mark.parametrize("case", CASES)
def test_whatever_the_names_are_only_plain_text_is_printed(case: str) -> None:
    text = block(CASES[case], None, Path(HOSTILE[4]), HOSTILE[3]) + line(CASES[case], CONFIG)
    assert text.replace("\n", "").isprintable()
    assert text.encode("utf-8")


def test_the_urgent_comes_first_and_duplicates_across_splits_are_marked() -> None:
    text = block(filled(), None, None)
    urgent = ["Fix first:", "ACROSS", "contradictions", "likely wrong labels", "leak:"]
    order = [*urgent, "Worth a look:", "outliers", "No action needed:", "Try next"]
    assert sorted(order, key=text.index) == order


def test_each_kind_is_counted_with_its_examples() -> None:
    text = block(filled(), None, None)
    assert "! " in text
    for expected in (
        " 4  pairs of near duplicates ACROSS splits",
        "0.999  cat/1.png (train) ~ dog/2.png (validation)",
        " 4  contradictions: the same file in several classes",
        "cat/1.png = dog/2.png",
        "cat/1.png: cat -> dog",
        "file size alone: accuracy 91.0 %; the largest class has 50.0 %; files larger than 12,345",
        "cat/1.png: 9.5 times the usual distance",
        " 4  truncated or broken: not used",
        " 4  animated: the first frame",
        "Not checked    Border colours were not looked at.",
    ):
        assert expected in text


def test_a_leak_is_one_and_properties_that_tell_nothing_are_not_named() -> None:
    text = block(filled(), None, None)
    assert " 1  leak: " in text
    assert "format alone" not in text


def test_a_few_of_many_suggestions_are_named() -> None:
    rows = [(f"a/{number}.png", "a", "test", "b", 0.1, 0.8) for number in range(50)]
    text = block(Findings(label_issues=table("label_issues", rows)), None, None)
    assert "50  likely wrong labels" in text
    assert text.count("a -> b") == 4


def test_a_class_that_a_split_lacks_is_named_where_the_data_was_divided() -> None:
    rows = [("cat", 20, 0.5, 16, 2, 2), ("dog\x1b", 20, 0.5, 18, 0, 2), ("empty", 0, 0.0, 0, 0, 0)]
    text = block(Findings(classes=table("classes", rows)), None, None)
    assert "The validation split has no image of 'dog\\x1b': its figures say nothing of this class." in text
    assert "test split" not in text and "'empty'" not in text
    undivided = [(label, images, share, 0, 0, 0) for label, images, share, *_ in rows]
    assert "has no image" not in block(Findings(classes=table("classes", undivided)), None, None)


def test_of_hundreds_of_classes_the_largest_and_smallest_are_listed() -> None:
    text = block(clean(MANY), None, None)
    listed = [number for number in range(300) if f"\nclass {number} " in text]
    assert listed == [0, 1, 2, 3, 4, 295, 296, 297, 298, 299]
    assert "... 290 more classes, of 2,950 to 60 images ..." in text
    assert "\n300 classes " in text


@pytest.mark.parametrize("count", [2, 20])
def test_a_few_classes_are_all_listed(count: int) -> None:
    text = block(clean(MANY[:count]), None, None)
    assert all(f"\nclass {number} " in text for number in range(count))
    assert "more classes" not in text


def test_nothing_found_is_said_plainly_and_only_of_checks_that_ran() -> None:
    assert "\nNothing found.\n" in block(clean(), None, None)
    assert "by the checks that ran" in block(Findings(["Outliers were not looked for."]), None, None)


def test_it_ends_with_the_report_the_seconds_and_commands_that_help() -> None:
    text = block(filled(), {"scan": 1.25, "features": 20.0}, Path("out/report.html"), "my data")
    *_, seconds, report, group, edit, again = text.splitlines()
    assert seconds == "Seconds        scan 1.2, features 20.0"
    assert report == "Report         out/report.html"
    assert group == "Try next       transfer fit 'my data' --group-by near-duplicates"
    assert edit.strip() == "transfer check 'my data' --write-manifest FILE.csv"
    assert again.strip().startswith("transfer fit FILE.csv")
    assert block(clean(), None, None, "d").splitlines()[-1] == "Try next       transfer fit d"


def test_fit_says_only_what_makes_its_figures_doubtful() -> None:
    text = " ".join(line(filled(), CONFIG).split())
    assert "4 pairs of near duplicates across splits, 4 contradictions, 4 likely wrong labels and 1 leak" in text
    assert "outlier" not in text
    *said, again = line(filled(), CONFIG).splitlines()
    assert len(said) <= 2
    assert again == "transfer check --config 'my runs/config.yaml'"


def test_fit_says_nothing_where_there_is_nothing() -> None:
    outliers = table("outliers", [("a/1.png", "a", "train", 3.0)])
    assert line(clean(), CONFIG) == line(Findings(), CONFIG) == line(Findings(outliers=outliers), CONFIG) == ""


def test_one_is_singular() -> None:
    pair = pd.DataFrame(filled().near_duplicates.head(1))
    assert "The data has 1 pair of near duplicates across splits." in line(Findings(near_duplicates=pair), CONFIG)


NAMES = st.text(st.characters(codec=None), max_size=60)


@settings(deadline=None, max_examples=200)
@given(NAMES, st.integers(8, 60))
def test_names_fit_and_keep_both_ends(name: str, width: int) -> None:
    shown = printable(name)
    short = shortened(shown, width)
    assert cell_len(short) <= width
    assert shown.encode("utf-8").decode() == shown
    assert "\n" not in shown
    if short != shown:
        head, _, tail = short.partition("...")
        assert shown.startswith(head)
        assert shown.endswith(short.rpartition("...")[2])
        assert tail or width < 9


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[1m", "\\x1b[1m"),
        ("caf\udce9", "caf\\xe9"),
        ("日本 é.png", "日本 é.png"),
        ("\u202e", "\\u202e"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_cannot_be_shown_is_escaped(name: str, shown: str) -> None:
    assert printable(name) == shown


def test_a_contradiction_shows_a_file_of_each_class() -> None:
    rows = [[0, f"{label}/{number}.png", label, "train", True] for label, number in (("cat", 1), ("cat", 2), ("dog", 3))]
    text = block(Findings(duplicates=pd.DataFrame(rows, columns=COLUMNS["duplicates"], dtype=object)), None, None)
    assert "cat/1.png = dog/3.png = 1 more" in text
