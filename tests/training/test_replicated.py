"""Training on two devices gives what one device gives, within rounding; two devices are the processor, divided in two."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ROUNDING = 2e-5
"""Sums in another order, over the few steps of these trainings; Adam divides by the size of a gradient, however small it is."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("two devices")
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "TRANSFER_HOME": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-W", "error::UserWarning", "-m", "tests.training.on_two_devices"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


@pytest.mark.parametrize("trial", ["head", "scaled loss", "network", "fine-tuning"])
def test_history_and_weights_equal_those_of_one_device(results: dict[str, Any], trial: str) -> None:
    """Also where devices share a batch unevenly, with class weights, penalties, clipped gradients and a rate for each layer."""
    one, two = results[trial]["one"], results[trial]["all"]
    assert results["replicas"] == 2
    assert len(one["history"]) >= 2 and one["history"][-1][1] < one["history"][0][1], "it learns"
    np.testing.assert_allclose(two["history"], one["history"], rtol=ROUNDING, atol=ROUNDING)
    for received, expected in zip(two["weights"], one["weights"], strict=True):
        np.testing.assert_allclose(received, expected, rtol=0, atol=ROUNDING)


def test_an_interrupted_training_on_two_devices_ends_like_an_undisturbed_one_bit_for_bit(results: dict[str, Any]) -> None:
    assert results["interrupted"]["checkpoint"]
    assert results["interrupted"]["again"] == results["head"]["all"]


def test_each_device_drops_its_own_units_and_others_in_each_step(results: dict[str, Any]) -> None:
    first, second = results["dropped"]["devices"]
    masks = {tuple(part) for step in (first, second) for part in step}
    assert len(masks) == 4 and all(set(mask) == {0.0, 2.0} for mask in masks)
    assert [first[0], second[0]] == results["dropped"]["alone"], "the first device draws what one device draws"


def test_a_head_with_dropout_learns_on_two_devices(results: dict[str, Any]) -> None:
    accuracies = [row[4] for row in results["dropout"]["history"]]
    assert accuracies[-1] > 0.9 and len(accuracies) == 8
