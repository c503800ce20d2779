"""Images of 12 bits in files of 16: one rule from the training images to the export, whatever the format."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.data.decoding import encoders as e
from tests.end_to_end.common import QUICK, digits_by_class
from transfer import check, fit, predict
from transfer.exporters.served import Served
from transfer.serving import admission

SETTINGS = {"backbone": "lenet", "image_size": 28, "training.epochs": 12, "energy": "off"}


def of_12_bits(file: Path) -> np.ndarray:
    """Return a digit in the lower quarter of 12 bits: black to the eye in a file of 16 bits."""
    grey = np.asarray(Image.open(file).convert("L"))
    return 300 + (grey.astype(np.uint16) << 2)


def in_both_formats(folder: Path) -> Path:
    """Write digits as PNG and TIFF of 16 bits, in turn."""
    for number, file in enumerate(sorted(digits_by_class(folder, 30).rglob("*.png"))):
        target = folder / "deep" / file.parent.name / file.stem
        target.parent.mkdir(parents=True, exist_ok=True)
        if number % 2:
            target.with_suffix(".tif").write_bytes(e.tiff(of_12_bits(file)))
        else:
            target.with_suffix(".png").write_bytes(e.png(of_12_bits(file).astype(int)[..., np.newaxis], 16, 0))
    return folder / "deep"


def test_what_is_trained_predicted_and_served_has_one_range(tmp_path: Path) -> None:
    data = in_both_formats(tmp_path)
    run = fit(data, SETTINGS, name="run", output=tmp_path / "runs")
    assert run.metrics["test"]["accuracy"] > 0.8
    value_range = run.config["data.value_range"]
    assert value_range == [288.0, 1344.0]
    served = Served(run.export)
    assert served.value_range == (288.0, 1344.0)

    rows = run.predictions[run.predictions["split"] == "test"]
    files = [data / path for path in rows["path"]]
    assert {file.suffix for file in files} == {".png", ".tif"}
    table = predict(run, files)
    np.testing.assert_allclose(table[run.labels].to_numpy(float), rows[run.labels].to_numpy(float), atol=1e-5)
    for file, expected in zip(files, rows[run.labels].to_numpy(float), strict=True):
        admitted = admission.unusual(file.read_bytes(), 100.0, served.value_range)
        np.testing.assert_allclose(served.probabilities([admitted.data])[0], expected, atol=1e-5)


def test_the_check_says_which_part_is_used_and_finds_nothing_blank(tmp_path: Path) -> None:
    data = in_both_formats(tmp_path)
    checked = check(data, {**QUICK, "check.tiny": 4}, output=tmp_path / "checks")
    kinds = {row.kind: (row.images, row.treatment) for row in checked.findings.kinds.itertuples()}
    assert kinds["uint16 samples"] == (90, "used: values 288 to 1344, 1.6 % of their type's range, become 0 to 255 (data.value_range)")
    assert "blank" not in kinds
