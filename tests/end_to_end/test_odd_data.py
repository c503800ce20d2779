"""Data as nobody wants it: `transfer.check` tells what it is, `transfer.fit` refuses it in one sentence, neither crashes."""

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

import transfer
from tests.conftest import made_up_image
from transfer.config import build
from transfer.data import dataset as manifests
from transfer.errors import DataError
from transfer.quality.findings import Findings
from transfer.runs import read_manifest
from transfer.workflows import check
from transfer.workflows.check import Checked

VGG = {
    "backbone": "vgg16",
    "weights": "random",
    "image_size": 32,
    "precision": "float32",
    "compute": "tensorflow",
    "truncate_at": "block1_pool",
}
LENET = {"backbone": "lenet"}

Folder = Callable[..., Path]


def look(data: Path, settings: dict[str, Any] = LENET, **options: Any) -> Checked:
    """Check into a folder beside the data, and make sure that nothing else is left there."""
    before = set(os.listdir(data.parent)) | {"result"}
    checked = transfer.check(data, settings, output=data.parent / "result", **options)
    assert set(os.listdir(data.parent)) <= before
    return checked


def refused(data: Path, settings: dict[str, Any] = LENET) -> str:
    """Return why a run refuses the data; there is nothing left of the run."""
    with pytest.raises(DataError) as error:
        transfer.fit(data, settings, output=data.parent / "runs", name="run")
    assert os.listdir(data.parent / "runs") == []
    return str(error.value)


def reasons(checked: Checked) -> dict[str, str]:
    return dict(zip(checked.manifest["path"], checked.manifest["reason"], strict=True))


def splits(checked: Checked) -> set[str]:
    return set(checked.manifest["split"])


def near_duplicates(image_folder: Folder) -> Path:
    """Every image is a near duplicate of one image."""
    data = image_folder(count=5)
    image = made_up_image(5, (12, 12)).resize((80, 80))
    for number, path in enumerate(sorted(data.rglob("*.png"))):
        image.save(path.with_suffix(".jpg"), quality=70 + 2 * number)
        path.unlink()
    return data


@pytest.mark.parametrize("settings", [LENET, VGG], ids=["lenet", "vgg16"])
def test_where_all_are_near_duplicates_of_one_image_grouping_them_is_refused(image_folder: Folder, settings: dict[str, Any]) -> None:
    data = near_duplicates(image_folder)
    settings = settings | {"data.group_by": "near-duplicates"}
    checked = look(data, settings)
    assert len(checked.findings.near_duplicates) > 0
    assert splits(checked) == {""}  # none that fit would never make
    assert any("3 different groups" in sentence for sentence in checked.exceeded)
    assert "Received green 5 (1 different), red 5 (1 different)" in refused(data, settings)


def test_one_image_in_all_files_is_a_contradiction_and_counts_once(image_folder: Folder) -> None:
    data = image_folder(count=5)
    first, *others = sorted(data.rglob("*.png"))
    for path in others:
        shutil.copyfile(first, path)
    assert look(data, VGG).findings.contradictions == 1
    assert "Too few in: green, red. Received green 5 (1 different), red 5 (1 different)" in refused(data)


@pytest.mark.parametrize("counts", [(1, 1), (5, 2), (5, 0)])
def test_few_images_are_looked_at_and_refused(image_folder: Folder, counts: tuple[int, int]) -> None:
    data = image_folder()
    for label, count in zip(("green", "red"), counts, strict=True):
        for path in sorted((data / label).iterdir())[count:]:
            path.unlink()
    checked = look(data, VGG)
    assert int(checked.findings.classes["images"].sum()) == sum(counts)
    assert checked.findings.unchecked == ["label_issues", "splits"]  # random weights judge no label
    assert refused(data).startswith("Each class needs at least 3 different readable images")


def test_blank_images_are_found_and_no_check_stumbles(image_folder: Folder) -> None:
    data = image_folder(count=6)
    for number, path in enumerate(sorted(data.rglob("*.png"))):
        Image.new("RGB", (40, 40), (20 * number, 20, 255 - 20 * number)).save(path)
    kinds = look(data, VGG).findings.kinds
    assert dict(zip(kinds["kind"], kinds["images"], strict=True)) == {"blank": 12}


@pytest.mark.parametrize("minimum", [4, 50])
def test_a_smallest_class_that_leaves_too_few_is_named(image_folder: Folder, minimum: int) -> None:
    data = image_folder(count=5)
    for path in sorted((data / "red").iterdir())[3:]:
        path.unlink()
    left = 1 if minimum == 4 else 0
    assert f"--min-per-class (data.min_per_class) leaves {left} of 2. Received green 5, red 3." in refused(
        data, LENET | {"data.min_per_class": minimum}
    )


def ready_made(image_folder: Folder) -> Path:
    data = image_folder(count=12)
    for label in ("green", "red"):
        for number, path in enumerate(sorted((data / label).iterdir())):
            target = data / ("train", "val", "test")[number % 3] / label
            target.mkdir(parents=True, exist_ok=True)
            path.rename(target / path.name)
        (data / label).rmdir()
    return data


def test_a_class_without_training_images_is_named(image_folder: Folder) -> None:
    data = ready_made(image_folder)
    (data / "test" / "new").mkdir()
    for number in range(4):
        made_up_image(900 + number).save(data / "test" / "new" / f"{number}.png")
    assert refused(data) == "Each class needs images in train. Received none for new. Add images, or remove the class."
    assert splits(look(data)) == {"train", "validation", "test"}  # as the folder has them


def test_near_duplicates_across_ready_made_splits_are_found_and_grouping_takes_them_out_of_training(image_folder: Folder) -> None:
    data = ready_made(image_folder)
    for label in ("green", "red"):
        image = made_up_image(70 + len(label), (12, 12)).resize((80, 80))
        for split, quality in (("train", 95), ("val", 85), ("test", 75)):
            image.save(data / split / label / "near.jpg", quality=quality)
    assert len(look(data, VGG).findings.across) >= 4
    grouped = look(data, VGG | {"data.group_by": "near-duplicates"})
    assert grouped.findings.across.empty
    assert reasons(grouped)["train/red/near.jpg"] == "an image of the same group is in test: test/red/near.jpg"


def test_groups_that_leave_nothing_to_train_on_are_said_to_be_why(image_folder: Folder) -> None:
    data = image_folder(count=9)
    rows = [
        {"path": f"{label}/{number:03d}.png", "label": label, "split": ("train", "test", "")[number % 3], "group": f"{label}{number // 3}"}
        for label in ("green", "red")
        for number in range(9)
    ]
    table = data.parent / "t.csv"
    pd.DataFrame(rows).to_csv(table, index=False)
    why = refused(table, LENET | {"data.root": str(data)})
    assert "Each class needs images in train. Received none for green, red. 6 images are skipped because" in why


def harm(data: Path) -> None:
    """Make one image vanish, cut another, replace a third, and take a whole class away."""
    vanished, cut, replaced = sorted((data / "green").iterdir())[:3]
    vanished.unlink()
    cut.write_bytes(cut.read_bytes()[:200])
    made_up_image(7).save(replaced)
    shutil.rmtree(data / "red")


@pytest.mark.parametrize("settings", [LENET, VGG], ids=["lenet", "vgg16"])
def test_a_folder_that_changes_while_it_is_read_is_reported(
    image_folder: Folder, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    data, extractor = image_folder(("green", "red", "white"), count=5), check.load_extractor

    def harmed(*arguments: Any) -> object:
        harm(data)
        return extractor(*arguments)

    monkeypatch.setattr(check, "load_extractor", harmed)
    found = reasons(look(data, settings))
    assert found["green/000.png"] == found["red/004.png"] == "vanished while the folder was read"
    assert found["green/001.png"] == found["green/002.png"] == "changed while it was read"
    assert [path for path, reason in found.items() if not reason and not path.startswith("white")] == ["green/003.png", "green/004.png"]


def test_data_that_vanishes_before_the_page_is_made_leaves_a_result(image_folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    data, write_page = image_folder(count=5), check._write_page
    shutil.copyfile(data / "red" / "000.png", data / "green" / "copy.png")

    def late(*arguments: Any) -> None:
        shutil.rmtree(data)
        write_page(*arguments)

    monkeypatch.setattr(check, "_write_page", late)
    checked = look(data)
    assert "green/copy.png" in checked.report.read_text(encoding="utf-8")
    assert Findings.read(checked.path / "findings.json").contradictions == 1  # as on a machine without the data


def test_a_link_that_leads_nowhere_or_back_is_a_reason_and_others_are_followed(image_folder: Folder) -> None:
    data = image_folder(count=4)
    (data / "linked").symlink_to(shutil.move(data / "red", data.parent / "elsewhere"))
    (data / "green" / "nowhere.png").symlink_to("/nowhere")
    (data / "green" / "back").symlink_to(data)
    os.mkfifo(data / "green" / "pipe.png")
    found = reasons(look(data))
    assert [found.pop(name) != "" for name in ("green/nowhere.png", "green/back/", "green/pipe.png")] == [True] * 3
    assert set(found.values()) == {""}
    assert len(found) == 8


def test_a_configuration_and_its_keys_are_the_same_check(image_folder: Folder) -> None:
    data = image_folder(count=5)
    checked = [look(data, settings, progress=None) for settings in (VGG, build([VGG]))]  # type: ignore[arg-type]
    first, second = ({**dataclasses.asdict(one.findings)} for one in checked)
    assert all(first[name].equals(second[name]) for name in ("classes", "leaks", "label_issues"))
    assert "DataFrame" not in repr(checked[0])
    assert len(repr(checked[0])) < 1000


def test_names_of_any_letters_come_back_from_the_manifest(tmp_path: Path) -> None:
    names = ["plain", "two\nlines", "carriage\rreturn", "caf\udce9", "\U0001f600", "'\""]
    rows = [[f"{number}.png", name, "", name, "used", "", "", "", "0" * 64, 1, "PNG", 1, 1, 0] for number, name in enumerate(names)]
    manifests.write(pd.DataFrame(rows, columns=manifests.COLUMNS, dtype=object), tmp_path / "manifest.csv")
    read = read_manifest(tmp_path / "manifest.csv")
    assert list(read["label"]) == list(read["group"]) == names
