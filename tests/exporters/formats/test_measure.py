"""An export that loses accuracy against the SavedModel is refused, unless chance explains the loss or it is accepted."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.errors import ExportError
from transfer.exporters.formats.measure import accuracy, require_accuracy_kept


def outputs(right: int, of: int, wrong_first: bool = False) -> dict[str, np.ndarray]:
    """Return the probabilities of two classes for images of the first one, of which some are right."""
    probability = np.where(np.arange(of) < right, 0.9, 0.1)
    probability = probability[::-1] if wrong_first else probability
    return {"probabilities": np.stack([probability, 1 - probability], 1).astype(np.float32)}


def judge(after: dict[str, np.ndarray], before: dict[str, np.ndarray], limit: float = 0.02, quantize: str | None = "int8") -> str:
    return require_accuracy_kept("litert", quantize, after, before, np.zeros(len(after["probabilities"]), int), limit)


def test_a_collapse_is_refused_with_its_figures_and_the_way_out() -> None:
    expected = (
        r"The int8 litert export classifies 0\.128 of 86 test images correctly, the SavedModel 1\.000: a loss of 0\.872 \(95 %: 0\.\d+ to "
        r"0\.\d+\)\. Expected at most 0\.02 \(export\.max_accuracy_loss\)\. Nothing was published\. .*--quantize float16, .*"
        r"--max-accuracy-loss 0\.88\.$"
    )
    with pytest.raises(ExportError, match=expected):
        judge(outputs(11, 86), outputs(86, 86))


@pytest.mark.parametrize(("quantize", "advice"), [("float16", "Instead, leave --quantize out; or publish"), (None, "Instead, publish")])
def test_the_advice_fits_the_quantization(quantize: str | None, advice: str) -> None:
    with pytest.raises(ExportError, match=advice):
        judge(outputs(11, 86), outputs(86, 86), quantize=quantize)


@pytest.mark.parametrize(
    ("after", "before", "of"),
    [(86, 86, 86), (86, 80, 86), (85, 86, 86), (0, 0, 5), (980, 1000, 1000)],
    ids=["same", "gain", "one", "none", "2 %"],
)
def test_a_gain_or_a_small_loss_is_accepted(after: int, before: int, of: int) -> None:
    assert judge(outputs(after, of), outputs(before, of)) == ""


def test_a_loss_that_chance_explains_is_accepted_and_told() -> None:
    assert "a loss of 0.222 (95 %: -0." in judge(outputs(7, 9), outputs(9, 9))
    swapped = judge(outputs(50, 100, wrong_first=True), outputs(53, 100))  # 53 lost and 50 gained
    assert "a loss of 0.030" in swapped and "may be chance" in swapped
    with pytest.raises(ExportError, match=r"a loss of 0\.030"):
        judge(outputs(970, 1000), outputs(1000, 1000))


def test_probabilities_that_are_not_numbers_are_wrong() -> None:
    broken = outputs(86, 86)
    broken["probabilities"][:40] = np.nan  # the most probable class would be the first, the right one
    assert accuracy(broken["probabilities"], np.zeros(86, int))["accuracy"] == 46 / 86
    with pytest.raises(ExportError, match=r"a loss of 0\.465"):
        judge(broken, outputs(86, 86))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_the_limit_that_the_error_names_lets_it_pass(right: list[tuple[bool, bool]]) -> None:
    after, before = (np.array(side, float) for side in zip(*right, strict=True))
    after, before = ({"probabilities": np.stack([side, 1 - side], 1)} for side in (after, before))
    try:
        judge(after, before, 0.0)
    except ExportError as error:
        (named,) = re.findall(r"--max-accuracy-loss ([\d.]+)[.]$", str(error))
        assert judge(after, before, float(named)) == ""
    assert judge(after, before, 1.0) == ""
