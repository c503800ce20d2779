"""A whole comparison with real trainings on made-up images, against the same training by fit."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.workflows.comparison.tiny import SETTINGS
from transfer.models.pretrained import Pretrained
from transfer.runs import read_manifest
from transfer.system.sealed import read_json
from transfer.workflows.compare import compare
from transfer.workflows.comparison import folder
from transfer.workflows.comparison.folder import Comparison
from transfer.workflows.comparison.tables import COLUMNS
from transfer.workflows.fit import fit


def test_a_comparison_from_end_to_end(image_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = image_folder(count=14)
    loaded: list[str] = []
    real = Pretrained.load
    monkeypatch.setattr(Pretrained, "load", lambda *arguments: loaded.append("vgg16") or real(*arguments))
    done = compare(data, SETTINGS, output=tmp_path / "out")
    assert loaded == ["vgg16"]  # one for both frozen methods
    assert len(read_json(done.path / folder.RATES) or {}) == 2
    runs = done.runs
    assert done.path == tmp_path / "out" / "data"
    assert list(runs.columns) == COLUMNS
    assert list(runs["method"].unique()) == ["top", "lower", "mlp"]
    assert len(runs) == 6
    assert runs["run"].is_unique
    assert list(runs["size"].unique()) == ["3", "all"]
    assert (runs.loc[runs["size"] == "3", "train_images"] == 6).all()
    assert runs["test_images"].nunique() == 1
    assert ((runs["seconds_frozen"] > 0) == (runs["method"] != "mlp")).all()
    assert np.allclose(runs["seconds"], runs["seconds_frozen"] + runs["seconds_training"])
    assert set(runs.loc[runs["method"] == "lower", "truncate_at"]) == {"block2_pool"}
    assert list(done.predictions.columns) == ["path", "label", *runs["run"]]
    manifest = read_manifest(done.path / folder.MANIFEST)
    assert set(done.predictions["path"]) == set(manifest.loc[manifest["split"] == "test", "path"])
    for row in runs.itertuples():
        assert (done.predictions[row.run] == done.predictions["label"]).mean() == pytest.approx(row.accuracy)
    assert len(done.summary) == 6
    assert len(done.paired) == 6
    assert "3 methods were compared" in done.paragraph
    assert done.report.stat().st_size > 1000
    assert done.failures == []
    assert Comparison(done.path).runs.equals(runs)
    # With all images a run is what fit makes with the same settings.
    run = fit(data, SETTINGS["common"] | SETTINGS["methods"]["lower"], name="run", output=tmp_path / "fits")
    predicted = run.predictions[run.predictions["split"] == "test"].set_index("path")["predicted"]
    ours = done.predictions.set_index("path")["lower-all-0"]
    assert ours.sort_index().equals(predicted.sort_index().astype(object).rename(ours.name))
    row = runs.set_index("run").loc["lower-all-0"]
    assert row["epochs"] == len(run.history)
    assert row["log_loss"] == pytest.approx(run.metrics["test"]["log_loss"], rel=1e-4)
    assert row["parameters_trained"] == run.metrics["parameters"]["trained"]
    assert row["parameters_total"] == run.metrics["parameters"]["total"]


def test_each_seed_trains_on_views_of_its_own(image_folder: Callable[..., Path], tmp_path: Path) -> None:
    data, common = image_folder(count=10), SETTINGS["common"] | {"augment.views": 1}
    methods = {"top": SETTINGS["methods"]["top"], "lower": SETTINGS["methods"]["lower"]}
    done = compare(data, SETTINGS | {"sizes": ["all"], "seeds": [0, 1], "common": common, "methods": methods}, output=tmp_path / "out")
    assert not done.failures and len(done.runs) == 4
