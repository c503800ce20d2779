"""Each class taken for a new one: what is left out, what the figures are of, and where there are none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.evaluation import ood
from transfer.evaluation.ood import Reference
from transfer.evaluation.ood_new_classes import new_classes


def rows_of(labels: list[int], apart: float, seed: int = 0, width: int = 8) -> np.ndarray:
    """Rows of length 1; those of a class lie around a direction of its own."""
    centres = np.random.default_rng(99).normal(size=(200, width)) * apart
    rows = centres[np.array(labels, int)] + np.random.default_rng(seed).normal(size=(len(labels), width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def names_of(labels: list[int]) -> np.ndarray:
    return np.array([f"class {label}" for label in labels], object)


def reference_of(labels: list[int], apart: float = 1.0, neighbours: int = 2) -> Reference:
    paths = [f"{number}.png" for number in range(len(labels))]
    return Reference(rows_of(labels, apart, 1), paths, list(names_of(labels)), neighbours, 0.1, [b""] * len(labels))


some_labels = st.lists(st.integers(0, 4), min_size=1, max_size=40)


@given(some_labels, some_labels, st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_the_figures_are_those_of_a_reference_without_the_class(known: list[int], labels: list[int], neighbours: int) -> None:
    reference, names, rows = reference_of(known, neighbours=neighbours), names_of(labels), rows_of(labels, 1.0, 2)
    found = new_classes(reference, rows, names, 0.1, 0)
    expected = {}
    for name in set(names):
        left, is_new = reference.embeddings[np.array(reference.labels) != name], names == name
        if len(left) and not is_new.all():
            limit = ood.threshold(left, ood.distances(left, rows[~is_new], neighbours), neighbours, 0.1)
            own, new = (ood.distances(left, part, neighbours) / limit for part in (rows[~is_new], rows[is_new]))
            expected[name] = ood.against(own, new)
    assert set(found.get("per_class", {})) == set(expected)
    for name, facts in expected.items():
        assert found["per_class"][name] == pytest.approx(facts, abs=1e-6)
    if expected:
        images = sum(facts["images"] for facts in expected.values())
        assert (found["images"], found["classes"]) == (images, len(expected))
        assert found["flagged"] == pytest.approx(sum(facts["flagged"] * facts["images"] for facts in found["per_class"].values()) / images)


def test_classes_that_lie_apart_are_found_and_those_that_overlap_are_not() -> None:
    labels = list(range(5)) * 30
    apart, same = (new_classes(reference_of(labels, far), rows_of(labels, far, 2), names_of(labels), 0.05, 0) for far in (20.0, 0.0))
    assert apart["auroc"] > 0.99 and apart["flagged"] > 0.95
    assert 0.4 < same["auroc"] < 0.6 and same["flagged"] < 0.2
    assert apart["images"] == 150 and apart["classes"] == 5


@pytest.mark.parametrize(("known", "labels"), [([0, 1], []), ([0, 1], [1, 1]), ([0, 0], [0, 0])])
def test_without_two_classes_there_are_no_figures(known: list[int], labels: list[int]) -> None:
    assert new_classes(reference_of(known), rows_of(labels, 1.0), names_of(labels), 0.05, 0) == {}


def test_of_many_classes_some_are_drawn_and_the_same_each_time() -> None:
    labels = list(range(150)) * 2
    first, second = (new_classes(reference_of(labels), rows_of(labels, 1.0, 2), names_of(labels), 0.05, 3) for _ in range(2))
    assert first == second and first["classes"] == 100 and first["images"] == 200
