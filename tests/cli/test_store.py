"""What `transfer store show`, `transfer store verify` and `transfer store prune` print."""

from pathlib import Path

import pytest
import typer

from transfer.cli import store
from transfer.errors import StoreError
from transfer.features import inventory
from transfer.features.inventory import StoredSet, Verified

SETS = [StoredSet("ab", "vgg16", 224, "bfloat16", 1234, 5_000_000, 0.5), StoredSet("cd", "unknown", 0, "", -1, 0, 2.0)]


def test_the_store_is_listed_with_damaged_sets_named() -> None:
    table = store.feature_sets(SETS)
    assert "1,234" in table
    assert "damaged" in table
    assert table.endswith("2 feature sets, 5.0 MB")
    assert store.feature_sets([]) == "The feature store is empty."


def test_deleted_sets_are_counted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(inventory, "listing", lambda: SETS)
    monkeypatch.setattr(inventory, "prune", lambda *chosen: SETS)
    store.prune(everything=True)
    assert capsys.readouterr().out == "Deleted 2 feature sets, 5.0 MB.\n"


def test_verifying_tells_each_set_and_exits_with_1_if_one_is_damaged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [Verified("ab", 1234, 0), Verified("cd", 1, 0), Verified("ef", 0, 0, outdated=True)]
    monkeypatch.setattr(inventory, "verify", lambda ids: found)
    store.verify()
    assert capsys.readouterr().out.splitlines() == [
        "ab  1,234 records, all of them whole",
        "cd  1 record, all of them whole",
        "ef  made by an earlier version, not used any more (transfer store prune --set ef)",
        "No damage found.",
    ]
    found[:] = [Verified("ab", 1234, 5), Verified("cd", 0, 0, "its keys are not in order")]
    with pytest.raises(typer.Exit) as ended:
        store.verify()
    assert ended.value.exit_code == 1
    assert capsys.readouterr().out.splitlines() == ["ab  1,234 records, 5 of them damaged", "cd  damaged: its keys are not in order"]


def test_what_else_is_kept_is_verified_too(cache_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (cache_folder / "compute").mkdir()
    (cache_folder / "compute" / "p.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(inventory, "verify", lambda ids: [])
    with pytest.raises(typer.Exit):
        store.verify()
    assert str(cache_folder / "compute" / "p.json") in capsys.readouterr().out
    store.verify(folders=[cache_folder])


def test_a_folder_that_is_not_there_is_refused() -> None:
    with pytest.raises(StoreError, match="no such folder"):
        store.verify(folders=[Path("/nowhere/at all")])
