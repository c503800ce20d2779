"""Training that was interrupted goes on to the same result, bit for bit."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.damage import damaged
from transfer.config import HeadConfig, TrainingConfig
from transfer.features.arrays import StoredRows
from transfer.features.store import FeatureSet, key, open_store
from transfer.models import heads
from transfer.system.progress import Advance, Silent
from transfer.system.sealed import write_arrays
from transfer.training.batches import Batches
from transfer.training.checkpoints import Checkpoint, Stopping
from transfer.training.fitting import Fitted, Stage, fit

WIDTH, CLASSES = 6, 3
CONFIG = TrainingConfig(epochs=8, batch_size=8, patience=4, checkpoint_seconds=0)


def rows(store: Any, count: int, seed: int) -> tuple[StoredRows, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, count)
    table = (generator.normal(size=(count, WIDTH)) + labels[:, None]).astype(np.float32)
    keys = [key(f"{seed:032x}{number:032x}", "0", "x") for number in range(count)]
    store.put({name: row.tobytes() for name, row in zip(keys, table, strict=True)})
    return StoredRows(store, [keys], [WIDTH], np.dtype(np.float32), 1 << 20), labels


def train(
    checkpoint: Path,
    stop_after: int | None = None,
    config: TrainingConfig = CONFIG,
    keep: str = "loss",
    tolerance: float = 0.0,
    turns: int = 1,
) -> tuple[Fitted, list[np.ndarray]]:
    """Fit a small head; `stop_after`: raise KeyboardInterrupt when so many epochs are done."""

    class Stopper(Silent):
        @contextmanager
        def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
            done = 0

            def advance(count: int) -> None:
                nonlocal done
                done += count
                if stop_after is not None and done > stop_after:
                    raise KeyboardInterrupt

            yield advance

    with open_store(FeatureSet("test", "", 1, "stretch", "1", "float32")) as store:
        table, labels = rows(store, 50, 1)
        others, other_labels = rows(store, 20, 2)
        train_batches = Batches(table, labels, CLASSES, 8, (WIDTH,), np.ones(50, np.float32), 7, turns=turns)
        validation = Batches(others, other_labels, CLASSES, 32, (WIDTH,), np.ones(20, np.float32))
        head = heads.build(WIDTH, CLASSES, HeadConfig(dense=(5,), dropout=0.5), 0, *table.moments())
        stage = Stage("head", config, config, checkpoint, keep=keep, tolerance=tolerance)
        fitted = fit(head, train_batches, validation, stage, Stopper())
    return fitted, head.get_weights()


@pytest.mark.parametrize("stop_after", [1, 4, 7])
@pytest.mark.parametrize("rule", [{}, {"keep": "scaled_loss", "tolerance": 0.1, "turns": 2}], ids=["loss", "scaled loss and turns"])
def test_an_interrupted_training_ends_like_an_undisturbed_one(tmp_path: Path, stop_after: int, rule: dict[str, Any]) -> None:
    expected, weights = train(tmp_path / "undisturbed.npz", **rule)
    interrupted = tmp_path / "interrupted.npz"
    with pytest.raises(KeyboardInterrupt):
        train(interrupted, stop_after, **rule)
    assert interrupted.exists()
    received, resumed = train(interrupted, **rule)
    figures = [name for name in expected.history.columns if name != "seconds"]
    assert received.history[figures].equals(expected.history[figures])
    assert received.best_epoch == expected.best_epoch
    assert all(np.array_equal(a, b) for a, b in zip(weights, resumed, strict=True))


@pytest.mark.parametrize("rule", [{}, {"keep": "scaled_loss", "tolerance": 0.1}], ids=["loss", "scaled loss"])
def test_a_finished_training_is_not_repeated(tmp_path: Path, rule: dict[str, Any]) -> None:
    expected, weights = train(tmp_path / "c.npz", **rule)
    received, again = train(tmp_path / "c.npz", **rule)
    assert received.best_epoch == expected.best_epoch
    # The seconds of the epochs are those of the first time: nothing was trained anew.
    assert received.history.equals(expected.history)
    assert all(np.array_equal(a, b) for a, b in zip(weights, again, strict=True))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"text"])
def test_a_damaged_checkpoint_is_ignored(tmp_path: Path, content: bytes) -> None:
    expected, weights = train(tmp_path / "good.npz")
    (tmp_path / "damaged.npz").write_bytes(content)
    received, again = train(tmp_path / "damaged.npz")
    assert received.best_epoch == expected.best_epoch
    assert all(np.array_equal(a, b) for a, b in zip(weights, again, strict=True))


def test_a_checkpoint_with_values_that_are_not_finite_is_ignored(tmp_path: Path) -> None:
    expected, weights = train(tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz") as stored:
        arrays = dict(stored)
    spoiled = next(name for name, values in arrays.items() if name.startswith("variable") and values.dtype.kind == "f" and values.size)
    arrays[spoiled] = np.full_like(arrays[spoiled], np.nan)
    write_arrays(tmp_path / "c.npz", arrays)
    received, again = train(tmp_path / "c.npz")
    assert received.best_epoch == expected.best_epoch
    assert all(np.array_equal(a, b) for a, b in zip(weights, again, strict=True))


def small(path: Path, value: float, rows: list[dict[str, Any]]) -> Checkpoint:
    """Return the checkpoint of a network whose weights all have one value."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(optimizer="sgd", loss="mse")
    model.set_weights([np.full_like(array, value) for array in model.get_weights()])
    (stopping := Stopping(3)).on_train_begin()
    return Checkpoint(path, model, stopping, rows, 0.0)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, Checkpoint, list[dict[str, Any]]]:
    """A checkpoint, its content, and that of another network, with the rows that it restores."""
    path = tmp_path_factory.mktemp("checkpoints") / "c.npz"
    made = small(path, 7.0, [{"epoch": 1, "loss": 0.5}])
    made.restore()
    made.save(finished=True)
    rows: list[dict[str, Any]] = []
    return path, path.read_bytes(), small(path, 1.0, rows), rows


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_checkpoint_damaged_at_random_is_ignored_or_restores_the_same(
    kept: tuple[Path, bytes, Checkpoint, list[dict[str, Any]]], data: st.DataObject
) -> None:
    path, content, other, rows = kept
    rows.clear()
    for variable in other._network.trainable_variables:
        variable.assign(np.ones(variable.shape))
    path.write_bytes(spoiled := damaged(data, content))
    done = other.restore()
    assert done == len(rows) == (spoiled == content)
    expected = 7.0 if done else 1.0
    assert all((array == expected).all() for array in other._network.get_weights())


def test_a_checkpoint_that_another_process_deletes_meanwhile_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two fits at once: each looks for abandoned checkpoints, and deletes its own when it has done."""
    other = tmp_path / "other.npz"
    look = Path.stat

    def deleted_meanwhile(path: Path, **options: bool) -> os.stat_result:
        if path == other:
            path.unlink(missing_ok=True)
        return look(path, **options)

    other.touch()
    monkeypatch.setattr(Path, "stat", deleted_meanwhile)
    train(tmp_path / "mine.npz")
    assert not other.exists()
