"""A damaged feature store never gives another result: what is damaged is missing, or a new set is made."""

import dataclasses
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.features.test_store import SET, name
from transfer.errors import StoreError
from transfer.features import inventory, pages, store
from transfer.features.store import Store, open_store
from transfer.system.progress import Silent

COUNT = 150
PAGE = 4096
FLOAT32 = np.dtype(np.float32)
NAMES = [name(number) for number in range(COUNT)]
ROWS = np.random.default_rng(0).standard_normal((COUNT, 700)).astype(np.float32)


@dataclasses.dataclass
class Listening(Silent):
    """Keeps what is said."""

    said: list[str] = dataclasses.field(default_factory=list)

    def say(self, text: str) -> None:
        self.said.append(text)


def put(opened_store: Store, numbers: list[int]) -> None:
    opened_store.put({NAMES[number]: ROWS[number].tobytes() for number in numbers})


def complete() -> tuple[int, list[str]]:
    """Use the store as an extraction does; return how many records had to be computed, and what was said."""
    listening = Listening()
    with open_store(SET, listening) as opened_store:
        stored = opened_store.sound(NAMES, listening)
        assert stored == opened_store.has(NAMES)
        kept, missing = ([number for number in range(COUNT) if stored[number] == value] for value in (True, False))
        if kept:
            assert np.array_equal(opened_store.get([NAMES[number] for number in kept], FLOAT32), ROWS[kept])
        put(opened_store, missing)
        assert np.array_equal(opened_store.get(NAMES, FLOAT32), ROWS)
    return len(missing), listening.said


def data() -> Path:
    return store.folder() / SET.id / "data.mdb"


def rewritten(change: Callable[[bytearray], object]) -> None:
    content = bytearray(data().read_bytes())
    change(content)
    data().write_bytes(content)


def position_of(number: int) -> int:
    """Return where the values of a record begin in the file."""
    found = data().read_bytes().find(ROWS[number].tobytes())
    assert found > 0
    return found


@pytest.mark.parametrize("value", [0.0, np.nan, 1.0])
def test_a_record_with_other_values_is_counted_told_and_computed_again(value: float) -> None:
    assert complete() == (COUNT, [])
    for number in (3, 77):
        position = position_of(number)
        changed = np.full(10, value, np.float32).tobytes()
        rewritten(lambda content, position=position, changed=changed: content.__setitem__(slice(position, position + 40), changed))
    assert complete() == (2, ["2 damaged records in the feature store: computing again"])
    assert complete() == (0, [])


def test_one_bit_is_noticed_by_whoever_reads_the_record() -> None:
    complete()
    position = position_of(5) + 1234
    rewritten(lambda content: content.__setitem__(position, content[position] ^ 1))
    with open_store(SET) as opened_store:
        assert np.array_equal(opened_store.get(NAMES[:5], FLOAT32), ROWS[:5])
        with pytest.raises(StoreError, match="missing or damaged"):
            opened_store.get(NAMES, FLOAT32)
        with pytest.raises(StoreError, match="missing or damaged"):
            opened_store.get(NAMES[5:6], FLOAT32, np.empty((1, 700), np.float32))


def test_the_features_of_one_image_are_not_those_of_another() -> None:
    with open_store(SET) as opened_store:
        put(opened_store, [0, 1])
        with opened_store._env.begin(write=True) as transaction:
            transaction.put(NAMES[0], transaction.get(NAMES[1]))
        with pytest.raises(StoreError, match="missing or damaged"):
            opened_store.get(NAMES[:1], FLOAT32)


def test_a_note_that_is_damaged_is_forgotten() -> None:
    digest = "ab" * 32
    with open_store(SET) as opened_store:
        opened_store.note_undecodable({digest: "damaged: it is cut short"})
    text = data().read_bytes()
    rewritten(lambda content: content.__setitem__(text.find(b"cut short"), 88))
    with open_store(SET) as opened_store:
        assert opened_store.notes([digest]) == {}


def cut(content: bytearray) -> None:
    del content[5 * PAGE :]


def noise(content: bytearray) -> None:
    content[2 * PAGE :] = np.random.default_rng(0).bytes(len(content) - 2 * PAGE)


def foreign(content: bytearray) -> None:
    content[:] = b"a file of another program" * 1000


@pytest.mark.parametrize("damage", [cut, noise, foreign])
def test_a_damaged_set_is_made_anew_and_the_old_one_kept_until_that_has_worked(damage: Callable[[bytearray], None]) -> None:
    complete()
    rewritten(damage)
    path, listening = store.folder() / SET.id, Listening()
    with pytest.raises(ZeroDivisionError), open_store(SET, listening):
        raise ZeroDivisionError  # the extraction fails
    assert (pages.aside(path) / "data.mdb").exists()
    assert len(listening.said) == 1 and "is damaged" in listening.said[0] and SET.id in listening.said[0]
    assert complete() == (COUNT, [])
    assert not pages.aside(path).exists() and [item.records for item in inventory.listing()] == [COUNT]


def test_a_page_that_is_found_damaged_during_use_makes_the_set_anew() -> None:
    complete()
    position = position_of(9) // PAGE * PAGE
    rewritten(lambda content: content.__setitem__(slice(position, position + PAGE), bytes(PAGE)))
    missing, said = complete()
    assert missing == COUNT and "is damaged" in said[-1]
    assert inventory.listing()[0].network == SET.network
    assert complete() == (0, [])


def tree_pages(content: bytes) -> list[int]:
    """Return the pages of the tree and of the head: those whose damage misleads LMDB."""
    return [page for page in range(len(content) // PAGE) if struct.unpack_from("<H", content, page * PAGE + 10)[0] in (1, 2, 8)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_HOME", str(tmp_path_factory.mktemp("home")))
        complete()
        return data().read_bytes()


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(["bit", "head", "zeros", "noise", "cut"]),
    in_tree=st.booleans(),
    place=st.integers(0, 1 << 30),
    seed=st.integers(0, 1 << 30),
)
def test_random_damage_gives_the_same_result(whole: bytes, kind: str, in_tree: bool, place: int, seed: int) -> None:
    used = whole[: whole.rfind(ROWS[-1].tobytes()) + 2 * PAGE]
    candidates = tree_pages(used) if in_tree else list(range(len(used) // PAGE))
    start = candidates[place % len(candidates)] * PAGE
    offset, content = start + seed % PAGE, bytearray(used)
    if kind == "bit":
        content[offset] ^= 1 << seed % 8
    elif kind == "head":
        content[start : start + 16] = np.random.default_rng(seed).bytes(16)
    elif kind == "zeros":
        content[start : start + PAGE] = bytes(PAGE)
    elif kind == "noise":
        content[offset : offset + 8] = np.random.default_rng(seed).bytes(8)[: len(content) - offset]
    else:
        del content[offset:]
    shutil.rmtree(store.folder(), ignore_errors=True)
    data().parent.mkdir(parents=True)
    data().write_bytes(content)
    complete()  # it asserts that all values are right


def test_verifying_counts_what_is_damaged_and_changes_nothing() -> None:
    complete()
    assert list(inventory.verify()) == [inventory.Verified(SET.id, COUNT, 0)]
    position = position_of(1)
    rewritten(lambda content: content.__setitem__(position, content[position] ^ 1))
    assert list(inventory.verify()) == [inventory.Verified(SET.id, COUNT, 1)] == list(inventory.verify())
    rewritten(cut)
    (found,) = inventory.verify([SET.id])
    assert "cut short" in found.problem and not pages.aside(store.folder() / SET.id).exists()


def test_a_set_of_an_earlier_version_is_told_apart() -> None:
    old = store.folder() / "0123456789abcdef"
    old.mkdir(parents=True)
    (old / store.DESCRIPTION).write_text('{"network": "vgg16"}')
    assert [item.outdated for item in inventory.verify()] == [True]


def test_pruning_a_set_deletes_what_was_set_aside_as_well() -> None:
    complete()
    rewritten(cut)
    with pytest.raises(ZeroDivisionError), open_store(SET):
        raise ZeroDivisionError
    inventory.prune(ids=[SET.id])
    assert [path.name for path in store.folder().iterdir() if path.is_dir()] == []
