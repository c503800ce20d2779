"""Temperature scaling (Guo et al., "On calibration of modern neural networks", ICML 2017): one number that corrects confidence.

Logits are divided by a temperature chosen on the validation split. The order of the classes, and so the accuracy, stays the
same.
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

LOWEST, HIGHEST = 0.05, 20.0
"""The range of temperatures."""


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature with the smallest log loss.

    Each true class counts (n + 1) / (n + 2) instead of 1, as in Platt's "Probabilistic outputs for support vector machines"
    (1999). Otherwise a few validation images, all of them right, would lead to boundless confidence.

    Args:
        logits: float [n, classes].
        labels: true class numbers, int [n].

    Returns:
        0.05 to 20; above 1: the network was overconfident. 1 without images.
    """
    count, classes = logits.shape
    if not count:
        return 1.0
    of_true = (count + 1) / (count + 2)
    targets = np.full((count, classes), (1 - of_true) / (classes - 1))
    targets[np.arange(count), labels] = of_true
    values = logits.astype(np.float64)

    def loss(logarithm: float) -> float:
        return float(-(targets * log_softmax(values / np.exp(logarithm), axis=1)).sum(1).mean())

    found = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def probabilities(logits: np.ndarray, at: float) -> np.ndarray:
    """Return the probabilities at a temperature, float32 [n, classes]."""
    result: np.ndarray = softmax(logits.astype(np.float64) / at, axis=1).astype(np.float32)
    return result


def uncalibrated(calibrated: np.ndarray, at: float) -> np.ndarray:
    """Undo the temperature: return the probabilities without it, float64 [n, classes]."""
    logarithms = np.log(np.maximum(calibrated.astype(np.float64), np.finfo(np.float32).tiny))
    result: np.ndarray = softmax(logarithms * at, axis=1)
    return result
