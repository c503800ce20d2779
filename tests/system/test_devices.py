"""Which devices compute, with GPUs that are made up: none, one, several."""

from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf

from transfer.system import devices
from transfer.system.progress import Silent


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give TensorFlow so many GPUs."""

    def has(count: int) -> list[str]:
        found = [SimpleNamespace(name=f"GPU:{number}") for number in range(count)]
        grown: list[str] = []
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: found)
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: found)
        monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": f"Model {gpu.name}"})
        monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, on: grown.append(gpu.name))
        return grown

    return has


@pytest.mark.parametrize(("count", "which", "expected"), [(0, "all", 0), (1, "all", 1), (3, "all", 3), (3, "one", 1), (0, "one", 0)])
def test_all_gpus_or_one_train(machine: Any, count: int, which: str, expected: int) -> None:
    machine(count)
    assert devices.to_train_on(which) == [f"GPU:{number}" for number in range(expected)]


@pytest.mark.parametrize(("count", "which"), [(0, "all"), (1, "all"), (3, "one")])
def test_on_one_device_nothing_is_spread(machine: Any, count: int, which: str) -> None:
    machine(count)
    assert devices.strategy(which) is tf.distribute.get_strategy()


@pytest.mark.parametrize(
    ("count", "which", "expected"),
    [(0, "all", ""), (1, "all", "GPU: Model GPU:0"), (2, "one", "GPU: Model GPU:0"),
     (2, "all", "GPUs: Model GPU:0, Model GPU:1; each training batch is split among 2")],
)  # fmt: skip
def test_the_gpus_are_named_in_one_line(machine: Any, count: int, which: str, expected: str) -> None:
    machine(count)
    assert devices.describe(which) == expected


def test_memory_of_every_gpu_is_taken_as_it_is_needed(machine: Any) -> None:
    grown = machine(2)
    devices.prepare("all", Silent())
    assert grown == ["GPU:0", "GPU:1"]


def test_a_gpu_in_use_stays_as_it_is(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(1)

    def refused(gpu: Any, on: bool) -> None:
        raise RuntimeError("Physical devices cannot be modified after being initialized")

    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", refused)
    devices.prepare("all", Silent())
    assert devices.to_train_on("all") == ["GPU:0"]
