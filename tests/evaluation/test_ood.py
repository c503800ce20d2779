"""The distance to the training images: the nearest, the threshold, the sample, and its file."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.errors import RunError
from transfer.evaluation import ood
from transfer.evaluation.ood import Reference


def unit(count: int, width: int = 6, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def made(count: int = 5, neighbours: int = 2) -> Reference:
    names = [f"a/{number}.png" for number in range(count)]
    thumbnails = [bytes([number]) * number for number in range(count)]
    return Reference(ood.rounded(unit(count)), names, ["a"] * count, neighbours, 0.2, thumbnails)


@given(st.integers(1, 40), st.integers(0, 30), st.integers(1, 50), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_distances_are_those_to_the_nearest(count: int, asked: int, neighbours: int, seed: int) -> None:
    training, rows = unit(count, seed=seed), unit(asked, seed=seed + 1)
    received = ood.distances(training, rows, neighbours)
    expected = [np.sort(1 - training.astype(float) @ row)[:neighbours].mean() for row in rows.astype(float)]
    np.testing.assert_allclose(received, expected, atol=1e-5)


@given(st.integers(1, 40), st.integers(0, 30), st.integers(1, 50), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_neighbours_are_the_rows_that_the_distance_is_the_mean_of(count: int, asked: int, neighbours: int, seed: int) -> None:
    training, rows = unit(count, seed=seed), unit(asked, seed=seed + 1)
    found = ood.neighbours_of(training, rows, neighbours)
    assert found.shape == (asked, min(count, neighbours))
    means = [(1 - training[near] @ row).mean() for near, row in zip(found, rows, strict=True)]
    np.testing.assert_allclose(ood.distances(training, rows, neighbours), means, atol=1e-5)


@given(st.integers(20, 200), st.floats(0.01, 0.5), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_at_most_the_stated_share_of_the_validation_images_lies_above_the_threshold(count: int, share: float, seed: int) -> None:
    training, validation = unit(30, seed=seed), unit(count, seed=seed + 1)
    found = ood.distances(training, validation, 3)
    limit = ood.threshold(training, found, 3, share)
    above = (found > limit).mean()
    assert share - 2 / count <= above <= share


def test_duplicates_alone_leave_a_threshold_above_zero() -> None:
    training = unit(3)
    assert 0 < ood.threshold(training, ood.distances(training, training, 1), 1, 0.05) < 1e-3


def test_without_validation_images_the_training_images_judge_each_other() -> None:
    assert ood.threshold(unit(30), np.empty(0, np.float32), 3, 0.05) > 0.01


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(1, 40), st.integers(0, 100))
@settings(max_examples=100, deadline=None)
def test_a_sample_takes_equally_many_of_each_class_as_far_as_there_are(labels: list[int], most: int, seed: int) -> None:
    numbers = np.array(labels)
    chosen = ood.sample(numbers, most, seed)
    assert len(chosen) == min(most, len(labels)) and len(set(chosen)) == len(chosen) and (np.diff(chosen) > 0).all()
    taken = {label: int((numbers[chosen] == label).sum()) for label in set(labels)}
    largest = max(taken.values())
    assert all(count >= largest - 1 or count == labels.count(label) for label, count in taken.items())
    np.testing.assert_array_equal(chosen, ood.sample(numbers, most, seed))


def test_the_nearest_come_first_with_their_distances() -> None:
    reference = made()
    found = reference.nearest(reference.embeddings[3] / np.linalg.norm(reference.embeddings[3]), 3)
    assert found[0][0] == 3 and found[0][1] == pytest.approx(0, abs=1e-3)
    assert [distance for _, distance in found] == sorted(distance for _, distance in found) and len(found) == 3
    assert len(reference.nearest(unit(1)[0], 99)) == 5


def test_one_is_the_threshold() -> None:
    reference = made()
    rows = unit(4, seed=9)
    np.testing.assert_allclose(reference.ood_score(rows), ood.distances(reference.embeddings, rows, 2) / 0.2, rtol=1e-6)


def test_the_file_gives_back_what_was_written(tmp_path: Path) -> None:
    odd = Reference(ood.rounded(unit(2)), [os.fsdecode(b"caf\xe9/1.png"), "日本/2.png"], ["", "x\ny"], 3, 0.125, [b"", b"\xff\xd8"])
    odd.write(tmp_path / "ood_reference.npz")
    read = Reference.read(tmp_path / "ood_reference.npz")
    np.testing.assert_array_equal(read.embeddings, odd.embeddings)
    assert (read.paths, read.labels, read.thumbnails) == (odd.paths, odd.labels, odd.thumbnails)
    assert (read.neighbours, read.threshold, read.thumbnails[1]) == (3, 0.125, b"\xff\xd8")


def test_a_missing_file_is_a_run_of_an_earlier_version(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"earlier version.*Fit again"):
        Reference.read(tmp_path / "ood_reference.npz")


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_a_damaged_file_is_a_clear_error(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "ood_reference.npz"
    made().write(path)
    path.write_bytes(path.read_bytes()[:300] if damage is None else damage)
    with pytest.raises(RunError, match="cannot be read"):
        Reference.read(path)


def test_a_file_with_objects_in_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ood_reference.npz"
    np.savez(path, embeddings=np.array([{}], dtype=object))
    with pytest.raises(RunError, match="cannot be read"):
        Reference.read(path)
