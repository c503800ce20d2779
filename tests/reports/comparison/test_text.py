"""The paragraph and the table of a comparison, checked by hand."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

from tests.evaluation.made_up_comparison import comparison
from transfer.evaluation.learning_curves import summary
from transfer.evaluation.paired_differences import paired
from transfer.reports.comparison.text import block, paragraph

Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
FROZEN = {"1": 0.5, "10": 0.8, "all": 0.85}
LENET = {"1": 0.3, "10": 0.6, "all": 0.95}


def tables(accuracies: Mapping[str, Mapping[str, float]], reference: str | None = None, **options: Any) -> Tables:
    runs, predicted = comparison(accuracies, **({"noise": 0.0} | options))
    return runs, summary(runs), paired(runs, predicted, reference)


def test_the_whole_paragraph_of_a_crossing() -> None:
    """20 points of 400 images are 80 discordant ones on one side; with 2 more: 80/402 +- 1.96 sqrt((82/402 - (80/402)^2) / 402)."""
    told = paragraph(*tables({"frozen": FROZEN, "lenet": LENET}, seconds={"frozen": 20, "lenet": 50}, energy="estimate"))
    found = re.search(r"frozen is better with 1 to 10 images per class, by 20\.0 points \(([\d.]+) to ([\d.]+)\) with 1 image per", told)
    first, *_ = told.split(". ")
    assert all(fact in first for fact in ("2 methods", "3 sizes from 1 to 252 images per class", "5 seeds", "same 400 test images"))
    assert "With 1 image per class frozen has the highest accuracy, 50.0 % (the same with each seed)." in told
    assert "With all images (252 per class) lenet has the highest accuracy, 95.0 % (the same with each seed)." in told
    assert "lenet is better with all images (252 per class), by 10.0 points" in told
    assert "Transfer does not help with all images (252 per class): there a network trained from scratch is better" in told
    assert "A run with all images (252 per class) takes 20.0 s in all with frozen; lenet 50.0 s (2.5 times)." in told
    assert "0.20 Wh with frozen and 0.50 Wh with lenet (an estimate:" in told
    assert "The extra cost of lenet over frozen buys 10.0 points" in told
    assert told.endswith("better means p adjusted for 3 comparisons (Holm) below 0.05.")
    assert "nan" not in told
    assert found and [float(end) for end in found.groups()] == pytest.approx([15.9, 23.9], abs=0.2)


def test_what_always_naming_the_most_frequent_class_would_give_is_said() -> None:
    runs, means, pairs = tables({"frozen": {"10": 0.8}, "tuned": {"10": 0.9}})
    runs = runs.assign(majority=0.9965, majority_class="healthy")
    told = paragraph(runs, means, pairs)
    assert "always on the same 400 test images, of which always answering 'healthy' would get 99.65 % right." in told


def test_three_methods_are_ranked_with_what_is_sure() -> None:
    told = paragraph(*tables({"frozen": {"10": 0.9}, "tuned": {"10": 0.905}, "lenet": {"10": 0.6}}))
    assert "tuned has the highest accuracy, 90.5 % (the same with each seed);" in told
    assert "; it is better than lenet and cannot be told apart from frozen." in told
    sure = paragraph(*tables({"frozen": {"10": 0.8}, "tuned": {"10": 0.9}, "lenet": {"10": 0.6}}))
    assert "and is better than every other method." in sure


def test_with_a_reference_nothing_is_claimed_of_other_pairs() -> None:
    told = paragraph(*tables({"frozen": {"10": 0.8}, "tuned": {"10": 0.9}, "lenet": {"10": 0.6}}, reference="lenet"))
    assert "it is better than lenet and was not compared with frozen." in told
    assert "frozen and tuned:" not in told and "over frozen" not in told


def test_with_a_reference_each_pair_has_a_sentence() -> None:
    many = {name: {"1": 0.4 + 0.1 * i} for i, name in enumerate("abcde")}
    told = paragraph(*tables(many, reference="b"))
    assert all(f"{better} is better with 1 image per class, by" in told for better in "bcde")
    assert "further pair" not in told


def test_methods_that_are_exactly_alike_share_the_first_place() -> None:
    told = paragraph(*tables({"frozen": {"10": 0.8}, "tuned": {"10": 0.8}}))
    assert "frozen and tuned share the highest accuracy, 80.0 %." in told
    assert "frozen and tuned: no difference can be told with 10 images per class (the same accuracy" in told
    assert "buys" not in told


def test_one_seed_is_said_to_be_one() -> None:
    told = paragraph(*tables({"frozen": {"10": 0.9}, "tuned": {"10": 0.91}}, seeds=1))
    assert "with 1 seed," in told
    assert "Only one seed was run: the intervals cover the choice of test images," in told
    assert "with 95 % intervals over test images;" in told
    assert "better means p below 0.05" in told, "one comparison needs no adjustment"


def test_two_seeds_are_said_to_be_few() -> None:
    assert "Two seeds say little" in paragraph(*tables({"frozen": FROZEN, "lenet": LENET}, seeds=2))


def test_one_method_is_not_compared() -> None:
    told = paragraph(*tables({"frozen": FROZEN}))
    assert told.startswith("1 method was run at 3 sizes")
    assert "With all images (252 per class) frozen has an accuracy of 85.0 %" in told
    assert told.endswith("With one method there is nothing to compare.")
    assert "better" not in told and "takes" not in told


def test_sizes_and_seeds_that_are_missing_are_named() -> None:
    without = [("lenet", "1", seed) for seed in range(5)] + [("frozen", "all", 4)]
    told = paragraph(*tables({"frozen": FROZEN, "lenet": LENET}, without=without))
    assert "lenet was not run with 1 image per class." in told
    assert "Only frozen was run with 1 image per class: 50.0 %" in told
    assert "Runs are missing: frozen with all images (252 per class) has 4 of 5 seeds." in told


def test_runs_without_a_common_seed_are_not_compared() -> None:
    told = paragraph(*tables({"frozen": {"1": 0.5}, "lenet": {"1": 0.3}}, seeds=2, without=[("frozen", "1", 0), ("lenet", "1", 1)]))
    assert told.endswith("No two methods have runs of the same size and seed to compare.")


@pytest.mark.parametrize(
    ("lenet", "expected"),
    [
        ({"1": 0.7, "10": 0.9}, "Transfer does not help at any size: there a network trained from scratch is better"),
        ({"1": 0.5, "10": 0.8}, "Whether transfer helps at any size cannot be told."),
        ({"1": 0.3, "10": 0.5}, ""),
    ],
)
def test_where_transfer_does_not_help_is_said(lenet: dict[str, float], expected: str) -> None:
    told = paragraph(*tables({"frozen": {"1": 0.5, "10": 0.8}, "lenet": lenet}))
    assert expected in told
    assert ("ransfer" in told) == bool(expected)


def test_scratch_must_beat_every_transferred_network() -> None:
    told = paragraph(*tables({"frozen": {"10": 0.6}, "tuned": {"10": 0.9}, "lenet": {"10": 0.8}}))
    assert "ransfer" not in told


def test_costs_that_are_alike_are_said_to_be() -> None:
    told = paragraph(*tables({"frozen": FROZEN, "lenet": LENET}, seconds={"frozen": 20, "lenet": 21}, energy="counter"))
    assert "lenet 21.0 s (about the same)." in told
    assert "estimate" not in told and "extra cost" not in told


def test_a_dearer_method_without_a_real_gain_is_said_to_gain_nothing() -> None:
    told = paragraph(*tables({"frozen": {"10": 0.9}, "tuned": {"10": 0.905}}, seconds={"frozen": 20, "tuned": 500}))
    assert "tuned 500 s (25 times)" in told
    assert "The extra cost of tuned over frozen buys no difference that can be told." in told


def test_of_many_pairs_those_with_the_best_have_a_sentence() -> None:
    many = {name: {"1": 0.4 + 0.1 * i, "10": 0.4 + 0.1 * i} for i, name in enumerate(["a", "b", "c", "d"])}
    told = paragraph(*tables(many))
    assert all(f"{other} and d: d is better at every size" in told for other in "abc")
    assert "a and b:" not in told
    assert "The table has 3 further pairs." in told


def test_differences_lost_among_many_are_counted_with_what_helps() -> None:
    """8 discordant images, all on one side: p is 2 / 2^8 = 0.008, and 0.055 after adjustment for 7."""
    runs, means, pairs = tables({"frozen": {"1": 0.9}, "tuned": {"1": 0.92}}, seeds=1)
    assert "significant alone" not in paragraph(runs, means, pairs)
    pairs["p_adjusted"] = 7 * pairs["p"]
    assert "1 difference would be significant alone but not among so many: more seeds would help." in paragraph(runs, means, pairs)
    runs, means, pairs = tables({"frozen": {"1": 0.9}, "tuned": {"1": 0.92}, "lenet": {"1": 0.5}}, seeds=1)
    pairs["p_adjusted"] = 1.0
    assert "more seeds or a reference (fewer comparisons) would help." in paragraph(runs, means, pairs)


def test_the_block_shows_each_accuracy_and_fits_the_width() -> None:
    runs, means, pairs = tables({"frozen": FROZEN, "lenet": {"1": 0.3, "all": 0.95}}, seeds=1)
    shown = block(runs, means, pairs, width=72)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 72
    assert "all (252)" in lines[0]
    assert lines[1].split()[:2] == ["frozen", "50.0"] and "85.0 ±3.5" in shown
    assert "-" in lines[2].split(), "lenet was not run with 10"
    assert "133,000" in shown and "61,706" in shown
    assert " ".join(lines[lines.index("", 5) :]).find("2 methods were compared") >= 0


@pytest.mark.parametrize("width", [40, 60, 100])
def test_a_narrow_terminal_gets_the_table_in_pieces(width: int) -> None:
    long = "a_method_with_a_name_that_is_longer_than_all"
    shown = block(*tables({long: dict.fromkeys(("1", "2", "5", "10", "25", "100", "all"), 0.5), "lenet": LENET}), width=width)
    assert max(map(len, (line for line in shown.splitlines() if long not in line))) <= width
    assert shown.count("images per class  ") >= 1 and shown.count("50.0 ±0.0") == 7
