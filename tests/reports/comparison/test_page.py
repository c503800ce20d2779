"""The page of a comparison: whole, safe, and with the figures that its tables have."""

import re

import pandas as pd
import pytest

from tests.evaluation.made_up_comparison import comparison
from tests.reports.page import Page
from transfer.evaluation.learning_curves import summary
from transfer.evaluation.paired_differences import paired
from transfer.reports.comparison.page import render
from transfer.reports.comparison.text import paragraph

METHODS = {"frozen": {"1": 0.5, "10": 0.8, "all": 0.85}, "lenet": {"1": 0.3, "all": 0.95}}
Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def tables(methods: dict[str, dict[str, float]] | None = None, energy: str = "", seeds: int = 3) -> Tables:
    runs, predicted = comparison(methods or METHODS, energy=energy, seeds=seeds)
    return runs, summary(runs), paired(runs, predicted)


def words(source: str) -> str:
    return re.sub(r"\s+", " ", " ".join(Page(source).texts))


def test_the_page_is_whole_and_loads_nothing() -> None:
    source = render("clip art", *tables(energy="estimate"), config="methods: {}", facts={"data": "/images"})
    page = Page(source)
    assert page.open == [] or page.open == ["html"]
    assert "default-src 'none'" in source and "<script" not in source
    assert all(not value.startswith(("http", "//")) for name in ("src", "href") for value in page.values(name))
    compared = ["Accuracy", "Accuracy against images, time and energy", "Differences between the methods"]
    assert page.headings == [*compared, "How this was made", "Configuration"]
    assert "nan" not in " ".join(page.texts).lower().split()


def test_it_says_the_paragraph() -> None:
    made = tables()
    assert paragraph(*made) in words(render("clip art", *made))


def test_names_are_escaped() -> None:
    name = "<b>$x_1$ & co"
    source = render("<i>all</i>", *tables({name: METHODS["frozen"], "_lenet": METHODS["lenet"]}))
    assert "<b>" not in source and "<i>" not in source
    assert "&lt;b&gt;$x_1$ &amp; co" in source
    assert "_lenet" in source


def test_sizes_that_were_not_run_are_said_to_be() -> None:
    assert words(render("clip art", *tables())).count("not run") == 1 + 1, "in the table, and in the paragraph"


@pytest.mark.parametrize(("source", "said"), [("estimate", True), ("counter", False)])
def test_energy_that_is_estimated_is_said_to_be(source: str, said: bool) -> None:
    page = render("clip art", *tables(energy=source))
    assert "watt-hours of a run" in page
    assert ("watt-hours of a run (estimate)" in page) == said
    assert ("Wh (estimate)" in page) == said


def test_without_energy_there_is_no_figure_of_it() -> None:
    assert "watt-hours" not in render("clip art", *tables())


def test_all_stands_at_its_true_number() -> None:
    assert "(252)" in words(render("clip art", *tables()))


@pytest.mark.parametrize(("seeds", "there", "absent"), [(1, "McNemar", "Several seeds"), (3, "Several seeds", "McNemar")])
def test_the_test_that_was_used_is_explained(seeds: int, there: str, absent: str) -> None:
    page = words(render("clip art", *tables(seeds=seeds)))
    assert there in page and absent not in page


def test_one_method_has_a_page_without_differences() -> None:
    page = Page(render("clip art", *tables({"frozen": METHODS["frozen"]})))
    assert "Differences between the methods" not in page.headings
    assert page.tags.count("svg") == 2


def test_further_pairs_are_folded_away() -> None:
    many = {name: {"1": 0.4 + 0.1 * i} for i, name in enumerate("abcde")}
    page = render("clip art", *tables(many))
    assert "4 further pairs" in page
    assert page.index("d minus e") < page.index("a minus b"), "pairs with the best method come first"
    assert Page(page).tags.count("svg") == 2 + 10


def test_real_differences_are_marked_in_the_table() -> None:
    made = tables()
    page = Page(render("clip art", *made))
    assert page.values("class").count("real") == int((made[2]["p_adjusted"] < 0.05).sum()) == 2
