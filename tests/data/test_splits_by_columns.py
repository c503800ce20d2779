"""What is computed by columns is what loops over rows give, bit for bit: splits must never change."""

import hashlib
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data import plain_splits as plain
from transfer.config import DataConfig
from transfer.data import dataset as manifests
from transfer.data import groups, splits
from transfer.errors import DataError

LABELS = ("a", "b", "c", "\udce9", "'\\udce9'")  # a name that is not Unicode, and another that reads like its escaped form
GROUPS = ("", "", "", "", "x", "y", "z", "\udce9", "'\\udce9'")
SEEDS = st.integers(0, 5)

row = st.tuples(
    st.sampled_from(LABELS),
    st.sampled_from(("", "train", "train", "validation", "test")),
    st.sampled_from(GROUPS),
    st.sampled_from(("", "", "", "", "damaged: made up")),
    st.integers(0, 40),
)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Return a manifest whose index has gaps, with exact duplicates, groups, ready-made splits and skipped rows."""
    rows = draw(st.lists(row, min_size=1, max_size=50))
    grouped, divided = draw(st.booleans()), draw(st.booleans())
    made = []
    for number, (label, split, group, why, content) in enumerate(rows):
        digest, split, group = hashlib.sha256(b"%d" % content).hexdigest(), split if divided and not why else "", group if grouped else ""
        made.append((f"{number}.png", label, split, group, "skipped" if why else "used", why, "", "", digest, 9, "PNG", 1, 1, 0))
    index = np.sort(np.random.default_rng(draw(SEEDS)).choice(1000, len(made), replace=False))
    return pd.DataFrame(made, index, manifests.COLUMNS, dtype=object)


def outcome(call: Callable[..., pd.DataFrame], *arguments: object) -> list[list[object]] | str:
    try:
        table = call(*arguments)
    except DataError as error:
        return str(error)
    assert all(table[name].dtype == object for name in ("split", "status", "reason"))
    return [table.index.tolist(), *(table[name].tolist() for name in table)]


@settings(max_examples=150, deadline=None)
@given(tables(), st.sampled_from([0.05, 0.15, 0.4]), SEEDS, st.booleans(), st.sampled_from([None, 3, 4]))
def test_splits_are_those_of_the_loops(table: pd.DataFrame, share: float, seed: int, ready_made: bool, least: int | None) -> None:
    config = DataConfig(validation=share, test=0.15, min_per_class=least)
    ready_made = ready_made or bool((table["split"] != "").any())
    assert outcome(splits.divide, table, config, seed, ready_made) == outcome(plain.divide, table, config, seed, ready_made)


@settings(max_examples=100, deadline=None)
@given(tables(), SEEDS)
def test_each_step_is_that_of_the_loops(table: pd.DataFrame, seed: int) -> None:
    config, used = DataConfig(), manifests.used(table)
    assert groups.units(used).tolist() == plain.units(used).tolist()
    assert groups.units(used).index.equals(used.index) and groups.units(used).dtype == object
    assert list(groups.distinct(table).items()) == list(plain.distinct(table).items())
    assert outcome(splits._without_leaks, table) == outcome(plain._without_leaks, table)
    for step in ("_placed", "_carved"):
        assert outcome(getattr(splits, step), table, config, seed) == outcome(getattr(plain, step), table, config, seed)
    chosen = plain.assign(plain.by_class(used), 0.15, 0.15, seed)
    assert splits.assign(used["label"], groups.units(used), 0.15, 0.15, seed).tolist() == [chosen[unit] for unit in plain.units(used)]


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=5).filter(lambda text: text.isprintable())), st.integers(0, 2**31))
def test_positions_are_those_of_each(units: list[str], seed: int) -> None:
    assert splits.positions(units, seed).tolist() == [plain.position(unit, seed) for unit in units]


@given(tables(), st.data())
def test_skipped_rows_are_those_of_the_loop(table: pd.DataFrame, data: st.DataObject) -> None:
    reasons = data.draw(st.dictionaries(st.sampled_from(table.index.tolist()), st.sampled_from(["damaged", "vanished"])))
    assert outcome(manifests.skip, table, reasons) == outcome(plain.skip, table, reasons)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_texts_are_numbered_in_the_order_in_which_they_appear(count: int) -> None:
    values = [*LABELS[:count], *LABELS[:count][::-1]]
    numbers, names = groups.numbered(values)
    assert names == list(LABELS[:count]) and [names[number] for number in numbers] == values
