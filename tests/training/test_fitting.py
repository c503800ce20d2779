"""Fitting: the same seed gives the same weights, the best epoch's weights are kept, and each setting does what it says."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from transfer.config import HeadConfig, TrainingConfig
from transfer.errors import TransferError
from transfer.features.arrays import StoredRows
from transfer.models import heads
from transfer.system.progress import Advance, Silent
from transfer.training.batches import Batches, class_weights
from transfer.training.fitting import HISTORY, SCALED, Fitted, HopelessError, Stage, fit

WIDTH, CLASSES = 4, 3
HEAD = HeadConfig(dense=(8,), dropout=0.5)
CONFIG = TrainingConfig(epochs=4, batch_size=16, learning_rate=0.01, patience=None)


class InArray(StoredRows):
    """Rows that lie in an array instead of a store."""

    def __init__(self, array: np.ndarray, memory: int = 1 << 20) -> None:
        super().__init__(None, [[b""] * len(array)], [array.shape[1]], array.dtype, memory)
        self.array = array

    def take_stored(self, numbers: np.ndarray) -> np.ndarray:
        return self.array[numbers]

    def everything_stored(self) -> np.ndarray:
        return self.array


def data(seed: int, count: int = 60, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes around three points."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    return (2 * np.eye(CLASSES, WIDTH)[labels] + noise * generator.normal(size=(count, WIDTH))).astype(np.float32), labels


class Trial:
    """One fit, with all that came of it."""

    def __init__(
        self, folder: Path, config: TrainingConfig = CONFIG, train: Any = None, validation: Any = None,
        head: HeadConfig = HEAD, seed: int = 0, memory: int = 1 << 20, progress: Silent | None = None, **rule: Any,
    ) -> None:  # fmt: skip
        (rows, labels), (val_rows, val_labels) = train or data(1), validation or data(2)
        weights = class_weights(labels, CLASSES, config.class_weights)
        ones = np.ones(len(val_labels), np.float32)
        train_batches = Batches(InArray(rows, memory), labels, CLASSES, config.batch_size, (WIDTH,), weights, seed)
        self.validation = Batches(InArray(val_rows, memory), val_labels, CLASSES, 256, (WIDTH,), ones)
        self.model = heads.build(WIDTH, CLASSES, head, seed, rows.mean(0), rows.var(0))
        stage = Stage("head", config, config, folder / f"{len(list(folder.iterdir()))}.npz", **rule)
        self.fitted: Fitted = fit(self.model, train_batches, self.validation, stage, progress or Silent())
        self.history = self.fitted.history

    def probabilities(self) -> np.ndarray:
        return np.asarray(keras.ops.softmax(self.model(self.validation.rows.array, training=False)))


def changed(**changes: Any) -> TrainingConfig:
    return TrainingConfig(**(CONFIG.model_dump() | changes))


def assert_same(a: Trial, b: Trial) -> None:
    assert all(x.tobytes() == y.tobytes() for x, y in zip(a.model.get_weights(), b.model.get_weights(), strict=True))
    assert a.history.drop(columns="seconds").equals(b.history.drop(columns="seconds"))
    assert a.fitted.best_epoch == b.fitted.best_epoch


def test_the_same_seed_gives_the_same_weights_and_history_bit_for_bit(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    first = Trial(tmp_path)
    keras.utils.set_random_seed(2)  # a global seed must have no influence
    assert_same(first, Trial(tmp_path))
    assert not np.array_equal(first.model.get_weights()[-1], Trial(tmp_path, seed=1).model.get_weights()[-1])


def test_rows_read_from_the_store_train_the_same_model(tmp_path: Path) -> None:
    assert_same(Trial(tmp_path), Trial(tmp_path, memory=0))


def test_the_history_has_one_row_for_each_epoch(tmp_path: Path) -> None:
    history = Trial(tmp_path).history
    assert list(history.columns) == HISTORY
    assert history["epoch"].tolist() == [1, 2, 3, 4] and set(history["stage"]) == {"head"}
    assert history.drop(columns="stage").notna().all(axis=None) and (history["seconds"] > 0).all()


def test_training_learns_what_can_be_learnt(tmp_path: Path) -> None:
    trial = Trial(tmp_path, changed(epochs=15, learning_rate=0.05), data(1, noise=0.2), data(2, noise=0.2))
    assert trial.history["val_accuracy"].iloc[-1] > 0.95 > 0.8 > trial.history["accuracy"].iloc[0]
    assert (trial.probabilities().argmax(1) == trial.validation.labels).mean() > 0.95


def test_the_rate_falls_to_zero_along_a_cosine(tmp_path: Path) -> None:
    rates = Trial(tmp_path, changed(epochs=5)).history["learning_rate"]
    expected = [0.01 * (1 + np.cos(np.pi * epoch / 5)) / 2 for epoch in range(1, 6)]
    np.testing.assert_allclose(rates, expected, rtol=1e-4, atol=1e-8)


def overfitting() -> dict[str, Any]:
    """Validation labels that contradict those of training: every epoch makes it worse."""
    rows, labels = data(2, noise=0.3)
    head = HeadConfig(dense=(), dropout=0.0, l2=0.0)
    return {"train": data(1, noise=0.3), "validation": (rows, (labels + 1) % CLASSES), "head": head}


def loss_of(trial: Trial) -> float:
    of_true = trial.probabilities()[np.arange(len(trial.validation.labels)), trial.validation.labels]
    return float(-np.log(of_true).mean())


@pytest.mark.parametrize("patience", [None, 2, 20])
def test_the_weights_of_the_best_epoch_are_kept(tmp_path: Path, patience: int | None) -> None:
    trial = Trial(tmp_path, changed(epochs=6, patience=patience, learning_rate=0.1), **overfitting())
    losses = trial.history["val_loss"]
    assert trial.fitted.best_epoch == losses.argmin() + 1 == 1 and losses.iloc[-1] > losses.iloc[0] + 0.1
    assert loss_of(trial) == pytest.approx(losses.min(), rel=1e-4)


def test_the_weights_of_the_last_epoch_are_kept_where_it_is_the_best(tmp_path: Path) -> None:
    trial = Trial(tmp_path, changed(epochs=4), data(1, noise=0.2), data(2, noise=0.2), HeadConfig(dense=(), dropout=0.0, l2=0.0))
    assert trial.fitted.best_epoch == 4
    assert loss_of(trial) == pytest.approx(trial.history["val_loss"].iloc[-1], rel=1e-4)


def test_the_latest_epoch_within_the_tolerance_is_kept(tmp_path: Path) -> None:
    some = {"config": changed(epochs=6, patience=None, learning_rate=0.1), **overfitting()}
    losses = Trial(tmp_path, **some).history["val_loss"].to_numpy()
    assert (np.diff(losses) > 0).all()
    for wanted in (2, 5):
        tolerance = losses[wanted] / losses[0] - 1 + 1e-6
        trial = Trial(tmp_path, tolerance=tolerance, **some)
        assert trial.fitted.best_epoch == wanted + 1 and loss_of(trial) == pytest.approx(losses[wanted], rel=1e-4)


def test_patience_counts_from_the_lowest_loss_also_with_a_tolerance(tmp_path: Path) -> None:
    trial = Trial(tmp_path, changed(epochs=6, patience=2, learning_rate=0.1), tolerance=100.0, **overfitting())
    assert len(trial.history) == 3 == trial.fitted.best_epoch


def test_overconfidence_does_not_count_where_the_scaled_loss_is_the_judge(tmp_path: Path) -> None:
    """Without a penalty the head grows ever more sure of itself: the loss rises, and what temperature scaling leaves hardly changes."""
    noisy = {"train": data(1, 12, noise=1.0), "validation": data(2, 300, noise=1.0), "head": HeadConfig(dense=(), dropout=0.0, l2=0.0)}
    config = changed(epochs=15, learning_rate=0.5)
    by_loss, by_scaled = (Trial(tmp_path, config, keep=keep, **noisy) for keep in ("loss", "scaled_loss"))
    assert list(by_scaled.history.columns) == [*HISTORY, SCALED] and SCALED not in by_loss.history
    history = by_scaled.history
    assert by_scaled.fitted.best_epoch == history[SCALED].argmin() + 1 and by_loss.fitted.best_epoch == history["val_loss"].argmin() + 1
    assert (history[SCALED] < history["val_loss"] + 0.02).all()
    assert history[SCALED].iloc[-1] < history["val_loss"].iloc[-1] - 0.1
    same = [name for name in HISTORY if name != "seconds"]
    assert history[same].equals(by_loss.history[same]), "the judge does not change what is judged"


@pytest.mark.parametrize(("patience", "epochs"), [(1, 2), (3, 4), (None, 6), (50, 6)])
def test_training_stops_when_patience_runs_out_and_not_before(tmp_path: Path, patience: int | None, epochs: int) -> None:
    trial = Trial(tmp_path, changed(epochs=6, patience=patience, learning_rate=0.1), **overfitting())
    assert len(trial.history) == epochs


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # NumPy's, about the made-up infinity
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_no_number_is_one_clear_error(tmp_path: Path, value: float) -> None:
    rows, labels = data(1)
    rows[7, 2] = value
    head = HeadConfig(dense=(), dropout=0.0, standardize=False)
    with pytest.raises(TransferError, match=r"Training diverged.*lower learning rate.*training.learning_rate=0.01") as caught:
        Trial(tmp_path, CONFIG, (rows, labels), head=head)
    assert "\n" not in str(caught.value)


def test_a_rate_that_is_far_too_large_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="Training diverged"):
        Trial(tmp_path, changed(learning_rate=1e30), head=HeadConfig(dense=(8,), dropout=0.0))


def test_label_smoothing_makes_the_model_less_sure(tmp_path: Path) -> None:
    head = HeadConfig(dense=(), dropout=0.0, l2=0.0)
    settings = {"epochs": 25, "learning_rate": 0.1}
    sure, smooth = (
        Trial(tmp_path, changed(label_smoothing=share, **settings), data(1, noise=0.1), data(2, noise=0.1), head).probabilities()
        for share in (0.0, 0.3)
    )
    assert sure.max(1).mean() > 0.95
    # The best that can be: 0.7 + 0.3 / 3 for the class itself.
    assert smooth.max(1).mean() == pytest.approx(0.8, abs=0.05)


def test_balanced_class_weights_find_more_of_a_rare_class(tmp_path: Path) -> None:
    rows, labels = data(1, 300, noise=1.5)
    kept = (labels != 2) | (np.arange(300) % 20 == 2)  # one in twenty of the third class
    head = HeadConfig(dense=(), dropout=0.0, l2=0.0)

    def recall(rule: str) -> float:
        config = changed(epochs=10, learning_rate=0.05, class_weights=rule)
        trial = Trial(tmp_path, config, (rows[kept], labels[kept]), data(2, 300, 1.5), head)
        rare = trial.validation.labels == 2
        return float((trial.probabilities().argmax(1) == 2)[rare].mean())

    assert recall("balanced") > recall("none") + 0.2


def test_the_progress_is_told_of_each_epoch(tmp_path: Path) -> None:
    class Steps(Silent):
        """Remembers what it was told."""

        def __init__(self) -> None:
            self.told: list[object] = []

        @contextmanager
        def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
            self.told += [title, total, unit]
            yield self.told.append

    steps = Steps()
    Trial(tmp_path, progress=steps)
    assert steps.told[:3] == ["Training the head", 4, "epochs"] and sum(steps.told[3:]) == 4


def test_watched_training_ends_when_it_is_told_and_leaves_no_checkpoint(tmp_path: Path) -> None:
    whole = Trial(tmp_path)
    seen: list[list[float]] = []

    def watch(accuracies: Sequence[float]) -> bool:
        seen.append(list(accuracies))
        return len(accuracies) < 3

    saving = changed(checkpoint_seconds=0)
    before = set(tmp_path.iterdir())
    with pytest.raises(HopelessError) as ended:
        Trial(tmp_path, saving, watch=watch)
    assert list(ended.value.accuracies) == pytest.approx(list(whole.history["val_accuracy"][:3]))
    assert [len(accuracies) for accuracies in seen] == [1, 2, 3]
    assert set(tmp_path.iterdir()) == before
    assert_same(Trial(tmp_path, watch=lambda accuracies: True), whole)


def test_watched_training_that_was_interrupted_ends_at_the_same_epoch(tmp_path: Path) -> None:
    saving = changed(checkpoint_seconds=0)

    def interrupted(accuracies: Sequence[float]) -> bool:
        if len(accuracies) == 3:
            raise KeyboardInterrupt
        return True

    with pytest.raises(KeyboardInterrupt):
        Trial(tmp_path, saving, watch=interrupted)
    (checkpoint,) = tmp_path.glob("0.npz")
    checkpoint.rename(tmp_path / "1.npz")  # the next trial's
    seen: list[int] = []

    def watch(accuracies: Sequence[float]) -> bool:
        seen.append(len(accuracies))
        return len(accuracies) < 3

    with pytest.raises(HopelessError) as ended:
        Trial(tmp_path, saving, watch=watch)
    assert seen == [3] and len(ended.value.accuracies) == 3
