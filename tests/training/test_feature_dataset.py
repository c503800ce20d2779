"""From stored rows of a divided manifest to a fitted classifier: the right rows for each split, and their predictions."""

import dataclasses
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from transfer.config import Config
from transfer.data.dataset import Dataset
from transfer.data.pipeline import ImageSpec
from transfer.features.store import FeatureSet, Store, key, open_store
from transfer.features.tasks import views_of
from transfer.models import scratch
from transfer.models.registry import SCRATCH
from transfer.system.progress import Silent
from transfer.training import feature_dataset as module
from transfer.training import from_scratch, head
from transfer.training.feature_dataset import FeatureDataset, infer, sent
from transfer.workflows.settings import resolve

CLASSES = ["blue", "green", "red"]
CONFIG = Config().updated(
    precision="float32", training__epochs=6, training__batch_size=8, training__learning_rate=0.05, head__dense=(), head__dropout=0.0
)


class FeatureExtractor:
    """Stands for what computed the rows: one output."""

    def __init__(self, output: str, width: int, dtype: type) -> None:
        self.feature_set = FeatureSet(output, "", 16, "stretch", "1", "float32")
        self.image_spec, self.precision = ImageSpec(16), "float32"
        self.outputs = [output]
        self._width, self._dtype = width, np.dtype(dtype)

    def for_training(self) -> "FeatureExtractor":
        return self

    def width(self, output: str) -> int:
        return self._width

    def dtype(self, output: str) -> np.dtype:
        return self._dtype


HEAD = FeatureExtractor("top:avg", 5, np.float32)
PIXELS = FeatureExtractor("pixels", 16 * 16 * 3, np.uint8)


def manifest() -> pd.DataFrame:
    """Sixty images, two thirds of them to train on; one was skipped."""
    count = 60
    table = pd.DataFrame({"digest": [f"{number:064x}" for number in range(count)], "reason": ""}, dtype=object)
    table["label"] = [CLASSES[number % 3] for number in range(count)]
    table["split"] = [("train", "train", "validation", "train", "test", "train")[number // 3 % 6] for number in range(count)]
    table.loc[3, ["reason", "split"]] = ["damaged", ""]
    return table


def values(extractor: FeatureExtractor, number: int, shift: float = 0.0) -> np.ndarray:
    """Rows that tell the class: one channel, or one feature, is larger."""
    generator = np.random.default_rng(number)
    if extractor is PIXELS:
        pixels = generator.integers(0, 40, (16, 16, 3)) + 80 * (number % 3)
        return pixels.astype(np.uint8).reshape(-1)
    return (generator.normal(size=5) + 4 * np.eye(3, 5)[number % 3] + shift).astype(np.float32)


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store(FeatureSet("made-up", "", 16, "stretch", "1", "float32")) as opened_store:
        yield opened_store


def features(store: Store, extractor: FeatureExtractor = HEAD, config: Config = CONFIG) -> FeatureDataset:
    table, views = manifest(), views_of(config)
    tags = ["0", *(views.tags() if views.augmentation else [])]
    store.put(
        {
            key(digest, tag, extractor.outputs[0]): values(extractor, number, place).tobytes()
            for number, digest in enumerate(table["digest"])
            for place, tag in enumerate(tags)
            if number != 3
        }
    )
    return FeatureDataset(Dataset(Path("data"), table, False, table), extractor, store, config)


def test_each_split_has_its_used_rows_with_their_labels(store: Store) -> None:
    made = features(store)
    sizes = {split: len(made.rows(split)) for split in ("train", "validation", "test")}
    assert sum(sizes.values()) == 59 and sizes["test"] >= 9
    for split in sizes:
        rows, labels = made.stored(split, ("top:avg",))
        assert [CLASSES[label] for label in labels] == list(made.rows(split)["label"])
        expected = [values(HEAD, int(digest, 16)) for digest in made.rows(split)["digest"]]
        assert np.array_equal(rows.everything(), expected)


def test_augmented_views_are_trained_on_and_nothing_else(store: Store) -> None:
    config = CONFIG.updated(augment__views=2)
    made = features(store, config=config)
    plain = len(made.rows("train"))
    rows, labels = made.stored("train", ("top:avg",), augmented=True)
    assert len(rows) == len(labels) == 3 * plain
    assert np.array_equal(labels[:plain], labels[plain : 2 * plain])
    np.testing.assert_allclose(rows.everything()[2 * plain :] - rows.everything()[:plain], 2.0, atol=1e-5)
    assert len(made.batches(("top:avg",), (5,), 32).labels) == 3 * plain
    assert len(made.evaluation_batches("validation", ("top:avg",), (5,)).labels) == len(made.rows("validation"))


def test_what_is_sent_to_another_machine_holds_the_same_rows_and_needs_no_store(store: Store) -> None:
    config = CONFIG.updated(augment__views=2)
    here = {"plain": features(store), "views": features(store, config=config), "pixels": features(store, PIXELS)}
    there = pickle.loads(pickle.dumps(sent(here)))
    assert there["plain"].store is there["views"].store  # records that several read travel once
    for name, one in here.items():
        outputs = tuple(one.extractor.outputs)
        for split, augmented in (("train", True), ("train", False), ("validation", False), ("test", False)):
            expected, received = (made.stored(split, outputs, augmented) for made in (one, there[name]))
            assert received[0].everything().tobytes() == expected[0].everything().tobytes()
            assert (received[1] == expected[1]).all()
        folder = there[name].checkpoint(outputs).parent
        assert folder != one.checkpoint(outputs).parent and not list(folder.iterdir())
        assert there[name].checkpoint(outputs).name == one.checkpoint(outputs).name
    alone = head.train(there["views"], ("top:avg",), Silent())
    beside = head.train(here["views"], ("top:avg",), Silent())
    assert alone.logits["test"].tobytes() == beside.logits["test"].tobytes()
    with pytest.raises(AssertionError):
        _ = there["plain"].own_store


def test_only_batches_to_train_on_are_shuffled_and_weighted(store: Store) -> None:
    made = features(store, config=CONFIG.updated(training__class_weights="balanced", seed=3))
    train = made.batches(("top:avg",), (5,), 32)
    others = made.evaluation_batches("validation", ("top:avg",), (5,))
    assert train.shuffle_seed == 3 and others.shuffle_seed is None
    assert len(set(train.weights)) > 1 and set(others.weights) == {1.0}


def test_a_head_is_fitted_and_its_predictions_are_those_of_its_model(store: Store) -> None:
    made = features(store)
    trained = head.train(made, ("top:avg",), Silent())
    assert set(trained.probabilities) == {"validation", "test"}
    for split, probabilities in trained.probabilities.items():
        logits = trained.model(made.stored(split, ("top:avg",))[0].everything(), training=False)
        np.testing.assert_allclose(probabilities, np.asarray(keras.ops.softmax(logits / trained.temperature)), atol=1e-6)
        assert (probabilities.argmax(1) == made.labels(split)).mean() > 0.8
    assert trained.best_epoch <= len(trained.history) <= 6
    standardised = trained.model.get_layer("standardize")
    np.testing.assert_allclose(
        np.asarray(standardised.mean).ravel(), made.stored("train", ("top:avg",))[0].everything().mean(0), rtol=1e-4, atol=1e-4
    )


def test_a_network_is_trained_from_scratch_on_pixels(store: Store) -> None:
    made = features(store, PIXELS, CONFIG.updated(backbone="lenet", training__learning_rate=0.005))
    trained = from_scratch.train(made, Silent())
    assert trained.model.input_shape == (None, 16, 16, 3) and set(trained.history["stage"]) == {"network"}
    assert (trained.probabilities["test"].argmax(1) == made.labels("test")).mean() > 0.8
    pixels = made.stored("train", ("pixels",))[0].everything().astype(np.float64)
    layer = trained.model.get_layer("standardize")
    assert float(layer.input_mean) == pytest.approx(pixels.mean(), rel=1e-4)
    assert float(layer.input_variance) == pytest.approx(pixels.var(), rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "dropout", "penalties"),
    [({}, 0, 0), ({"head__dropout": 0.2}, 0.2, 0), ({"head__dropout": 0.2, "network__dropout": 0.4}, 0.4, 0), ({"head__l2": 0.1}, 0, 5)],
)
def test_lenets_dropout_and_penalty_are_those_of_the_section_head_unless_its_own_are_given(
    changes: dict[str, Any], dropout: float, penalties: int
) -> None:
    config = resolve([{"backbone": "lenet"}]).updated(**changes)
    model = scratch.build(SCRATCH["lenet"], 16, 3, 127.0, 70.0**2, 0, from_scratch.options_of(SCRATCH["lenet"], config))
    assert {layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)} == ({dropout} if dropout else set())
    assert len(model.losses) == penalties


@pytest.mark.parametrize("batch", [1, 4, 256])
def test_logits_do_not_depend_on_the_batches_they_are_made_in(store: Store, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = features(store)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(0))])
    whole = infer(model, made, "test", ("top:avg",))
    monkeypatch.setattr(module, "evaluation_batch_size", lambda output, shape: batch)
    received = infer(model, made, "test", ("top:avg",))
    np.testing.assert_allclose(received, whole, atol=1e-6)
    # To a rounding: with another number of rows, some processors sum a product in another order.
    alone = infer(model, made, "test", ("top:avg",), positions=np.array([1]))
    np.testing.assert_allclose(alone, received[[1]], rtol=0, atol=1e-6)


def test_no_images_have_no_logits(store: Store) -> None:
    made = features(store)
    empty = with_table(made, made.dataset.table[made.dataset.table["split"] != "test"])
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    assert infer(model, empty, "test", ("top:avg",)).shape == (0, 3)
    given = []

    def convolution(rows: np.ndarray) -> np.ndarray:
        given.append(len(rows))
        return np.zeros((len(rows), 3), np.float32)

    assert infer(model, empty, "test", ("top:avg",), convolution).shape == (0, 3)
    assert 0 not in given, "TensorFlow computes a wrong shape for some convolutions of no images"


def with_table(made: FeatureDataset, table: pd.DataFrame) -> FeatureDataset:
    return dataclasses.replace(made, dataset=dataclasses.replace(made.dataset, table=table))


def changed_label(made: FeatureDataset) -> FeatureDataset:
    table = made.dataset.table.copy()
    table.loc[0, "label"] = "red"
    return with_table(made, table)


def changed_split(made: FeatureDataset) -> FeatureDataset:
    table = made.dataset.table.copy()
    table.loc[0, "split"] = "test"
    return with_table(made, table)


@pytest.mark.parametrize(
    "change",
    [
        changed_label,
        changed_split,
        lambda made: dataclasses.replace(made, config=made.config.updated(seed=1)),
        lambda made: dataclasses.replace(made, config=made.config.updated(head__l2=0.5)),
        lambda made: dataclasses.replace(made, extractor=PIXELS),
    ],
    ids=["label", "split", "seed", "penalty", "extractor"],
)
def test_a_checkpoint_is_never_taken_up_by_another_training(store: Store, change: Any) -> None:
    made = features(store)
    assert change(made).checkpoint(("top:avg",)) != made.checkpoint(("top:avg",)) != made.checkpoint(("block1_pool:avg",))


@pytest.mark.parametrize(
    "change",
    [
        {"data__source": "/elsewhere"},
        {"export__tolerance_float32": 0.5, "export__tolerance_16bit": 0.5, "export__tolerance_ood_score": 0.5},
        {"export__batch_size": 7},
        {"ood__neighbours": 3, "ood__other_images": 0},
        {"energy": "off"},
        {"check__tiny": 5},
        {"features__memory_mb": 100},
        {"training__checkpoint_seconds": 1.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_no_result_keeps_the_checkpoint(store: Store, change: dict[str, Any]) -> None:
    made = features(store)
    changed = dataclasses.replace(made, config=made.config.updated(**change))
    assert changed.checkpoint(("top:avg",)) == made.checkpoint(("top:avg",))
