"""What `transfer store show` and `transfer store prune` print."""

import pytest

from transfer.cli import store
from transfer.features import inventory
from transfer.features.inventory import StoredSet

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
