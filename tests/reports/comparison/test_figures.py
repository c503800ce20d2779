"""What the figures of a comparison show, as their text and marks say."""

import re
import xml.etree.ElementTree as ElementTree

import pandas as pd
import pytest

from tests.evaluation.made_up_comparison import comparison
from transfer.evaluation.learning_curves import summary
from transfer.evaluation.paired_differences import paired
from transfer.reports.comparison import figures

SIZES = {"1": 0.3, "2": 0.4, "5": 0.5, "10": 0.6, "25": 0.7, "100": 0.8, "all": 0.9}
MANY = {f"method {i}": SIZES for i in range(12)}


def made(**methods: dict[str, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    runs, predicted = comparison(methods, seeds=3, energy="counter")
    return summary(runs), paired(runs, predicted)


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()).strip() for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def test_every_size_has_its_name_and_all_its_number() -> None:
    shown = texts(figures.learning_curves(made(frozen=SIZES)[0]))
    assert [name for name in shown if name in SIZES or name == "(252)"] == ["1", "2", "5", "10", "25", "100", "all", "(252)"]


def test_names_of_sizes_that_lie_too_near_to_another_are_left_out_but_never_all() -> None:
    means = made(frozen=SIZES)[0]
    means.loc[means["size"] == "all", "images_per_class"] = 104.0
    shown = texts(figures.learning_curves(means))
    assert "all" in shown and "(104)" in shown and "100" not in shown


@pytest.mark.parametrize("draw", [figures.learning_curves, figures.against_seconds, figures.against_energy])
def test_each_method_is_in_the_legend(draw: object) -> None:
    shown = texts(draw(made(frozen=SIZES, _tuned=SIZES, lenet={"1": 0.2})[0]))  # type: ignore[operator]
    assert [name.lstrip("\u200b") for name in shown[-3:]] == ["frozen", "_tuned", "lenet"]


def test_methods_differ_in_more_than_colour() -> None:
    means = summary(comparison(MANY, seeds=1)[0])
    styles = [style for _, _, style in figures._methods(means, means)]
    assert len({(style["color"], style["marker"]) for style in styles}) == 12
    assert len({style["marker"] for style in styles[:9]}) == 9


def test_a_method_looks_alike_in_all_figures() -> None:
    means, _ = made(frozen=SIZES, lenet=SIZES)
    some = means[means["method"] == "lenet"]
    [(_, _, style)] = figures._methods(some, means)
    assert style["color"] == list(figures._methods(means, means))[1][2]["color"]


def test_energy_that_was_not_measured_gives_no_figure() -> None:
    means, _ = made(frozen=SIZES)
    assert figures.against_energy(means.assign(energy_wh=float("nan"))) == ""


def test_one_size_and_one_seed_can_be_drawn() -> None:
    runs, predicted = comparison({"frozen": {"10": 0.9}, "lenet": {"10": 0.9}}, seeds=1, noise=0)
    means = summary(runs)
    assert "10" in texts(figures.learning_curves(means))
    assert "10" in texts(figures.differences(paired(runs, predicted), "frozen", "lenet"))


def test_what_is_real_is_filled_and_what_is_not_is_hollow() -> None:
    _, pairs = made(frozen={"1": 0.8, "10": 0.8, "all": 0.8}, lenet={"1": 0.5, "10": 0.8, "all": 0.95})
    drawn = figures.differences(pairs, "frozen", "lenet")
    blue, red, hollow = (len(re.findall(f"<use [^>]*style=\"fill: var.--{colour}[^;]*; stroke: var.--{edge}", drawn)) for colour, edge in
                         (("series-1", "series-1"), ("series-2", "series-2"), ("back", "quiet")))  # fmt: skip
    assert (blue, red, hollow) == (1, 1, 1)


def test_a_difference_is_drawn_from_either_side() -> None:
    _, pairs = made(frozen={"1": 0.8}, lenet={"1": 0.5})
    assert "#0072b2" in figures.differences(pairs, "frozen", "lenet")
    assert "#d55e00" in figures.differences(pairs, "lenet", "frozen")
