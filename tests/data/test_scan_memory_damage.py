"""A memory of scans that is damaged, foreign or cannot be written costs a scan and nothing else."""

# ruff: noqa: F811
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.damage import damaged
from tests.data.remembering import ALL, Opened, folder, later, opened, scan  # noqa: F401
from transfer.data.decoding import decodable
from transfer.data.scan import Found, examined
from transfer.data.scan_memory import RACY_NS, RECORD, Memory, Verdict, is_damaged, load, memory_path, recall, save
from transfer.system.progress import Silent


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _foreign(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, about=np.frombuffer(b"{}", np.uint8), paths=np.zeros(3))


def _pickled(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, about=np.array([{"key": "x"}], object))


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [Path.unlink, _cut, _foreign, _pickled, _a_folder, lambda path: path.write_bytes(b"")])
def test_a_memory_that_is_gone_or_damaged_costs_a_scan_and_nothing_else(
    folder: Path, opened: Opened, damage: Callable[[Path], object]
) -> None:
    first = scan(folder)
    damage(memory_path(folder))
    opened.since()
    pd.testing.assert_frame_equal(scan(folder), first)
    assert opened.since() == ALL


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_memory_damaged_at_random_is_missing_or_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    root = tmp_path_factory.getbasetemp()
    records = np.zeros(2, RECORD)
    records["identity"], records["digest"] = 5, 7
    memory = Memory(["a", "b\udcff"], records, [Verdict("PNG", "", False, "")])
    save(root, 1.0, memory, np.full(2, RACY_NS + 10), Memory([], np.zeros(0, RECORD), []))
    expected = load(root, 1.0)
    content = memory_path(root).read_bytes()
    memory_path(root).write_bytes(spoiled := damaged(data, content))
    found = load(root, 1.0)
    assert is_damaged(root) == (not found.paths) == (spoiled != content)
    if found.paths:
        assert (found.paths, found.verdicts) == (expected.paths, expected.verdicts)
        assert (found.records == expected.records).all()
    memory_path(root).unlink()


def test_a_damaged_memory_is_told_in_one_line(folder: Path) -> None:
    said: list[str] = []

    class Telling(Silent):
        def say(self, text: str) -> None:
            said.append(text)

    for _ in range(3):
        examined(folder, [Found(name, "a", "") for name in ALL], 100.0, Telling())
        assert said == []
    _cut(memory_path(folder))
    examined(folder, [Found(name, "a", "") for name in ALL], 100.0, Telling())
    assert len(said) == 1 and said[0].startswith("What was remembered of earlier scans is damaged")


def test_a_memory_of_another_folder_under_this_ones_name_is_not_believed(folder: Path, opened: Opened) -> None:
    other = folder.with_name("other")
    other.mkdir()
    os.link(folder / "a.jpg", other / "b.png")
    scan(folder)
    os.replace(memory_path(folder), memory_path(other))
    opened.since()
    scan(other)
    assert opened.since() == ["b.png"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError(13, "Permission denied")])
def test_a_memory_that_cannot_be_written_is_said_and_does_not_stop_the_scan(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    said = []

    class Telling(Silent):
        def say(self, text: str) -> None:
            said.append(text)

    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(np, "savez", full)
    table = examined(folder, [Found(name, "a", "") for name in ALL], 100.0, Telling())
    assert list(table["reason"]) == ["", "", "", "not an image: text"]
    assert said == [f"This scan cannot be remembered, the next one will read all files again: {error.strerror}."]
    assert list(memory_path(folder).parent.iterdir()) == []


def test_a_passing_failure_of_the_decoder_is_not_remembered(folder: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    tester = decodable.DecodeTest
    monkeypatch.setattr(tester, "reasons", lambda self, images: ["cannot be decoded: out of memory"] * len(images))
    assert scan(folder, decode=True)["reason"][1] == "cannot be decoded: out of memory"
    monkeypatch.undo()
    monkeypatch.setenv("TRANSFER_HOME", str(memory_path(folder).parents[1]))
    assert list(scan(folder, decode=True)["reason"][:3]) == [""] * 3


def test_two_processes_at_once_leave_a_memory_that_is_whole(folder: Path, opened: Opened) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom transfer.data import reading, scan, scan_memory\n"
        "from transfer.system.progress import Silent\nnow = scan_memory.now_ns\n"
        "for module in (scan_memory, reading, scan):\n    module.now_ns = lambda: now() + 3_000_000_000\n"
        "found = [scan.Found(name, 'a', '') for name in ('a.jpg', 'b.png', 'c.tif', 'd.txt')]\n"
        "for _ in range(20):\n    scan_memory.memory_path(Path(sys.argv[1])).unlink(missing_ok=True)\n"
        "    scan.examined(Path(sys.argv[1]), found, 100.0, Silent())"
    )
    both = [subprocess.Popen([sys.executable, "-c", program, str(folder)], stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate()[1] for process in both] == [b""] * 2
    scan(folder)
    assert opened.since() in ([], ALL)  # the other may have deleted it last
    scan(folder)
    assert opened.since() == []


NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name and b"/" not in name).map(os.fsdecode)
WORDS = st.sampled_from(["", "PNG", "damaged: ä\n", "\udcff"])
ROWS = st.dictionaries(NAMES, st.tuples(st.integers(0, 2**62), WORDS, st.booleans()), min_size=1, max_size=8)


@given(ROWS, ROWS)
@settings(max_examples=60, deadline=None)
def test_what_was_remembered_comes_back_for_the_same_files_only(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, tuple[int, str, bool]], asked: dict[str, tuple[int, str, bool]]
) -> None:
    root = tmp_path_factory.mktemp("root")
    verdicts = list(dict.fromkeys(Verdict(word, "", True, word) for _, word, _ in rows.values()))
    records = np.zeros(len(rows), RECORD)
    records["verdict"] = [verdicts.index(Verdict(word, "", True, word)) for _, word, _ in rows.values()]
    records["identity"][:, 0] = [size for size, _, _ in rows.values()]
    records["digest"] = 7
    records["tested"] = [tested for _, _, tested in rows.values()]
    save(root, 1.0, Memory(list(rows), records, verdicts), np.full(len(rows), RACY_NS + 1), load(root, 1.0))
    both = {**asked, **rows}
    identities = np.zeros((len(both), 4), np.int64)
    identities[:, 0] = [size for size, _, _ in both.values()]
    memory = load(root, 1.0)
    found = recall(memory, list(both), identities, decode_tested=True)
    expected = [name for name in both if name in rows and rows[name][2]]
    assert [name for name, row in zip(both, found, strict=True) if row >= 0] == expected
    assert [memory.verdicts[memory.records["verdict"][row]].reason for row in found[found >= 0]] == [rows[name][1] for name in expected]
    memory_path(root).unlink()
