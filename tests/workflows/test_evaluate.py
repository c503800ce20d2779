"""A finished run on other labelled images: figures that can be counted by hand, and everything that does not fit named."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import transfer
from tests.reports.made_up_run import write_run
from tests.reports.page import Page
from transfer.cli import main
from transfer.data import dataset as manifests
from transfer.errors import ConfigError, DataError, OutputError
from transfer.reports import evaluated
from transfer.runs import MANIFEST, Run

pytestmark = pytest.mark.usefixtures("each_export_is_loaded_once")

RED, GREEN, BLUE = (220, 10, 10), (10, 220, 10), (10, 10, 220)


def save(path: Path, colour: tuple[int, int, int], shade: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (30, 20), tuple(max(0, value - shade) for value in colour)).save(path, "PNG")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images of two classes of the run, two of which look like another; three of a class it does not know; and no image."""
    folder = tmp_path_factory.mktemp("others") / "market"
    for shade in range(4):
        save(folder / "red" / f"{shade}.png", RED, shade)
        save(folder / "green" / f"{shade}.png", BLUE if shade < 2 else GREEN, 10 + shade)
    for shade in range(3):
        save(folder / "mauve <i>" / f"{shade}.png", (200, 10, 200), shade)
    save(folder / os.fsdecode(b"caf\xe9") / "1.png", RED, 9)
    (folder / "red" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbut no more")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Run:
    """A run that was trained on two of the images, and chosen by one."""
    import hashlib

    made = write_run(tmp_path_factory.mktemp("runs") / "colours", export=True)
    rows = [
        (f"red/{number}.png", "red", split, "", "used", "", "", "", hashlib.sha256((data / f"red/{number}.png").read_bytes()).hexdigest())
        for number, split in enumerate(("train", "train", "validation", "test"))
    ]
    more = pd.DataFrame([(*row, 9, "PNG", 30, 20, 0) for row in rows], columns=manifests.COLUMNS, dtype=object)
    manifests.write(pd.concat([made.manifest.assign(ctime_ns=0), more]), made.path / MANIFEST)
    return Run(made.path)


@pytest.fixture(scope="module")
def found(run: Run, data: Path) -> transfer.Evaluation:
    return transfer.evaluate(run.path, data)


def test_figures_are_those_that_can_be_counted(found: transfer.Evaluation) -> None:
    assert (found.run, found.data, found.accuracy, found.metrics["images"]) == ("colours", "market", 6 / 8, 8)
    assert found.metrics["confusion"] == {"red": {"red": 4}, "green": {"green": 2, "blue": 2}}
    assert found.metrics["per_class"]["green"]["recall"] == 0.5
    own = found.own_test
    assert own["images"] == 3 and own["accuracy"] == 1 / 3
    value, low, high = found.difference
    assert value == pytest.approx(6 / 8 - 1 / 3) and low < value < high
    assert found.flagged == found.predictions["ood_score"].gt(1).mean()


def test_what_does_not_fit_is_named_and_left_out(found: transfer.Evaluation) -> None:
    assert found.unknown == {"mauve <i>": 3, os.fsdecode(b"caf\xe9"): 1} and found.missing == ("blue",)
    assert list(found.skipped["path"]) == ["red/broken.png"] and found.skipped["reason"].iloc[0]
    assert len(found.predictions) == 8 and "mauve <i>" not in set(found.predictions["label"])


def test_images_that_the_run_learnt_from_are_counted_and_the_figures_given_without_them(found: transfer.Evaluation) -> None:
    assert found.seen == {"train": 2, "validation": 1}
    assert found.unseen is not None and found.unseen["images"] == 5 and found.unseen["accuracy"] == 3 / 5
    assert found.unseen_difference is not None and found.unseen_difference[0] == pytest.approx(3 / 5 - 1 / 3)
    assert sorted(found.predictions["seen"]) == ["", "", "", "", "test", "train", "train", "validation"]


def test_the_probabilities_are_those_of_predict(found: transfer.Evaluation, run: Run, data: Path) -> None:
    table = transfer.predict(run, [data / path for path in found.predictions["path"]])
    np.testing.assert_allclose(found.predictions[["red", "green", "blue"]].to_numpy(float), table[["red", "green", "blue"]], atol=1e-6)
    assert list(found.predictions["predicted"]) == list(table["label"])


def test_the_terminal_and_a_notebook_are_told_the_same(found: transfer.Evaluation) -> None:
    told, shown = " ".join(evaluated.block(found.facts()).split()), " ".join(Page(found._repr_html_()).texts)
    for text in (
        "0.750 (95 %:", "on 8 images of market", "0.333 on the run's 3 test images; difference +0.417 (95 %:",
        "trained on 2 of the images and chosen by 1 of the images: the accuracy above is too good; without them 0.600",
        "green taken for blue 2", "4 images of classes that the run does not know: mauve <i> (3) and caf\\xe9 (1)",
        "no image of 1 class of the run: blue", "such as red/broken.png",
    ):  # fmt: skip
        assert text in told and text in shown, text
    assert "<i>" not in found._repr_html_()


def test_the_command_prints_it_and_writes_a_folder(
    run: Run, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], found: transfer.Evaluation
) -> None:
    output = tmp_path / "judged"
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", str(run.path), str(data), "--output", str(output), "--json"])
    assert ended.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert document["command"] == "evaluate" and document["metrics"]["accuracy"] == 6 / 8 and document["output"] == str(output)
    written = (output / "evaluation.json").read_text(encoding="utf-8", errors="surrogateescape")
    assert json.loads(written) == json.loads(json.dumps(found.facts() | {"output": str(output)}))
    assert len((output / "predictions.csv").read_text().splitlines()) == 9 and (output / "skipped.csv").is_file()
    with pytest.raises(OutputError, match="already exists"):
        transfer.evaluate(run, data, output=output)


def test_images_none_of_which_fits_are_one_line(run: Run, tmp_path: Path) -> None:
    save(tmp_path / "birds" / "eagle" / "1.png", RED, 0)
    save(tmp_path / "birds" / "owl" / "1.png", RED, 1)
    with pytest.raises(DataError, match=r"None of the images has a class of the run\. .*among: red, green, blue\. Received eagle, owl"):
        transfer.evaluate(run, tmp_path / "birds")


def test_what_changes_how_images_are_seen_is_no_setting(run: Run, data: Path) -> None:
    with pytest.raises(ConfigError, match=r"takes no 'data\.resize'.*decoded and classified as the run was trained"):
        transfer.evaluate(run, data, **{"data.resize": "pad"})
    with pytest.raises(DataError, match="DATA is missing"):
        transfer.evaluate(run, None)
    with pytest.raises(OutputError):
        transfer.evaluate(run, data, output=data / "here")


def test_settings_of_the_source_are_taken(run: Run, data: Path) -> None:
    done = transfer.Run(run.path).evaluate(data, exclude=["mauve*", "caf*", "broken.png"])
    assert done.unknown == {} and all("excluded by data.exclude" in reason for reason in done.skipped["reason"]) and done.accuracy == 6 / 8
