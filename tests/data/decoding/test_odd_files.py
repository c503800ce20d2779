"""Every odd file gets its treatment, and the folder stays as it was."""

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.data.decoding.odd_files import CORPUS, Odd, build
from transfer.config import DataConfig
from transfer.data import dataset as manifests
from transfer.data import pipeline, scan_memory, sources
from transfer.runs import read_manifest
from transfer.system.progress import Silent


def _snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    """Return name, kind, size, time and bytes of everything below a folder."""
    found: dict[str, tuple[object, ...]] = {}
    for parent, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = Path(parent, name)
            status = path.lstat()
            small = path.is_file() and status.st_size < 1 << 30
            found[str(path)] = (status.st_mode, status.st_size, status.st_mtime_ns, path.read_bytes() if small else b"")
    return found


@pytest.fixture(scope="module")
def treated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[pd.DataFrame, bool]]:
    """The manifest after scan and decoding, by path, and whether the folder is unchanged."""
    root = tmp_path_factory.mktemp("data") / "images"
    build(root)
    before = _snapshot(root.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_HOME", str(tmp_path_factory.mktemp("home")))
        manifest = _decoded(root, sources.read(DataConfig(source=str(root)), Silent()).table)
    yield manifest, before == _snapshot(root.parent)


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> list[pd.DataFrame]:
    """The manifests of two scans of the same files that decode the pixels themselves; the second one remembers."""
    root = tmp_path_factory.mktemp("data") / "images"
    build(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(scan_memory, "RACY_NS", -(10**12))
        return [sources.read(DataConfig(source=str(root)), Silent(), decode_test=True).table for _ in range(2)]


@pytest.mark.parametrize("again", [False, True])
def test_a_scan_with_decode_test_says_what_scan_and_decoding_say(
    treated: tuple[pd.DataFrame, bool], tested: list[pd.DataFrame], again: bool
) -> None:
    pd.testing.assert_frame_equal(tested[again].drop(columns="ctime_ns"), treated[0].drop(columns="ctime_ns"))


def _decoded(root: Path, scanned: pd.DataFrame) -> pd.DataFrame:
    rows = manifests.used(scanned)
    image_spec = pipeline.ImageSpec(32, DataConfig())
    files = pipeline.files_of(root, rows)
    decoded = {int(position) for positions, _ in pipeline.batches(files, image_spec, 16) for position in positions}
    missing = set(range(len(files))) - decoded
    return manifests.skip(scanned, {rows.index[number]: pipeline.why_undecodable(files[number], image_spec) for number in missing})


@pytest.mark.parametrize("odd", CORPUS, ids=lambda odd: odd.what)
def test_each_odd_file_gets_its_treatment(treated: tuple[pd.DataFrame, bool], odd: Odd) -> None:
    rows = treated[0][treated[0]["path"] == f"odd/{odd.path}"]
    assert len(rows) == 1
    row = rows.iloc[0]
    assert row["status"] == odd.status, row["reason"]
    assert row["reason"].startswith(odd.reason)
    assert (row["reason"] == "") == (odd.status != "skipped")


def test_the_corpus_has_at_least_45_files_and_the_manifest_no_others(treated: tuple[pd.DataFrame, bool]) -> None:
    assert len(CORPUS) >= 45
    assert sorted(treated[0]["path"]) == sorted(f"odd/{odd.path}" for odd in CORPUS)


def test_nothing_in_the_folder_is_changed(treated: tuple[pd.DataFrame, bool]) -> None:
    assert treated[1]


def test_the_manifest_survives_writing_and_reading_with_all_odd_names(treated: tuple[pd.DataFrame, bool], tmp_path: Path) -> None:
    manifests.write(treated[0], tmp_path / "manifest.csv")
    again = read_manifest(tmp_path / "manifest.csv")
    pd.testing.assert_frame_equal(again[manifests.SAVED], treated[0][manifests.SAVED], check_dtype=False, check_column_type=False)


def test_skipped_files_are_counted_by_kind_of_reason(treated: tuple[pd.DataFrame, bool]) -> None:
    counts = manifests.reason_counts(treated[0])
    assert counts["empty file"] == 1
    assert sum(counts.values()) == sum(odd.status == "skipped" for odd in CORPUS)
    assert all(":" not in kind for kind in counts)
