"""The quickstart without its two minutes of training: what is fitted on what, and what is printed."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.reports.made_up_run import write_run
from transfer.reports.run import text
from transfer.runs import Run
from transfer.system.progress import Silent
from transfer.workflows import quickstart


def test_quickstart_compares_both_networks_on_the_same_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[tuple[Path, dict[str, Any]]] = []

    def fit(folder: Path, config: dict[str, Any], name: str, output: Path, overwrite: bool, progress: object) -> Run:
        assert overwrite, "a second quickstart replaces the first"
        fitted.append((folder, config))
        made = write_run(output / name)
        table = {"cut": ["block4_pool"], "features": [512], "cv_accuracy": [0.9], "standard_error": [0.01], "chosen": [True]}
        pd.DataFrame(table).to_csv(made.path / "cut_points.csv", index=False)
        return made

    monkeypatch.setattr(quickstart, "fit", fit)
    done = quickstart.quickstart(tmp_path / "runs", Silent())
    printed = text.two_runs(done.vgg16, done.lenet, done.data)
    assert [config["backbone"] for _, config in fitted] == ["vgg16", "lenet"]
    assert fitted[0][0] == fitted[1][0]
    assert {path.name for path in fitted[0][0].iterdir()} == {"train", "val", "test"}
    assert len(list((fitted[0][0] / "train" / "3").iterdir())) == 10
    for words in ("<- chosen", "quickstart-vgg16", "quickstart-lenet", "Try next"):
        assert words in printed
