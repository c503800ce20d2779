"""The feature store: what is put comes back, under a key of everything that determines it, whatever happens meanwhile."""

import dataclasses
import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import lmdb
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.errors import StoreError
from transfer.features import pages, store
from transfer.features.store import FeatureSet, Store, key, open_store
from transfer.system.progress import Silent

SET = FeatureSet("vgg16", "ab" * 32, 224, "stretch", "1/tensorflow-2.21", "float32")
WIDTH = 1000


def name(number: int, output: str = "block4_pool:avg", view: str = "0") -> bytes:
    return key(hashlib.sha256(str(number).encode()).hexdigest(), view, output)


def row(number: int, width: int = WIDTH) -> np.ndarray:
    return np.full(width, number, np.float32)


def rows_of(opened_store: Store, numbers: range) -> np.ndarray:
    return opened_store.get([name(number) for number in numbers], np.dtype(np.float32))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store whose first map holds a few records only."""
    monkeypatch.setattr(pages, "FIRST_SIZE", 1 << 16)
    with open_store(SET) as opened_store:
        yield opened_store


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.float16, np.uint8])
def test_what_is_put_comes_back_in_the_order_asked_for(dtype: type) -> None:
    table = np.random.default_rng(0).integers(0, 200, (5, 7)).astype(dtype)
    keys = [name(number) for number in range(5)]
    with open_store(SET) as opened_store:
        opened_store.put({key: record.tobytes() for key, record in zip(keys, table, strict=True)})
    with open_store(SET) as opened_store:
        received = opened_store.get(keys[::-1], np.dtype(dtype))
        out = np.empty((5, 7), dtype)
        assert opened_store.get(keys, np.dtype(dtype), out) is out
    assert received.dtype == dtype and received.tobytes() == table[::-1].tobytes()
    assert out.tobytes() == table.tobytes()


def test_has_tells_for_each_key_whether_there_is_a_record() -> None:
    with open_store(SET) as opened_store:
        opened_store.put({name(1): b"x"})
        assert opened_store.has([name(0), name(1), name(1, view="1")]) == [False, True, False]


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(FeatureSet)])
def test_sets_that_differ_in_one_field_lie_apart(field: str) -> None:
    value = getattr(SET, field)
    other = dataclasses.replace(SET, **{field: value + 1 if isinstance(value, int) else f"{value}x"})
    assert other.id != SET.id and dataclasses.replace(other, **{field: value}).id == SET.id
    with open_store(SET) as one, open_store(other) as two:
        one.put({name(0): b"x"})
        assert two.has([name(0)]) == [False]


texts = st.text(st.characters(codec="ascii", exclude_characters="/", categories=("L", "N", "P")), max_size=12)
parts = st.tuples(st.binary(min_size=32, max_size=32).map(bytes.hex), texts, texts)


@settings(max_examples=200, deadline=None)
@given(parts, parts)
def test_keys_are_equal_only_where_image_view_and_output_are(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (key(*one) == key(*other)) == (one == other)


def test_a_missing_record_is_reported_and_never_made_up() -> None:
    with open_store(SET) as opened_store, pytest.raises(StoreError, match=f"lost a record while it was in use.*{SET.id}"):
        rows_of(opened_store, range(1))


def test_a_record_that_is_missing_leaves_the_store_usable() -> None:
    with open_store(SET) as opened_store:
        opened_store.put({name(0): row(0).tobytes()})
        with pytest.raises(StoreError):
            rows_of(opened_store, range(2))
        assert np.array_equal(rows_of(opened_store, range(1))[0], row(0))


def test_notes_are_kept_for_images_that_cannot_be_decoded() -> None:
    digests = [hashlib.sha256(text).hexdigest() for text in (b"a", b"b")]
    with open_store(SET) as opened_store:
        opened_store.note_undecodable({digests[1]: "damaged: nicht lesbar, schöne Grüße"})
    with open_store(SET) as opened_store:
        assert opened_store.notes(digests) == {digests[1]: "damaged: nicht lesbar, schöne Grüße"}


def test_the_map_grows_beyond_its_first_size(small: Store) -> None:
    for start in range(0, 200, 10):
        small.put({name(number): row(number).tobytes() for number in range(start, start + 10)})
    assert np.array_equal(rows_of(small, range(200)), np.stack([row(number) for number in range(200)]))
    assert small.records() == 200


def test_one_batch_larger_than_the_map_is_stored_whole(small: Store) -> None:
    small.put({name(number): row(number).tobytes() for number in range(300)})
    assert small.records() == 300


def test_a_grown_store_is_opened_again_with_all_its_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "FIRST_SIZE", 1 << 16)
    with open_store(SET) as opened_store:
        opened_store.put({name(number): row(number).tobytes() for number in range(100)})
    with open_store(SET) as opened_store:
        opened_store.put({name(100): row(100).tobytes()})
        assert np.array_equal(rows_of(opened_store, range(101))[:, 0], np.arange(101))


def test_threads_share_one_handle_and_the_last_one_closes_it() -> None:
    with open_store(SET) as outer:
        with open_store(SET) as inner:
            assert inner is outer
        assert outer.has([name(0)]) == [False], "still open"
    with pytest.raises(lmdb.Error):
        outer._env.begin()
    with open_store(SET) as again:
        assert again is not outer


def test_a_thread_may_read_while_another_makes_the_map_grow(small: Store) -> None:
    small.put({name(0): row(0).tobytes()})
    done, wrong = threading.Event(), []

    def read() -> None:
        try:
            while not done.is_set():
                if rows_of(small, range(1)).any():
                    wrong.append("another record")
        except BaseException as error:
            wrong.append(repr(error))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(1, 300):
        small.put({name(number): row(number).tobytes()})
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong and small.records() == 300


class FullDisk:
    """An LMDB environment whose disk is full when a transaction is committed."""

    def __init__(self, env: lmdb.Environment) -> None:
        self.env = env

    def begin(self, write: bool = False, **options: object) -> lmdb.Transaction:
        if write:
            raise lmdb.DiskError(f"mdb_txn_commit: {os.strerror(errno.ENOSPC)}")
        return self.env.begin(**options)


def test_a_full_disk_says_what_to_do_and_keeps_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(SET) as opened_store:
        opened_store.put({name(0): row(0).tobytes()})
        with monkeypatch.context() as patch:
            patch.setattr(opened_store, "_env", FullDisk(opened_store._env))
            with pytest.raises(StoreError, match=r"disk of the feature store is full.*transfer store prune.*same command again") as caught:
                opened_store.put({name(1): row(1).tobytes()})
        assert "\n" not in str(caught.value) and str(opened_store.path) in str(caught.value)
        assert opened_store.has([name(0), name(1)]) == [True, False]
        opened_store.put({name(1): row(1).tobytes()})
        assert opened_store.records() == 2


def test_a_disk_that_is_full_when_the_store_is_opened_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_text", full)
        with pytest.raises(StoreError, match="disk of the feature store is full"), open_store(SET):
            pass
    with open_store(SET) as opened_store:
        opened_store.put({name(0): b"x"})
        assert opened_store.has([name(0)]) == [True]


def test_a_folder_in_place_of_the_file_is_one_clear_error_that_says_how_to_delete_it() -> None:
    with open_store(SET):
        pass
    data = store.folder() / SET.id / "data.mdb"
    data.unlink()
    data.mkdir()
    with pytest.raises(StoreError, match=f"cannot be used.*transfer store prune --set {SET.id}") as caught, open_store(SET):
        pass
    assert "\n" not in str(caught.value)


def test_a_cache_folder_that_cannot_be_written_is_reported(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache_folder / "a file").write_text("")
    monkeypatch.setenv("TRANSFER_HOME", str(cache_folder / "a file"))
    with pytest.raises(StoreError, match=r"cannot be written: .*Set TRANSFER_HOME"), open_store(SET):
        pass


def test_a_store_that_cannot_be_made_is_not_to_be_pruned(cache_folder: Path) -> None:
    (cache_folder / "features").write_text("")
    with pytest.raises(StoreError, match=r"cannot be written: .*Set TRANSFER_HOME") as caught, open_store(SET):
        pass
    assert "prune" not in str(caught.value)


def test_a_file_that_is_mapped_anew_between_reads_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_MOST_MAPPED", 1 << 20)
    contents = {name(number): row(number).tobytes() for number in range(600)}
    mapped: list[int] = []
    with open_store(SET) as opened_store:
        opened_store.put(contents)

        class Watched:
            """The environment, with a note of how often it is mapped."""

            def __getattr__(self, attribute: str) -> object:
                if attribute == "set_mapsize":
                    mapped.append(1)
                return getattr(environment, attribute)

        environment, opened_store._env = opened_store._env, Watched()
        for _ in range(2):
            assert np.array_equal(rows_of(opened_store, range(600))[:, 0], np.arange(600))
            assert all(opened_store.sound(list(contents), Silent())) and all(opened_store.has(list(contents)))
        assert opened_store.notes([hashlib.sha256(b"none").hexdigest()]) == {}
        opened_store._env = environment
    assert len(mapped) > 4
