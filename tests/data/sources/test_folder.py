"""Folders as people and programs leave them: splits by other names, what is left out, classes that look alike."""

import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import made_up_image
from transfer.config import DataConfig, build, parse_assignment
from transfer.data import reading, scan_memory
from transfer.data.classes import require_classes
from transfer.data.dataset import Dataset
from transfer.data.sources import options, read
from transfer.errors import DataError
from transfer.system.progress import Silent

NFC, NFD = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))


class Said(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def write(root: Path, *folders: str, count: int = 1) -> Path:
    """Write different images into these folders."""
    for number, folder in enumerate(folders):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            made_up_image(100 * number + index).save(root / folder / f"{index}.png")
    return root


def classes(*splits: str, of: tuple[str, ...] = ("cats", "dogs")) -> list[str]:
    return [f"{split}/{label}" for split in splits for label in of]


def scanned(root: Path, said: Said | None = None, **settings: Any) -> Dataset:
    return read(DataConfig(source=str(root), **settings), said or Said())


def splits(source: Dataset) -> dict[str, str]:
    """Return folder at the top -> its split, of the used files."""
    return {row.path.split("/")[0]: row.split for row in source.used.itertuples()}


def reasons(source: Dataset) -> dict[str, str]:
    return dict(zip(source.table["path"], source.table["reason"], strict=True))


def refusal(root: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as error:
        scanned(root, **settings)
    assert "\n" not in str(error.value) and "Received" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "expected",
    [
        {"training_set": "train", "test_set": "test"},
        {"train": "train", "dev": "validation", "test": "test"},
        {"Train": "train", "Valid": "validation", "Test": "test"},
        {"train_2": "train", "my-train": "train", "TRAIN": "train", "Test Data": "test"},
        {"flowers_train": "train", "flowers_eval": "validation"},
        {"train2017": "train", "val2017": "validation"},
    ],
)
def test_splits_are_found_by_the_names_that_people_use(tmp_path: Path, expected: dict[str, str]) -> None:
    said = Said()
    source = scanned(write(tmp_path, *classes(*expected)), said)
    assert source.ready_made and source.classes == ["cats", "dogs"] and splits(source) == expected
    assert all(f"{split} = {folder}" in said.lines[0] for folder, split in expected.items())


def test_folders_beside_the_splits_are_left_out_with_a_line(tmp_path: Path) -> None:
    said = Said()
    (write(tmp_path, *classes("train", "test"), "pred", "__MACOSX/train") / "docs").mkdir()
    (tmp_path / "docs" / "readme.txt").write_text("text")
    source = scanned(tmp_path, said)
    assert splits(source) == {"train": "train", "test": "test"}
    assert "pred (1 image)" in said.lines[0] and "docs (0 images)" in said.lines[0] and "__MACOSX" not in said.lines[0]
    found = reasons(source)
    assert found["pred/0.png"] == "folder left out: pred is not train, validation or test"
    assert found["docs/readme.txt"].startswith("folder left out: docs")
    assert found["__MACOSX/train/0.png"] == "system folder: __MACOSX, left by macOS"


def test_folders_that_could_be_splits_or_classes_are_refused_with_settings_that_work(tmp_path: Path) -> None:
    write(tmp_path, *classes("a b", "1"))
    text = refusal(tmp_path)
    assert "The folders 1, a b hold the same folders (cats, dogs)" in text
    assert """--set 'data.split_folders={"train": "1", "test": "a b"}'""" in text and "--set data.split_folders=off" in text
    given = build([parse_assignment('data.split_folders={"train": "1", "test": "a b"}')]).data.split_folders
    source = scanned(tmp_path, split_folders=given)
    assert source.ready_made and splits(source) == {"1": "train", "a b": "test"}
    source = scanned(tmp_path, split_folders="off")
    assert not source.ready_made and source.classes == ["1", "a b"]


def test_split_folders_may_lie_deeper_and_be_several(tmp_path: Path) -> None:
    write(tmp_path, *classes("images/one", "images/two", f"{NFD}/x", "images/more"), "images")
    said = Said()
    source = scanned(tmp_path, said, split_folders={"train": ["images/one", "images/two"], "test": f"{NFC}/x/"})
    assert {row.path.rsplit("/", 2)[0]: row.split for row in source.used.itertuples()} == {
        "images/one": "train", "images/two": "train", f"{NFD}/x": "test",
    }  # fmt: skip
    assert source.classes == ["cats", "dogs"]
    assert reasons(source)["images/more/cats/0.png"] == "folder left out: images/more is not train, validation or test"
    assert reasons(source)["images/0.png"] == "not in a class folder"
    assert said.lines == []


def test_a_split_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, *classes("session1", "session2")), split_folders={"train": "session1", "test": "sesion2"})
    assert "Did you mean 'session2'?" in text and "session1, session2. Received 'sesion2'" in text


@pytest.mark.parametrize(
    ("folders", "meant"),
    [
        (classes("data"), "data, which holds cats, dogs?"),
        (classes("train"), "train, which holds cats, dogs?"),
        (classes("a/b/data"), "a/b/data, which holds cats, dogs?"),
        (classes("mydata/train", "mydata/val", "mydata/test"), "mydata, which holds test, train, val?"),
        ([*classes("mydata/train", "mydata/test"), "more"], "mydata, which holds test, train?"),
        ([*classes("data"), "__MACOSX/data/cats"], "data, which holds cats, dogs?"),
    ],
)
def test_one_level_too_high_names_the_folder_that_was_meant(tmp_path: Path, folders: list[str], meant: str) -> None:
    (write(tmp_path, *folders) / "README.md").write_text("text")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "1.txt").write_text("text")
    assert f"Did you mean {tmp_path}/{meant}" in refusal(tmp_path)


def test_classes_one_level_below_the_splits_are_offered_by_the_setting(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, *classes("seg_train/seg_train", "seg_test/seg_test"), "seg_pred/seg_pred"))
    assert "--set 'data.split_folders={train: seg_train/seg_train, test: seg_test/seg_test}'" in text
    source = scanned(tmp_path, split_folders={"train": "seg_train/seg_train", "test": "seg_test/seg_test"})
    assert source.classes == ["cats", "dogs"] and source.ready_made


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["Cat", "cat", "dog"], ("Cat", "cat")),
        (["cat", "cat ", "dog"], ("cat", "cat ")),
        ([NFC, NFD, "tea"], (NFD, NFC)),
        (["a", "\uff21", "b"], ("a", "\uff21")),
        (["a", "a\u200b", "b"], ("a", "a\u200b")),
        ([*classes("train", of=("Cat", "dog")), *classes("test", of=("cat", "dog"))], ("test/cat", "train/Cat")),
    ],
)
def test_classes_that_look_alike_are_refused_with_their_folders(tmp_path: Path, folders: list[str], names: tuple[str, str]) -> None:
    text = refusal(write(tmp_path, *folders))
    assert f"in the folder {names[0]!r} and " in text and f"in the folder {names[1]!r} of" in text
    assert all(ascii(name.split("/")[-1]) in text for name in names)


STRAYS = [
    "@eaDir/1.jpg", "__MACOSX", "lost+found", "System Volume Information", "$RECYCLE.BIN", ".ipynb_checkpoints", "__pycache__",
    "#recycle", ".Trashes", ".AppleDouble",
]  # fmt: skip


@pytest.mark.parametrize("start", ["", "cats/", "cats/deep/"])
def test_what_systems_and_programs_leave_is_listed_and_not_read(tmp_path: Path, start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "cats", "cats/deep", "dogs", *(f"{start}{stray}" for stray in STRAYS))
    for name in ("._0.png", "Thumbs.db"):
        (tmp_path / start / name).write_bytes(b"x")
    opened: list[str] = []
    really = reading.content
    monkeypatch.setattr(reading, "content", lambda file, limit: opened.append(file) or really(file, limit))  # type: ignore[func-returns-value]
    source = scanned(tmp_path)
    assert source.classes == ["cats", "dogs"] and len(source.used) == 3
    found = reasons(source)
    for stray in STRAYS:
        name = stray.split("/")[0]
        assert found[f"{start}{stray}/0.png"].startswith(f"system folder: {name}, ")
    assert found[f"{start}._0.png"] == "hidden file" and found[f"{start}Thumbs.db"] == "system file"
    assert sorted(opened) == sorted(str(tmp_path / path) for path in source.used["path"])


def test_excluded_files_are_listed_and_not_read_and_their_folders_are_no_classes(tmp_path: Path) -> None:
    said = Said()
    write(tmp_path, "cats", "dogs", "docs/more", "cats/docs", "cats/blurred1", "dogs/blurred1", "tricky[1]")
    (tmp_path / "cats" / "0_mask.png").write_bytes(b"x")
    patterns = ["docs/", "cats/blurred*", "*_mask.png", "tricky[[]1]", "dgos"]
    source = scanned(tmp_path, said, exclude=patterns)
    assert list(source.used["path"]) == ["cats/0.png", "dogs/0.png", "dogs/blurred1/0.png"]
    why = {path: reason for path, reason in reasons(source).items() if reason}
    assert why == {
        "cats/0_mask.png": "excluded by data.exclude: *_mask.png",
        "cats/blurred1/0.png": "excluded by data.exclude: cats/blurred*",
        "cats/docs/0.png": "excluded by data.exclude: docs/",
        "docs/more/0.png": "excluded by data.exclude: docs/",
        "tricky[1]/0.png": "excluded by data.exclude: tricky[[]1]",
    }
    assert set(source.table.loc[source.table["reason"] != "", "digest"]) == {""}
    assert said.lines == ["data.exclude: 'dgos' matches nothing. Did you mean 'dogs'?"]


def test_excluding_makes_a_layout_clear(tmp_path: Path) -> None:
    write(tmp_path, *classes("train", "test"), *classes("old_train", "old_test"))
    source = scanned(tmp_path, exclude=["old*"])
    assert splits(source) == {"train": "train", "test": "test"}


def test_a_scan_remembers_files_that_are_excluded_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_memory, "RACY_NS", 0)
    write(tmp_path, "cats", "dogs", "birds", count=2)
    whole = scanned(tmp_path).table
    scanned(tmp_path, exclude=["birds"])
    monkeypatch.setattr(reading, "content", lambda file, limit: pytest.fail(f"{file} is read again"))
    assert scanned(tmp_path).table.equals(whole)


def test_a_class_folder_without_images_is_offered_to_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, *classes("train", "test"), count=3)
    for folder in ("docs", "it's"):
        (tmp_path / "train" / folder).mkdir()
        (tmp_path / "train" / folder / "readme.txt").write_text("text")
    with pytest.raises(DataError, match=r"data\.exclude") as error:
        require_classes(scanned(tmp_path).table)
    assert '--set \'data.exclude=["train/docs", "train/it\'"\'"\'s"]\'' in str(error.value)
    require_classes(scanned(tmp_path, exclude=["train/docs", "train/it's"]).table)


def test_links_to_folders_that_are_left_out_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "a")
    write(tmp_path / "data", "cats", "dogs")
    for name in ("docs", "@eaDir"):
        (tmp_path / "data" / name).symlink_to(tmp_path / "elsewhere")
    source = scanned(tmp_path / "data", exclude=["docs"])
    assert {path: why.split(":")[0] for path, why in reasons(source).items() if why} == {
        "@eaDir/": "system folder",
        "docs/": "excluded by data.exclude",
    }


def test_names_that_are_not_unicode_are_judged_too(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    source = scanned(write(tmp_path, name, "tea", f"x{name}"), exclude=[f"x{name}"])
    assert source.classes == [name, "tea"]


def test_commands_that_are_proposed_name_the_settings_of_the_source() -> None:
    def words(source: str, **settings: Any) -> str:
        return options(DataConfig(source=source, **settings))

    assert words("data", exclude=["docs"], split_folders="off") == " --set data.split_folders=off --set 'data.exclude=[docs]'"
    assert words("data", split_folders={"train": "a"}) == " --set 'data.split_folders={train: [a]}'"
    assert words("data.csv", root="a b", exclude=["docs"]) == " --root 'a b' --set 'data.exclude=[docs]'"
    assert words("data") == words("data.csv") == words("tfds:x") == ""
