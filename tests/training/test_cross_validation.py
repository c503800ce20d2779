"""Cross-validation on stored features: each image is predicted by a model that never saw it, again and again the same."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from tests.training.test_feature_dataset import CONFIG, HEAD, features
from transfer.config import Config
from transfer.features.store import FeatureSet, Store, key, open_store
from transfer.models import heads
from transfer.system.progress import Clock, Silent
from transfer.training.cross_validation import CrossValidated, cross_validate, divided
from transfer.training.feature_dataset import FeatureDataset
from transfer.training.stages import train_head
from transfer.training.trained import Trained
from transfer.training.truncation import Truncation

TOP = Truncation(("top",))
FOLDS = CONFIG.updated(cross_validation__folds=3, training__epochs=10, cross_validation__average=True)


class Told(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store(FeatureSet("made-up", "", 16, "stretch", "1", "float32")) as opened_store:
        yield opened_store


def made_up(store: Store, config: Config = FOLDS) -> FeatureDataset:
    """Features of the other tests, with the columns that their manifest lacks: each image is on its own."""
    made = features(store, HEAD, config)
    table = made.dataset.table.assign(group="", path=[f"{row}.png" for row in made.dataset.table.index])
    return replace(made, dataset=replace(made.dataset, table=table))


def validated(made: FeatureDataset) -> tuple[CrossValidated, Trained, Trained]:
    """Return the predictions, the run's own training, and what is to be exported."""
    own = train_head(made, TOP, Silent())
    exported, _, done = cross_validate(own, own.model, TOP, Silent(), Clock())
    assert done is not None
    return done, own, exported


def test_every_image_but_those_of_the_test_split_is_predicted_once(store: Store) -> None:
    done, own, exported = validated(made_up(store))
    used = own.features.dataset.used
    assert list(done.index) == list(used.index[used["split"] != "test"])
    assert [own.features.classes[label] for label in done.labels] == list(used.loc[done.index, "label"])
    assert set(done.fold) == {1, 2, 3} and len(done.heads) == 3
    assert (done.probabilities.argmax(1) == done.labels).mean() > 0.8
    np.testing.assert_allclose(done.probabilities.sum(1), 1, atol=1e-5)
    assert len(set(exported.checkpoints)) == 4, "each training has a checkpoint of its own"
    table = done.table(own.features.dataset, own.probabilities["test"])
    assert list(table.columns) == ["path", "split", "label", "fold", "predicted", *own.features.classes]
    assert list(table["path"]) == list(used["path"])
    assert (table["fold"] == "test").tolist() == (table["split"] == "test").tolist()
    assert done.metrics(own.features.classes)["averaged"]


def test_the_images_held_out_and_those_of_the_test_split_choose_nothing(store: Store) -> None:
    made = made_up(store)
    done, own, exported = validated(made)
    for checkpoint in exported.checkpoints:
        checkpoint.unlink()
    table, random = own.features.dataset.used, np.random.default_rng(0)
    hidden = [*done.index[done.fold == 1], *table.index[table["split"] == "test"]]
    store.put({key(table.at[row, "digest"], "0", "top:avg"): random.normal(size=5).astype(np.float32).tobytes() for row in hidden})
    other, _, _ = validated(made)
    for one, two in zip(done.heads[0].get_weights(), other.heads[0].get_weights(), strict=True):
        assert np.array_equal(one, two)
    assert not np.array_equal(done.logits[done.fold == 1], other.logits[other.fold == 1])
    assert any(not np.array_equal(one, two) for one, two in zip(done.heads[1].get_weights(), other.heads[1].get_weights(), strict=True))


def test_a_cross_validation_that_was_killed_ends_with_the_same_bits(store: Store) -> None:
    done, _, exported = validated(made_up(store))
    exported.checkpoints[2].unlink()  # of the second fold: it was not reached
    again, _, _ = validated(made_up(store))
    assert np.array_equal(done.logits, again.logits) and np.array_equal(done.probabilities, again.probabilities)
    assert np.array_equal(done.fold, again.fold)


def test_without_folds_nothing_changes(store: Store) -> None:
    own = train_head(made_up(store, CONFIG), TOP, Silent())
    trained, classifier, done = cross_validate(own, own.model, TOP, Silent(), Clock())
    assert trained is own and classifier is own.model and done is None


def test_fewer_folds_than_asked_for_are_told(store: Store) -> None:
    config = FOLDS.updated(cross_validation__folds=50)
    made, told = made_up(store, config), Told()
    smallest = int(made.dataset.rows("train", "validation")["label"].value_counts().min())
    assert len(divided(made.dataset, config, told)) == smallest
    assert [text.partition(":")[0] for text in told.said] == [f"Cross-validation with {smallest} folds instead of 50"]


def test_the_average_of_heads_is_the_mean_of_their_logits(store: Store) -> None:
    done, own, _ = validated(made_up(store))
    rows = own.features.stored("test", ("top:avg",))[0].everything()
    each = [np.asarray(head(rows, training=False)) for head in done.heads]
    average = heads.average(done.heads)
    np.testing.assert_allclose(np.asarray(average(rows, training=False)), np.mean(each, axis=0), atol=1e-5)
    assert len(average.trainable_weights) == sum(len(head.trainable_weights) for head in done.heads)
