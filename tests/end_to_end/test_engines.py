"""A run whose features OpenVINO computes: its export, TensorFlow's, agrees, and its configuration gives the same again."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.end_to_end.common import QUICK, digits_by_class, outcome
from transfer import fit
from transfer.config import read_yaml
from transfer.errors import ExportError
from transfer.features import inventory
from transfer.models.openvino_engine import Compiled
from transfer.runs import Run

SETTINGS: dict[str, Any] = QUICK | {"compute": "openvino", "ood.other_images": 0}


@pytest.fixture
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("openvino")
    return digits_by_class(tmp_path_factory.mktemp("digits"), 12)


def test_the_export_of_tensorflow_agrees_and_the_configuration_repeats_the_engine(data: Path, tmp_path: Path) -> None:
    run = fit(data, SETTINGS, name="run", output=tmp_path)
    agreement = dict(run.metrics["agreement"])
    assert agreement.pop("images") > 0 and all(difference <= 1e-3 for difference in agreement.values())
    assert read_yaml(run.path / "config.yaml")["compute"] == run.environment["compute"] == "openvino"
    assert "openvino" in run.environment["packages"]
    fit(data, SETTINGS | {"compute": "tensorflow"}, name="other", output=tmp_path)
    found = {item.engine.split()[0]: item.records for item in inventory.listing()}
    assert found["openvino"] == found["tensorflow"] > 0, "each engine has its own features"
    again = fit(config=read_yaml(run.path / "config.yaml"), name="again", output=tmp_path, overwrite=True)
    assert outcome(again) == outcome(run)


def test_what_was_measured_is_recorded_and_decides_the_next_run_too(data: Path, tmp_path: Path) -> None:
    open_to_both = SETTINGS | {"compute": "auto"}
    runs: list[Run] = [fit(data, open_to_both, name=name, output=tmp_path) for name in ("first", "second")]
    measured = runs[0].environment["compute_measured"]
    assert set(measured["images_per_second"]) == {"tensorflow float32", "openvino float32"}
    assert measured["compute"] == read_yaml(runs[0].path / "config.yaml")["compute"]
    assert runs[1].environment["compute_measured"]["images_per_second"] == measured["images_per_second"], "it was not measured again"
    assert outcome(runs[0]) == outcome(runs[1])


def test_features_that_the_export_does_not_confirm_fail_the_run_with_the_remedy(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = Compiled.__call__

    def wrong(compiled: Compiled, batch: np.ndarray) -> list[np.ndarray]:
        return [features[:, ::-1].copy() for features in compute(compiled, batch)]

    monkeypatch.setattr(Compiled, "__call__", wrong)
    with pytest.raises(ExportError, match=r"\(stored\).*The stored features are those of openvino: use compute=tensorflow"):
        fit(data, SETTINGS, name="run", output=tmp_path)
    assert not (tmp_path / "run").exists()
