"""Temperature scaling finds the temperature that made the logits, and changes no order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from transfer.evaluation import calibration
from transfer.evaluation.metrics import calibrated, expected_calibration_error


def drawn(count: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return honest logits [n, 4], and labels drawn with their probabilities."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, spread, (count, 4))
    return logits, np.array([generator.choice(4, p=one) for one in softmax(logits, axis=1)])


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_factor_of_overconfidence_is_found(factor: float) -> None:
    logits, labels = drawn(4000, 2.0)
    found = calibration.temperature(logits * factor, labels)
    assert found == pytest.approx(factor, rel=0.08)
    before = expected_calibration_error(softmax(logits * factor, axis=1), labels)
    after = expected_calibration_error(calibration.probabilities(logits * factor, found), labels)
    assert after < 0.025 and (factor == 1.0 or after < before / 2)


@given(st.integers(1, 30), st.integers(2, 6), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_the_log_loss_is_never_worse_by_more_than_the_caution_and_the_order_stays(count: int, classes: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, generator.uniform(0.1, 9), (count, classes)).astype(np.float32)
    labels = generator.integers(0, classes, count)
    found = calibration.temperature(logits, labels)
    assert 0.05 <= found <= 20
    values = calibration.probabilities(logits, found)
    np.testing.assert_allclose(values.sum(1), 1, rtol=1e-5)
    chosen = logits[np.arange(count), values.argmax(1)]
    np.testing.assert_allclose(chosen, logits.max(1), rtol=1e-5)


def test_a_few_images_that_are_all_right_do_not_lead_to_certainty() -> None:
    logits = np.eye(3)[[0, 1, 2, 0]] * 2.0
    values = calibration.probabilities(logits, calibration.temperature(logits, np.array([0, 1, 2, 0])))
    assert values.max() == pytest.approx(5 / 6, abs=0.01), "four of four: Platt's (n + 1) / (n + 2)"


def test_without_validation_images_nothing_changes() -> None:
    assert calibration.temperature(np.empty((0, 3)), np.empty(0, int)) == 1.0


def test_the_probabilities_before_calibration_can_be_restored() -> None:
    logits, labels = drawn(50, 3.0)
    values = calibration.probabilities(logits, 2.5)
    np.testing.assert_allclose(calibration.uncalibrated(values, 2.5), softmax(logits, axis=1), atol=1e-5)
    figures = calibrated(values, 2.5, labels)
    assert figures["temperature"] == 2.5
    assert figures["ece_before"] == pytest.approx(expected_calibration_error(softmax(logits, axis=1), labels), abs=1e-5)
    assert figures["log_loss_before"] < figures["log_loss_after"], "honest logits, made worse on purpose"
