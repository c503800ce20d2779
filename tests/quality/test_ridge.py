"""The ridge regression without each row's group, against a fit for each group."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.quality import ridge
from transfer.quality.vectors import standardized


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 30), st.integers(1, 40), st.integers(1, 12), st.integers(0, 99), st.booleans())
def test_scores_are_those_of_a_classifier_fitted_without_the_row_and_its_group(
    n: int, width: int, count: int, seed: int, some: bool
) -> None:
    """Against a fit for each group, of an intercept that is not penalised, with more features than rows and fewer."""
    random = np.random.default_rng(seed)
    table, labels = standardized(random.normal(size=(n, width))), random.integers(0, 3, n)
    groups = random.integers(0, count, n)
    groups[:2] = [0, 1]
    fitted = random.random(n) < 0.7 if some else np.ones(n, bool)
    fitted[:2] = True
    if some:  # the intercept is the mean of the fitted rows where these have the mean of all
        table -= table[fitted].mean(axis=0)
    received = ridge.without_own_group(table, labels, groups, fitted, penalty=3.0)
    for group in np.unique(groups):
        rest = fitted & (groups != group)
        if rest.sum() < 3:  # rounding of the common fit shows where a group is nearly all of it
            continue
        truth = np.eye(labels.max() + 1)[labels[rest]]
        with_one = np.column_stack([table[rest], np.ones(rest.sum())]).astype(np.float64)
        penalty = np.diag([3.0] * width + [0.0])
        weights = np.linalg.solve(with_one.T @ with_one + penalty, with_one.T @ truth)
        expected = np.column_stack([table, np.ones(n)])[groups == group] @ weights
        np.testing.assert_allclose(received[groups == group], expected, atol=0.01)


@pytest.mark.parametrize("block", [1, 3, 100])
def test_groups_stay_whole_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    random = np.random.default_rng(0)
    table, labels, groups = standardized(random.normal(size=(60, 5))), random.integers(0, 3, 60), random.integers(0, 25, 60)
    whole = ridge.without_own_group(table, labels, groups, np.ones(60, bool), 1.0)
    monkeypatch.setattr(ridge, "_BLOCK", block)
    np.testing.assert_allclose(ridge.without_own_group(table, labels, groups, np.ones(60, bool), 1.0), whole, atol=1e-4)
    rows = np.flatnonzero(np.bincount(groups)[groups] > 1)
    parts = [part for some, ends in ridge._whole_groups(rows, groups) for part in np.split(some, ends)]
    assert sorted(groups[part[0]] for part in parts) == sorted(set(groups[rows]))
    assert sorted(np.concatenate(parts)) == rows.tolist()
