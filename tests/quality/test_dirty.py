"""The script that makes a data set dirty does what it says."""

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from tests.quality import dirty
from transfer.data.splits import assign


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dirty.Planted:
    return dirty.make(
        tmp_path_factory.mktemp("dirty") / "data", wrong_labels=8, near_duplicates=12, duplicates=3, contradictions=2, per_class=25
    )


def digest(planted: dirty.Planted, path: str) -> str:
    return hashlib.sha256((planted.root / path).read_bytes()).hexdigest()


def test_so_many_of_each_were_planted(planted: dirty.Planted) -> None:
    counts = [len(planted.wrong_labels), len(planted.near_duplicates), len(planted.duplicates), len(planted.contradictions)]
    assert counts == [8, 12, 3, 2]
    assert set(planted.odd.values()) == set(dirty.ODD)
    files = [path for path in planted.root.rglob("*") if path.is_file()]
    assert len(files) == 250 + 12 + 3 + 2  # odd files take the place of clean ones


def test_duplicates_have_the_same_bytes_and_contradictions_another_class(planted: dirty.Planted) -> None:
    for original, copy in [*planted.duplicates, *planted.contradictions]:
        assert digest(planted, original) == digest(planted, copy)
    assert all(Path(one).parent == Path(other).parent for one, other in planted.duplicates)
    assert all(Path(one).parent != Path(other).parent for one, other in planted.contradictions)


def test_wrong_labels_lie_in_another_class(planted: dirty.Planted) -> None:
    assert all(Path(path).parent.name != true and (planted.root / path).is_file() for path, true in planted.wrong_labels.items())


def test_near_duplicates_have_other_bytes_and_half_of_them_lie_in_another_split(planted: dirty.Planted) -> None:
    assert {how for _, _, how in planted.near_duplicates} == set(dirty.HOW)
    digests = [[digest(planted, path) for path in pair[:2]] for pair in planted.near_duplicates]
    labels = [str(number) for number in range(len(digests)) for _ in range(2)]
    units = [unit for pair in digests for unit in pair]
    split = dict(zip(units, assign(labels, units, 0.15, 0.15, seed=0), strict=True))
    assert all(original != copy for original, copy in digests)
    assert sum(split[original] != split[copy] for original, copy in digests) >= 6


def test_no_image_has_two_faults(planted: dirty.Planted) -> None:
    pairs = [*planted.near_duplicates, *planted.duplicates, *planted.contradictions]
    faulty = [path for pair in pairs for path in pair[:2]] + [*planted.wrong_labels, *planted.odd]
    assert len(faulty) == len(set(faulty))


def test_odd_files_are_what_they_are_called(planted: dirty.Planted) -> None:
    odd = {what: planted.root / path for path, what in planted.odd.items()}
    with Image.open(odd["CMYK"]) as cmyk, Image.open(odd["animated"]) as animated, Image.open(odd["wrong extension"]) as png:
        assert (cmyk.mode, animated.n_frames, png.format) == ("CMYK", 3, "PNG")  # type: ignore[attr-defined]
    with Image.open(odd["EXIF-rotated"]) as rotated, Image.open(odd["tiny"]) as tiny, Image.open(odd["alpha"]) as alpha:
        assert (rotated.getexif()[0x0112], tiny.size, alpha.mode) == (6, (5, 4), "RGBA")
    with Image.open(odd["truncated"]) as truncated, pytest.raises(OSError, match="truncated"):
        truncated.load()


def test_the_same_seed_gives_the_same_files(planted: dirty.Planted, tmp_path: Path) -> None:
    again = dirty.make(tmp_path / "again", wrong_labels=8, near_duplicates=12, duplicates=3, contradictions=2, per_class=25)
    assert (again.wrong_labels, again.near_duplicates, again.odd) == (planted.wrong_labels, planted.near_duplicates, planted.odd)
    assert all(digest(again, copy) == digest(planted, copy) for _, copy, _ in again.near_duplicates)


def test_any_folder_can_be_made_dirty_and_stays_as_it_was(planted: dirty.Planted, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in planted.root.rglob("*")}
    made = dirty.make(tmp_path / "made", planted.root, wrong_labels=1, near_duplicates=1, duplicates=1, contradictions=1)
    assert {path: path.stat().st_mtime_ns for path in planted.root.rglob("*")} == before
    assert all((made.root / path).is_file() for path in made.wrong_labels)
