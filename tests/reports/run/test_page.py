"""The report: one page that needs nothing else, with every class named and every name escaped."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.reports.made_up_run import folds, write_run
from tests.reports.page import Page
from transfer.drafts import Draft
from transfer.evaluation import predictions
from transfer.evaluation.metrics import confusion_matrix, evaluate
from transfer.reports.run import figures, text
from transfer.reports.run import page as run_page
from transfer.runs import CUT_POINTS, Run
from transfer.workflows import report

ODD = ('<b>&"', "label", "日本 'x'", "$x_1$", os.fsdecode(b"caf\xe9"), "01")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "odd names", ODD)


@pytest.fixture(scope="module")
def page(run: Run) -> Page:
    return Page(run_page.render(run))


def test_the_page_loads_nothing(run: Run, page: Page) -> None:
    assert not {"script", "img", "link", "iframe", "object", "embed", "audio", "video"} & set(page.tags)
    for name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            assert (value or "").startswith(("#", "data:image/png;base64")), (name, value)
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)", run_page.render(run))


def test_cross_validation_has_a_section_of_its_own(run: Run, tmp_path: Path) -> None:
    assert "oof_predictions.csv" not in run_page.render(run)
    other = write_run(tmp_path / "run", ODD)
    other.metrics["cross_validation"] = folds()
    page = run_page.render(other)
    assert '<h2 id="folds">' in page and "0.600 to 0.900" in page and "The weights kept are those of epoch" in page
    other.metrics["cross_validation"] = folds(averaged=True)
    page = run_page.render(other)
    assert "The weights kept are those of epoch" not in page and "calibrated on the predictions of the cross-validation" in page


def test_every_class_is_named_and_escaped(run: Run, page: Page) -> None:
    for name in ODD:
        shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\ufffd", "")
        assert any(shown in found.replace("\udce9", "").replace("?", "") for found in page.texts), name
    assert "b" not in page.tags
    assert "<b>" not in run_page.render(run)


def test_the_page_can_be_written_whatever_the_names_are(tmp_path: Path) -> None:
    draft = Draft(write_run(tmp_path / ".my run.partial-host-1", ODD).path)
    report.write(draft, None, None)
    written = draft.report.read_text(encoding="utf-8")
    assert "<title>my run</title>" in written


def test_skipped_files_are_listed_with_their_reason_and_used_ones_are_not(page: Page) -> None:
    assert {"damaged: truncated", "not an image: text"} <= set(page.texts)
    assert any("notes <i>.txt" in found for found in page.texts)
    assert not any("validation.png" in found for found in page.texts)


def test_probabilities_and_their_calibration_are_shown_in_words_and_figures(page: Page) -> None:
    assert any("temperature of 1.50" in found and "overconfident" in found for found in page.texts)
    at = page.texts.index("expected calibration error")
    assert page.texts[at + 1 : at + 3] == ["0.200", "0.100"]


def test_the_page_says_how_well_other_data_is_detected(run: Run, page: Page) -> None:
    at = page.texts.index("handwritten digits")
    assert page.texts[at + 1 : at + 5] == ["30", "90.0 %", "0.990", "found"]
    assert "do not rely on" not in run_page.render(run)


def test_the_page_says_what_to_expect_of_new_classes(run: Run, page: Page, tmp_path: Path) -> None:
    at = page.texts.index("new classes that look like these")
    assert page.texts[at + 1 : at + 5] == ["40", "20.0 %", "0.750", "not found"]
    said = "would be found in 20.0 % of cases (fewest: 'a', 10.0 %; most: '<b>', 50.0 %)"
    assert any(said in found for found in page.texts)
    trained = write_run(tmp_path / "trained")
    trained.metrics["ood"]["new_classes"]["at_most"] = True
    assert any(
        "found in at most 20.0 % of cases" in found and "was trained on these" in found for found in Page(run_page.render(trained)).texts
    )


def test_runs_made_before_have_no_figures_of_new_classes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    del run.metrics["ood"]["new_classes"]
    assert "new class" not in run_page.render(run)


def test_a_network_that_notices_nothing_is_called_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    run.metrics["ood"]["others"]["photographs"] = {"images": 30, "auroc": 0.3, "flagged": 0.0}
    assert "does not detect photographs: do not rely on" in " ".join(run_page.render(run).split())
    at = Page(run_page.render(run)).texts.index("photographs")
    assert Page(run_page.render(run)).texts[at + 4] == "not found"


@pytest.mark.parametrize(
    ("wh", "source", "said"), [(1.25, "estimate", "1.25 Wh"), (1.0, "counter", "counters"), (None, "", "was not measured")]
)
def test_the_cost_is_shown_with_its_source(tmp_path: Path, wh: float | None, source: str, said: str) -> None:
    run = write_run(tmp_path / "run")
    run.metrics["energy"].update(wh=wh, source=source)
    assert said in " ".join(run_page.render(run).split())


def test_exports_are_listed_as_they_were_measured(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    speed = {"latency_ms": 5.25, "images_per_second": 190.5}
    figures = {"bytes": 2_500_000, "accuracy": 0.5, "accuracy_ci95": [0.25, 0.75], **speed}
    exports = [{"format": "savedmodel", "quantization": "none", **figures}]
    exports.append({"format": "litert", "quantization": "int8", **figures, "same_label": 0.875, "largest_difference": 0.03})
    texts = Page(run_page.render(run, exports=exports)).texts
    at = texts.index("litert")
    assert texts[at : at + 8] == ["litert", "int8", "2.5", "0.500 (0.250 to 0.750)", "0.875", "3.0e-02", "5.2", "190.5"]


def test_engines_are_listed_with_their_agreement_where_they_were_measured(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert "Engines" not in Page(run_page.render(run)).texts
    agreement = {"same_label": 1.0, "largest_difference": 2e-6, "largest_difference_ood_score": 1e-5, "same_is_ood": 1.0}
    engines = [
        {"name": "TensorFlow 2.21", "images_per_second": 105.25, "latency_ms": 12.5, "chosen": False},
        {"name": "OpenVINO 2026.4", "images_per_second": 188.0, "latency_ms": 7.0, "images": 24, "chosen": True, **agreement},
    ]
    page = run_page.render(run, engines=engines)
    texts = Page(page).texts
    at = texts.index("OpenVINO 2026.4")
    assert texts[at : at + 6] == ["OpenVINO 2026.4", "188.0", "7.00", "2.0e-06", "1.0e-05", "100.0 %"]
    assert texts[at - 3 : at] == ["TensorFlow 2.21", "105.2", "12.50"]
    assert '<tr class="chosen"><td>OpenVINO 2026.4' in page


def test_the_worst_class_comes_first(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ("a", "b", "c"))
    texts = Page(run_page.render(run)).texts
    # The made-up classifier is right about the class in the middle only.
    rows = [found for found in texts if found in ("a", "b", "c")]
    assert rows[:3] == ["a", "c", "b"]


def test_the_table_of_cut_points_is_there_exactly_where_they_were_compared(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert "Cut points" not in Page(run_page.render(run)).texts
    _cut_points().to_csv(run.path / CUT_POINTS, index=False)
    again = Run(run.path)
    page = Page(run_page.render(again))
    assert "Cut points" in page.texts
    assert ("class", "chosen") in page.attributes


def test_many_classes_are_drawn_without_their_names() -> None:
    count = 45
    drawn = figures.confusion(np.eye(count, dtype=int), [f"class{number}" for number in range(count)])
    assert "class7" not in drawn
    assert "class7" in figures.confusion(np.eye(9, dtype=int), [f"class{number}" for number in range(9)])


def test_of_very_many_classes_the_most_frequent_mistakes_are_listed(tmp_path: Path) -> None:
    page = Page(run_page.render(write_run(tmp_path / "run", [f"class{number}" for number in range(160)])))
    assert any("the most frequent mistakes" in found for found in page.texts)
    assert "predicted class" in page.texts and "<svg" in run_page.render(write_run(tmp_path / "few"))


def test_beside_the_accuracy_stands_what_always_naming_the_most_frequent_class_would_give(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", ("healthy", "sick"))
    test = evaluate(np.eye(2)[[0] * 1999 + [1]], np.array([0] * 1993 + [1] * 7), ["healthy", "sick"])
    run.metrics["test"] = test
    run.metrics["validation"]["per_class"]["sick"]["images"] = 0
    run.metrics["agreement"]["images"] = 2000
    page = " ".join(Page(run_page.render(run)).texts)
    assert "Test accuracy 99.70 % 95 % interval 99." in page and ", 2,000 images Majority class 99.65 % always answering ‘healthy’" in page
    assert "Measured through the exported model." in page
    warning = "The validation split has no image of 'sick': its figures say nothing of this class."
    assert warning in Page(run_page.render(run)).texts
    block = text.block(run)
    assert "Test accuracy  0.9970 (95 %: 0.9" in block and "Compare with   0.9965, the accuracy of always answering 'healthy'" in block
    assert warning in block
    assert "0.9965" in text.side_by_side([run])


def test_where_the_export_was_verified_on_a_sample_the_page_and_the_terminal_say_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert run.metrics["test"]["images"] == 3
    run.metrics["agreement"]["images"] = 2
    said = "from their stored features; the exported model, given the bytes of 2 of them, agrees"
    assert said in " ".join(text.block(run).split())
    texts = Page(run_page.render(run)).texts
    assert any(f"Measured {said}." in " ".join(found.split()) for found in texts)
    assert any(found.startswith("Given the bytes of 2 of 3 test images") for found in texts)
    del run.metrics["agreement"]["images"]  # of an earlier version: all were verified
    assert "through the exported model" in text.block(run) and "Given the bytes" not in run_page.render(run)


def test_a_run_of_an_earlier_version_has_the_same_page(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    page = Page(run_page.render(run)).texts
    for split in ("validation", "test"):
        run.metrics[split]["confusion"] = confusion_matrix(run.metrics[split]).tolist()
        del run.metrics[split]["majority"], run.metrics[split]["majority_class"]
    assert Page(run_page.render(run)).texts == page


def test_figures_keep_text_as_text_in_any_script() -> None:
    drawn = figures.confusion(np.eye(2, dtype=int), ["日本", "$a"])
    assert "日本" in drawn
    assert "$a" in drawn


def test_learning_curves_show_where_a_second_stage_begins() -> None:
    values = {name: [0.5, 0.4, 0.3] for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    history = pd.DataFrame({"stage": ["head", "head", "fine-tuning"], **values})
    assert "fine-tuning begins" in figures.learning_curves(history, 3)[0]
    assert "begins" not in figures.learning_curves(history.head(2), 2)


def test_a_probability_of_one_falls_in_the_last_bin() -> None:
    facts = pd.DataFrame({"path": ["x"], "split": ["test"], "label": ["a"], "predicted": ["a"]}, dtype=object)
    assert figures.reliability(predictions.table(facts, np.array([[1.0, 0.0]]), ["a", "b"]), ["a", "b"]).startswith("<svg")


def _cut_points() -> pd.DataFrame:
    facts = {"cut": ["block1_pool", "block2_pool"], "features": [64, 128], "cv_accuracy": [0.5, 0.75]}
    return pd.DataFrame({**facts, "standard_error": [0.1, 0.05], "chosen": [False, True]})
