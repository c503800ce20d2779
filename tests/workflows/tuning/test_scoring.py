"""The score of a head on made-up features: one epoch for all folds, pruning, views, and nothing but the settings decides it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.config import Config
from transfer.config.tuning import TuningConfig
from transfer.models import heads
from transfer.models.registry import BACKBONES
from transfer.training.many_heads import dense_curves
from transfer.workflows.tuning.batches import BatchScorer
from transfer.workflows.tuning.proposals import Proposal
from transfer.workflows.tuning.scoring import (
    EPOCH,
    ERROR,
    FEATURES,
    FOLDS,
    IMAGES,
    HeadScorer,
    Images,
    Pass,
    packed,
    standardised,
    unpacked,
)
from transfer.workflows.tuning.study import Finished, Score

CLASSES, WIDTH = 3, 6
SETTINGS = TuningConfig(folds=4, prune_after=2)
LINEAR: dict[str, Any] = {"truncate_at": "block5_pool", "head.pooling": "avg", "head.kind": "linear", "head.inverse_penalty": 0.1}
DENSE: dict[str, Any] = {
    "truncate_at": ("block4_pool", "block5_pool"), "head.pooling": "avg", "head.kind": "dense", "head.dense": (8,), "head.dropout": 0.1,
    "head.l2": 1e-3, "training.learning_rate": 1e-2, "training.label_smoothing": 0.0,
}  # fmt: skip
WORTHLESS = LINEAR | {"truncate_at": "block1_pool"}


def scorer(settings: TuningConfig = SETTINGS, count: int = 120) -> HeadScorer:
    """Two outputs that tell the classes, and one of noise; views are the plain rows with more noise."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % CLASSES
    tables = {}
    for name, strength in (("block4_pool:avg", 1.0), ("block5_pool:avg", 1.5), ("block1_pool:avg", 0.0)):
        tables[name] = (strength * np.eye(CLASSES, WIDTH)[labels] + random.normal(size=(count, WIDTH))).astype(np.float32)
    images = Images.divided(labels, [str(number) for number in range(count)], CLASSES, settings)

    def read(names: tuple[str, ...], views: int) -> np.ndarray:
        plain = np.concatenate([tables[name] for name in names], axis=1)
        return np.concatenate([plain, *(plain + 0.01 * (view + 1) for view in range(views))])

    base = Config().updated(training__epochs=12, training__patience=4)
    return HeadScorer(settings, images, {("vgg16", 224): Pass(base, BACKBONES["vgg16"], dict.fromkeys(tables, WIDTH), read)})


def leader(of: HeadScorer, settings: dict[str, Any]) -> Finished:
    """A finished trial of these settings."""
    return Finished(0, settings, {}, of.score(settings, None))


@pytest.mark.parametrize("settings", [LINEAR, DENSE])
def test_the_same_settings_give_the_same_score(settings: dict[str, Any]) -> None:
    first, second = (replace(scorer().score(settings, None), seconds=0) for _ in range(2))
    assert first == second
    assert 0.6 < first.value <= 1
    assert len(first.facts[FOLDS]) == 4
    assert first.facts[FEATURES] == WIDTH * (2 if settings is DENSE else 1)
    right = unpacked(first.facts[IMAGES])
    assert right.mean() == pytest.approx(first.value)
    assert first.facts[ERROR] == pytest.approx(right.std(ddof=1) / np.sqrt(120))
    assert (first.facts[EPOCH] is None) == (settings is LINEAR)


def test_one_epoch_counts_for_all_folds_that_of_the_least_mean_loss() -> None:
    of = scorer()
    score = of.score(DENSE, None)
    config = Config().updated(training__epochs=12, training__patience=4, **{key.replace(".", "__"): value for key, value in DENSE.items()})
    source = next(iter(of.passes.values()))
    rows = standardised(source.read(source.outputs(config), 0), [WIDTH, WIDTH], 120, config)
    curves = dense_curves(rows, of.images.labels, CLASSES, config, of.images.divisions[0])
    shortest = min(len(curve.log_loss) for curve in curves)
    epoch = int(np.argmin(sum(curve.log_loss[:shortest] for curve in curves)))
    assert score.facts[EPOCH] == epoch + 1
    assert score.facts[FOLDS] == pytest.approx([curve.accuracy[epoch] for curve in curves], abs=1e-6)


def test_a_hopeless_trial_is_stopped_after_the_first_folds_and_a_good_one_is_not() -> None:
    of = scorer()
    best = leader(of, LINEAR)
    stopped = of.score(WORTHLESS, best)
    assert stopped.pruned
    assert stopped.step == 2
    assert len(stopped.facts[FOLDS]) == 2
    assert not of.score(DENSE, best).pruned
    assert replace(of.score(DENSE, best), seconds=0) == replace(of.score(DENSE, None), seconds=0)  # pruning changes no score
    assert not replace(of, settings=SETTINGS.model_copy(update={"prune_after": 0})).score(WORTHLESS, best).pruned


def test_the_leader_is_the_best_of_earlier_batches() -> None:
    of = scorer()
    poor = Finished(1, {}, {}, Score(0.9, pruned=True))
    scores = list(BatchScorer(of)([Proposal(2, WORTHLESS, {}), Proposal(3, LINEAR, {})], [leader(of, LINEAR), poor]))
    assert [score.pruned for score in scores] == [True, False]
    assert [score.pruned for score in BatchScorer(of)([Proposal(2, WORTHLESS, {})], [poor])] == [False]  # nobody leads yet


def test_repeats_divide_the_images_anew_and_their_mean_counts() -> None:
    of = scorer(SETTINGS.model_copy(update={"repeats": 3}))
    assert len(of.images.divisions) == 3
    score = of.score(LINEAR, None)
    assert len(score.facts[FOLDS]) == 12
    assert score.value == pytest.approx(np.mean(score.facts[FOLDS]), abs=0.01)


def test_views_are_trained_on_and_not_judged() -> None:
    of = scorer()
    plain, viewed = of.score(DENSE, None), of.score(DENSE | {"augment.views": 2}, None)
    assert plain.value != viewed.value or plain.facts[EPOCH] != viewed.facts[EPOCH]
    assert len(unpacked(viewed.facts[IMAGES])) == 120


def test_log_loss_can_be_compared_instead() -> None:
    of = scorer(SETTINGS.model_copy(update={"metric": "log_loss"}))
    score = of.score(LINEAR, None)
    assert -1.1 < score.value < 0
    assert of.score(WORTHLESS, None).value < score.value


def test_features_are_scaled_as_a_head_scales_them() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(3, 5, (50, 10)).astype(np.float32)
    rows[:, 2] = 4  # constant
    config = Config()
    head = heads.build(10, CLASSES, config.head, 0, rows.mean(0), rows.var(0), [4, 6])
    expected = np.asarray(head.get_layer("standardize")(rows))
    np.testing.assert_allclose(standardised(rows, [4, 6], 50, config), expected, atol=1e-4)


@given(st.lists(st.integers(0, 255), max_size=60))
def test_packed_shares_come_back(shares: list[int]) -> None:
    np.testing.assert_array_equal(unpacked(packed(np.array(shares) / 255)), np.array(shares) / 255)


def test_fewer_folds_than_wanted_where_a_class_is_small() -> None:
    labels = np.array([0] * 20 + [1] * 3)
    images = Images.divided(labels, [str(number) for number in range(23)], 2, TuningConfig())
    assert len(images.divisions[0]) == 3
