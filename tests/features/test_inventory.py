"""What the store holds is listed rightly, and pruning deletes what was named and nothing else."""

import dataclasses
import json
import time

import numpy as np
import pytest

from transfer.features import inventory, store
from transfer.features.store import FeatureSet, key, open_store

VGG16 = FeatureSet("vgg16", "ab", 224, "stretch", "1", "bfloat16")
LENET = FeatureSet("pixels", "", 32, "stretch", "1", "uint8")


def fill(features: FeatureSet, records: int, size: int = 10_000) -> None:
    with open_store(features) as opened_store:
        opened_store.put({key(f"{number:064x}", "0", "top:avg"): bytes(size) for number in range(records)})


def unused_for(features: FeatureSet, days: float) -> None:
    path = store.folder() / features.id / store.DESCRIPTION
    description = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(description | {"used": time.time() - days * 86400}), encoding="utf-8")


def ids() -> list[str]:
    return [item.id for item in inventory.listing()]


def test_without_a_store_nothing_is_listed_or_pruned() -> None:
    assert inventory.listing() == [] and inventory.prune(everything=True) == []


def test_sets_are_listed_with_what_they_are_the_largest_first() -> None:
    fill(LENET, 1)
    fill(VGG16, 50)
    large, little = inventory.listing()
    assert (large.id, large.network, large.size, large.precision, large.records) == (VGG16.id, "vgg16", 224, "bfloat16", 50)
    assert (little.id, little.records) == (LENET.id, 1)
    assert large.bytes >= 50 * 10_000 > little.bytes > 0


def test_a_set_that_is_open_here_is_listed_with_its_records() -> None:
    with open_store(VGG16) as opened_store:
        opened_store.put({key("00" * 32, "0", "top:avg"): b"x"})
        assert [item.records for item in inventory.listing()] == [1]
        assert opened_store.records() == 1, "listing does not close it"


def test_opening_a_set_counts_as_using_it() -> None:
    fill(VGG16, 1)
    unused_for(VGG16, 10)
    assert inventory.listing()[0].days_unused == pytest.approx(10, abs=0.01)
    fill(VGG16, 1)
    assert inventory.listing()[0].days_unused < 0.01


def test_a_damaged_set_is_listed_and_can_be_pruned() -> None:
    fill(VGG16, 3)
    path = store.folder() / VGG16.id
    (path / "data.mdb").write_bytes(b"noise" * 5000)
    (path / store.DESCRIPTION).write_text("{", encoding="utf-8")
    (item,) = inventory.listing()
    assert (item.id, item.network, item.records) == (VGG16.id, "unknown", -1)
    assert [item.id for item in inventory.prune(ids=[VGG16.id])] == [VGG16.id]
    fill(VGG16, 3)
    assert inventory.listing()[0].records == 3


def test_pruning_by_name_deletes_that_set_alone() -> None:
    fill(VGG16, 2)
    fill(LENET, 2)
    assert [item.id for item in inventory.prune(ids=[LENET.id])] == [LENET.id]
    assert ids() == [VGG16.id]
    assert [path.name for path in store.folder().iterdir()] == [VGG16.id], "nothing hidden is left either"


@pytest.mark.parametrize(("days", "left"), [(0.0, 0), (5.0, 1), (30.0, 2)])
def test_pruning_by_age_deletes_what_was_not_used_for_so_long(days: float, left: int) -> None:
    fill(VGG16, 2)
    fill(LENET, 2)
    unused_for(LENET, 10)
    inventory.prune(older_than_days=days)
    assert len(ids()) == left


def test_pruning_with_no_rule_deletes_nothing() -> None:
    fill(VGG16, 2)
    assert inventory.prune() == [] and ids() == [VGG16.id]


def test_a_run_that_reads_a_set_goes_on_while_it_is_pruned() -> None:
    name = key("11" * 32, "0", "top:avg")
    with open_store(VGG16) as opened_store:
        opened_store.put({name: np.arange(5, dtype=np.float32).tobytes()})
        inventory.prune(everything=True)
        assert ids() == []
        assert opened_store.get([name], np.dtype(np.float32)).tolist() == [[0, 1, 2, 3, 4]]
    with open_store(VGG16) as again:
        assert again.has([name]) == [False]


def test_what_an_interrupted_pruning_left_is_deleted_by_the_next() -> None:
    fill(VGG16, 2)
    left = store.folder() / f".{dataclasses.replace(VGG16, size=1).id}.pruned-123"
    left.mkdir()
    (left / "data.mdb").write_bytes(b"x")
    assert ids() == [VGG16.id], "it is not listed"
    inventory.prune(ids=["none"])
    assert not left.exists() and ids() == [VGG16.id]
