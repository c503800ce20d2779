"""Precision, recall and thresholds of each class, from the predictions that a run keeps."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from transfer.reports.run import class_curves

CLASSES = ["a", "b", "c"]


def predictions(images: int = 90, seed: int = 0, validation: tuple[str, ...] = ("a", "b", "c")) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    parts = []
    for split, labels in (("validation", validation), ("test", CLASSES)):
        numbers = np.array([CLASSES.index(labels[n % len(labels)]) for n in range(images)])
        values = generator.dirichlet(np.ones(3), images) + np.eye(3)[numbers] * generator.random((images, 1))
        values = np.round(values / values.sum(1, keepdims=True), 2)  # some are equal
        facts = pd.DataFrame({"split": split, "label": [CLASSES[n] for n in numbers]}, dtype=object)
        parts.append(facts.join(pd.DataFrame(values, columns=CLASSES)))
    return pd.concat(parts, ignore_index=True)


def test_the_average_precision_is_that_of_scikit_learn_and_the_lowest_comes_first() -> None:
    table = predictions()
    test = table[table["split"] == "test"]
    found = class_curves.of_run(table, CLASSES)
    for one in found:
        assert one.average_precision == pytest.approx(average_precision_score(test["label"] == one.name, test[one.name]))
        assert one.images == 30
    assert [one.average_precision for one in found] == sorted(one.average_precision for one in found)


def test_the_threshold_is_chosen_on_validation_images_and_judged_on_test_images() -> None:
    table = predictions()
    one = next(one for one in class_curves.of_run(table, CLASSES) if one.name == "b")
    validation, test = (table[table["split"] == split] for split in ("validation", "test"))

    def f1(threshold: float) -> float:
        above, own = validation["b"] >= threshold, validation["label"] == "b"
        return 2 * (above & own).sum() / (above.sum() + own.sum())

    assert one.threshold is not None
    assert f1(one.threshold) == max(f1(value) for value in validation["b"])
    above, own = test["b"] >= one.threshold, test["label"] == "b"
    assert one.at_threshold == (pytest.approx(own[above].mean()), pytest.approx(above[own].mean()))


def test_a_class_without_validation_images_has_no_threshold_and_one_without_test_images_no_curve() -> None:
    table = predictions(validation=("a", "b"))
    assert {one.name: one.threshold is None for one in class_curves.of_run(table, CLASSES)} == {"a": False, "b": False, "c": True}
    assert len(class_curves.of_run(table[(table["split"] != "test") | (table["label"] != "a")], CLASSES)) == 2


def test_recall_falls_from_one_to_zero_with_the_threshold_and_curves_stay_inside() -> None:
    for one in class_curves.of_run(predictions(400, seed=3), CLASSES):
        for points in (one.recall, one.precision, one.against_recall):
            x, y = np.array([pair.split(",") for pair in points.split()], float).T
            assert (np.diff(x) >= 0).all() and 34 <= x.min() <= x.max() <= 240 and 8 <= y.min() <= y.max() <= 128
        heights = [float(pair.split(",")[1]) for pair in one.recall.split()]
        assert heights == sorted(heights) and heights[0] == 8.0
