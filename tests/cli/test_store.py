"""The table of `transfer store show`."""

from transfer.cli.store import feature_sets
from transfer.features.inventory import StoredSet


def test_the_store_is_listed_with_damaged_sets_named() -> None:
    sets = [StoredSet("ab", "vgg16", 224, "bfloat16", 1234, 5_000_000, 0.5), StoredSet("cd", "unknown", 0, "", -1, 0, 2.0)]
    table = feature_sets(sets)
    assert "1,234" in table
    assert "damaged" in table
    assert table.endswith("2 feature sets, 5.0 MB")
    assert feature_sets([]) == "The feature store is empty."
