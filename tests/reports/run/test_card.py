"""The model card: what somebody needs who is given the model, nothing of the machine it was made on, and names that do nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.reports.made_up_findings import HOSTILE
from tests.reports.made_up_run import folds, write_run
from transfer.reports.run import card
from transfer.runs import METRICS, Run

SECTIONS = (
    "Intended use", "Training data", "How it was trained", "Evaluation", "Out of distribution", "Limits", "Energy", "Licence", "Versions",
)  # fmt: skip


def head_of(text: str) -> dict[str, Any]:
    _, head, body = text.split("---\n", 2)
    assert body.startswith("\n# ")
    return yaml.safe_load(head)


def test_the_head_is_what_the_hub_reads_and_the_sections_are_there(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", data__source="/home/somebody/pictures/flowers")
    text = card.render(run, "art", "flowers")
    head = head_of(text)
    assert (head["library_name"], head["pipeline_tag"], head["license"]) == ("keras", "image-classification", "unknown")
    (model,) = head["model-index"]
    figures = {one["type"]: one["value"] for one in model["results"][0]["metrics"]}
    assert model["name"] == "art" and figures == {"accuracy": 0.3333, "f1": round(run.metrics["test"]["macro_f1"], 4)}
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(SECTIONS)
    for said in (
        "0.333 (95 %: 0.061 to 0.792) on 3 images", "2 files were not used: 1 damaged and 1 not an image", "3 classes have fewer than 20",
        "| handwritten digits | 30 | 0.990 | 90.0 % |", "1.25 Wh for this run (estimated", "tensorflow 2",
    ):  # fmt: skip
        assert said in text, said


def test_no_place_of_the_machine_is_given_away(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", data__source="/home/somebody/pictures/flowers", backbone="vgg16", weights="/home/somebody/own.keras")
    text = card.render(run, "art", "flowers")
    assert "/home" not in text and "somebody" not in text and str(tmp_path) not in text and "own.keras" in text


def test_names_do_nothing_in_markdown(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", classes=("a|b", "[x](javascript:y)", "# top", *HOSTILE[:5]))
    text = card.render(run, "a`b: |", HOSTILE[0])
    body = text.split("---\n", 2)[2]
    assert "<script" not in body and "<img" not in body and "](javascript" not in body
    assert "| a\\|b |" in text and "| \\# top |" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in tables} == {5, 6, 7}, "no name divides a cell"
    assert head_of(text)["model-index"][0]["name"] == "a`b: |"


@pytest.mark.parametrize(
    ("settings", "name", "said"),
    [
        ({"backbone": "vgg16"}, "cc-by-4.0", "Visual Geometry Group"),
        ({"backbone": "inception_v3"}, "unknown", "documentation of Keras"),
        ({"backbone": "vgg16", "weights": "random"}, "unknown", "random weights"),
        ({"backbone": "lenet"}, "unknown", "random weights"),
        ({"backbone": "vgg16", "weights": "mine.keras"}, "unknown", "its maker supplied"),
    ],
)
def test_the_licence_is_that_of_the_weights(settings: dict[str, str], name: str, said: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", **settings)
    found, told = card.licence(run.config)
    assert found == name and said in told and said in card.render(run, "art", "flowers")


def test_folds_are_in_the_table_and_without_energy_the_section_is_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run.path / METRICS).write_text(json.dumps(run.metrics | {"cross_validation": folds(), "energy": {"wh": None, "source": "none"}}))
    text = card.render(Run(run.path), "art", "flowers")
    assert "| 2 folds, pooled | 1,200 | 0.760 (0.700 to 0.810) |" in text and "## Energy" not in text
