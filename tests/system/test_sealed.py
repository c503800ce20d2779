"""Files that tell whether they are as they were written: what is read is what was written, or nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.damage import damaged
from transfer.errors import RunError
from transfer.system import sealed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=8,
)
CONTENT = st.dictionaries(st.sampled_from(["a", "b", "é", "\udce9"]), JSON, max_size=4)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sealed")


@settings(deadline=None)
@given(CONTENT, st.sampled_from([None, 2]))
def test_json_comes_back_as_it_was_written(place: Path, content: dict[str, object], indent: int | None) -> None:
    sealed.write_json(place / "x.json", content, indent)
    assert sealed.read_json(place / "x.json") == content


@settings(deadline=None)
@given(CONTENT, st.data())
def test_damaged_json_is_missing_or_says_the_same(place: Path, content: dict[str, object], data: st.DataObject) -> None:
    sealed.write_json(place / "x.json", content, indent=1)
    (place / "x.json").write_bytes(damaged(data, (place / "x.json").read_bytes()))
    assert sealed.read_json(place / "x.json") in (None, content)


@pytest.mark.parametrize("text", ["", "[]", "{}", "3", '{"a": 1}', '{"a": 1, "checksum": "00"}', '{"a": 1, "checksum": null}', "[" * 10**5])
def test_json_of_others_is_missing(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    assert sealed.read_json(tmp_path / "x.json") is None


def test_what_json_cannot_tell_apart_is_read_as_json_has_it(tmp_path: Path) -> None:
    sealed.write_json(tmp_path / "x.json", {"a": (1, 2), "b": {1: float("nan"), 10: 0, 2: 0}})
    found = sealed.read_json(tmp_path / "x.json")
    assert found is not None and found["a"] == [1, 2] and list(found["b"]) == ["1", "10", "2"]


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_damaged_arrays_are_missing(place: Path, data: st.DataObject) -> None:
    arrays = {"numbers": np.arange(2000.0), "texts": np.array(["a", "é"]), "none": np.zeros((0, 3), np.float16)}
    sealed.write_arrays(place / "x.npz", arrays)
    whole = (place / "x.npz").read_bytes()
    (place / "x.npz").write_bytes(spoiled := damaged(data, whole))
    found = sealed.read_arrays(place / "x.npz")
    assert (found is not None) == (spoiled == whole)
    if found is not None:
        assert all(np.array_equal(found[name], array) for name, array in arrays.items())


def test_arrays_without_a_checksum_or_without_numpy_are_missing(tmp_path: Path) -> None:
    np.savez(tmp_path / "old.npz", a=np.ones(3))
    assert sealed.read_arrays(tmp_path / "old.npz") is None
    (tmp_path / "text.npz").write_bytes(b"text")
    sealed.append_checksum(tmp_path / "text.npz")
    assert sealed.is_whole(tmp_path / "text.npz")
    assert sealed.read_arrays(tmp_path / "text.npz") is None
    assert sealed.read_arrays(tmp_path / "none.npz") is None


def test_a_large_file_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content := bytes(range(256)) * 9000)
    sealed.append_checksum(tmp_path / "x")
    assert sealed.is_whole(tmp_path / "x")
    with (tmp_path / "x").open("rb+") as file:
        file.seek(len(content) - 1)
        file.write(b"\0")
    assert not sealed.is_whole(tmp_path / "x")


FILES = {"a.csv": b"path,label\n" * 60, "sub/b": bytes(3000), "empty": b""}


def listed(folder: Path) -> Path:
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    sealed.write_list(folder, FILES)
    return folder


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(["a.csv", "sub/b", sealed.LIST]), st.data())
def test_a_damaged_file_of_a_folder_is_named(place: Path, name: str, data: st.DataObject) -> None:
    folder = listed(place / "folder")
    assert sealed.damaged(folder) == []
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(spoiled := damaged(data, content))
    if name == sealed.LIST:
        same = sealed.read_json(folder / name) is not None  # a space more or less
        assert sealed.damaged(folder) == ([] if same else [name])
    else:
        assert sealed.damaged(folder) == sealed.damaged(folder, [name]) == ([name] if spoiled != content else [])
        assert sealed.damaged(folder, set(FILES) - {name}) == []


def test_a_missing_file_is_damaged_and_a_folder_without_a_list_is_not_judged(tmp_path: Path) -> None:
    listed(tmp_path)
    (tmp_path / "empty").unlink()
    assert sealed.damaged(tmp_path) == ["empty"]
    with pytest.raises(RunError, match=r"not as it was written\. Do this\. .*delete .*checksums\.json.*Received .*empty"):
        sealed.require_whole(tmp_path, None, "Do this.")
    (tmp_path / sealed.LIST).unlink()
    assert sealed.damaged(tmp_path) == []
    sealed.require_whole(tmp_path, ["a.csv"], "")


@pytest.mark.parametrize("name", ["a.csv", "new"])
@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_file_that_is_replaced_is_whole_wherever_that_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, renames: int
) -> None:
    listed(tmp_path)
    before = FILES.get(name)
    left, really = [renames], sealed.os.replace

    def rename(*paths: Path) -> None:
        left[0] -= 1
        if left[0] == -1:
            raise KeyboardInterrupt
        really(*paths)

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", rename)
        if renames < 2:
            with pytest.raises(KeyboardInterrupt):
                sealed.rewrite(tmp_path, name, b"other")
        else:
            sealed.rewrite(tmp_path, name, b"other")
    assert sealed.damaged(tmp_path) == []
    content = (tmp_path / name).read_bytes() if (tmp_path / name).exists() else None
    assert content == (b"other" if renames == 2 else before)
    sealed.rewrite(tmp_path, name, b"third")
    assert sealed.damaged(tmp_path) == []
    (tmp_path / name).write_bytes(b"fourth")
    assert sealed.damaged(tmp_path) == [name]


def test_what_is_damaged_already_is_not_taken_for_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(tmp_path)
    (tmp_path / "a.csv").write_bytes(b"damaged")

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sealed, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        sealed.rewrite(tmp_path, "a.csv", b"new")
    assert sealed.damaged(tmp_path) == ["a.csv"]


def test_a_folder_without_a_list_gets_none(tmp_path: Path) -> None:
    sealed.rewrite(tmp_path, "a", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_checksums_of_a_list_are_those_that_xxhsum_prints(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    sealed.write_list(tmp_path, ["abc"])
    assert json.loads((tmp_path / sealed.LIST).read_text())["abc"] == ["78af5f94892f3950"]


@pytest.mark.parametrize("listed", [{"../outside": ["00"]}, {"/proc/kmsg": ["x"]}, {"a/../../b": ["x"]}, {"a": 5}, {"a": None}])
def test_a_list_of_somebody_else_leads_to_no_other_file(tmp_path: Path, listed: dict[str, object]) -> None:
    sealed.write_json(tmp_path / sealed.LIST, listed)
    assert sealed.damaged(tmp_path) == [sealed.LIST]
