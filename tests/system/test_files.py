"""Files and folders appear whole or not at all."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from transfer.errors import OutputError
from transfer.system import files
from transfer.system.files import (
    beside,
    clear_up,
    publish_folder,
    publishing,
    replacing,
    require_place,
    write_bytes,
    write_text,
    writer_of,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_the_folders_above_it(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "file.bin", b"\x00\xff")
    assert (tmp_path / "a" / "b" / "file.bin").read_bytes() == b"\x00\xff" and names(tmp_path / "a" / "b") == ["file.bin"]


def test_a_file_that_is_there_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "a long text, much longer than the next one")
    write_text(path, "schön")
    assert path.read_bytes() == "schön".encode() and names(tmp_path) == ["file.txt"]


def test_names_that_are_no_unicode_keep_their_bytes(tmp_path: Path) -> None:
    write_text(tmp_path / "file.txt", os.fsdecode(b"caf\xe9"))
    assert (tmp_path / "file.txt").read_bytes() == b"caf\xe9"


@pytest.mark.parametrize("name", ["x" * 255, "日" * 85, "a." + "x" * 253, "ä b'c\"d.json", ".hidden"])
def test_any_name_that_a_file_can_have_works(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / name, "text")
    assert names(tmp_path) == [name]


def test_the_temporary_file_has_the_ending_of_the_final_one_and_lies_beside_it(tmp_path: Path) -> None:
    with replacing(tmp_path / "weights.npz") as temporary:
        assert temporary.suffix == ".npz" and temporary.parent == tmp_path and temporary.name.startswith(".")
        assert not (tmp_path / "weights.npz").exists()
        temporary.write_bytes(b"x")
    assert names(tmp_path) == ["weights.npz"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), ValueError("a defect")])
@pytest.mark.parametrize("before", [None, b"the old content"])
def test_a_failing_write_leaves_no_temporary_file_and_the_old_content(tmp_path: Path, error: BaseException, before: bytes | None) -> None:
    path = tmp_path / "file.bin"
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(type(error)), replacing(path) as temporary:
        temporary.write_bytes(b"half of the new con")
        raise error
    assert names(tmp_path) == ([] if before is None else ["file.bin"])
    assert before is None or path.read_bytes() == before


def test_a_full_disk_is_named_by_the_file_that_did_not_fit(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as error, replacing(tmp_path / "file.bin"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(tmp_path / "file.bin"))


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_at_the_last_step_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="Input/output"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old" and names(tmp_path) == ["file.bin"]


def test_the_content_is_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append("fsync"), fsync(number)))
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("replace"), replace(*paths)))
    write_bytes(tmp_path / "file.bin", b"x")
    assert done == ["fsync", "replace"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_file_has_the_permissions_that_a_plain_one_would_have(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_bytes(tmp_path / "atomic", b"")
        (tmp_path / "plain").write_bytes(b"")
        assert os.umask(mask) == mask, "the mask of the process is left as it was"
    finally:
        os.umask(before)
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_reader_sees_the_old_content_or_the_new_one_and_nothing_between(tmp_path: Path) -> None:
    path, contents = tmp_path / "file.bin", [b"a" * 100_000, b"b" * 200_000]
    write_bytes(path, contents[0])
    done, wrong = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            if path.read_bytes() not in contents:
                wrong.append(1)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        write_bytes(path, contents[number % 2])
    done.set()
    reader.join()
    assert not wrong


def folder(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "file").write_text(content, encoding="utf-8")
    return path


def test_a_finished_folder_gets_its_name(tmp_path: Path) -> None:
    publish_folder(folder(tmp_path / ".partial", "new"), tmp_path / "run")
    assert names(tmp_path) == ["run"] and (tmp_path / "run" / "file").read_text(encoding="utf-8") == "new"


def test_a_folder_that_was_there_is_replaced_as_a_whole(tmp_path: Path) -> None:
    old = folder(tmp_path / "run", "old")
    (old / "only in the old one").write_text("", encoding="utf-8")
    publish_folder(folder(tmp_path / ".partial", "new"), old)
    assert names(tmp_path) == ["run"] and names(old) == ["file"]
    assert (old / "file").read_text(encoding="utf-8") == "new"


def test_a_folder_that_cannot_be_replaced_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = folder(tmp_path / "run", "old"), folder(tmp_path / ".partial", "new")
    rename = os.rename

    def fail_for_new(source: Path, target: Path) -> None:
        if Path(source) == new:
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(files.os, "rename", fail_for_new)
    with pytest.raises(OSError, match="Input/output"):
        publish_folder(new, old)
    assert (old / "file").read_text(encoding="utf-8") == "old" and names(tmp_path) == [".partial", "run"]


def test_publishing_what_is_not_there_changes_nothing(tmp_path: Path) -> None:
    old = folder(tmp_path / "run", "old")
    with pytest.raises(FileNotFoundError):
        publish_folder(tmp_path / "absent", old)
    assert names(tmp_path) == ["run"] and (old / "file").read_text(encoding="utf-8") == "old"


KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from transfer.system.files import replacing

with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half of")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ["report.html", "noending", "ä b.tar.gz", "x" * 255])
def test_what_a_killed_process_left_is_cleared_up_by_the_next_that_writes_there(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / "other", "of another kind")
    command = [sys.executable, "-c", KILLED_WHILE_WRITING, str(tmp_path / name)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 2
    (tmp_path / ".mine.partial").write_text("", encoding="utf-8")
    files._clear_once.cache_clear()  # as in a new process
    write_text(tmp_path / name, "whole")
    assert set(names(tmp_path)) == {".mine.partial", "other", name}


def test_a_file_that_is_being_written_is_not_cleared_up(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"a")
        files._clear_once.cache_clear()
        write_bytes(tmp_path / "b.bin", b"b")
        assert temporary.read_bytes() == b"a"
    assert names(tmp_path) == ["a.bin", "b.bin"]


def test_a_temporary_file_that_is_cleared_up_before_it_is_locked_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock = fcntl.flock
    deleted: list[Path] = []

    def late(handle: int, how: int) -> None:
        if not deleted:
            deleted.append(Path(f"/proc/self/fd/{handle}").readlink())
            deleted[0].unlink()
        flock(handle, how)

    monkeypatch.setattr(files.fcntl, "flock", late)
    write_bytes(tmp_path / "file.bin", b"x")
    assert deleted and (tmp_path / "file.bin").read_bytes() == b"x" and names(tmp_path) == ["file.bin"]


def test_a_file_system_without_locks_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(files.fcntl, "flock", unsupported)
    (tmp_path / ".a.abcdefgh.partial").touch()
    files._clear_once.cache_clear()
    write_bytes(tmp_path / "file.bin", b"x")
    with publishing(tmp_path / "run") as draft:
        assert writer_of(tmp_path / "run") == ""
        (draft / "file").touch()
    assert names(tmp_path) == [".a.abcdefgh.partial", "file.bin", "run"], "nobody knows whether the first is still written"


def test_the_process_that_fills_a_folder_is_known_until_it_has_done(tmp_path: Path) -> None:
    final = tmp_path / "run"
    assert writer_of(final) == "" == writer_of(tmp_path / "absent" / "run")
    with publishing(final):
        assert writer_of(final) == str(os.getpid())
        assert writer_of(tmp_path / "ru") == ""
    assert writer_of(final) == ""
    beside(final, "partial").mkdir()  # of a process that was killed
    assert writer_of(final) == ""


def test_a_draft_of_a_dead_number_is_kept_while_it_is_locked(tmp_path: Path) -> None:
    """Numbers of processes mean nothing in another container that shares the name of the machine and the folder."""
    left = tmp_path / f".run.partial-{socket.gethostname()}-{2**22 + 1}"
    left.mkdir()
    handle = os.open(left, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    clear_up(tmp_path)
    assert left.is_dir()
    os.close(handle)
    clear_up(tmp_path)
    assert not left.exists()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "cats").mkdir(parents=True)
    (tmp_path / "link").symlink_to("data")
    (tmp_path / "into").symlink_to("data/cats")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("place", "where"),
    [
        ("data", "inside"),
        ("data/new", "inside"),
        ("data/cats/new/deep", "inside"),
        ("data/new/..", "inside"),
        ("other/../data/x", "inside"),
        ("link", "inside"),
        ("link/new", "inside"),
        ("into/new", "inside"),
        ("loose", "inside"),
        ("", "a folder that holds"),
        ("other/..", "a folder that holds"),
        ("top", "a folder that holds"),
    ],
)
@pytest.mark.parametrize("relative", [False, True])
def test_a_result_is_neither_in_the_data_nor_around_them(
    data: Path, monkeypatch: pytest.MonkeyPatch, place: str, where: str, relative: bool
) -> None:
    top = data.parent
    (top / "loose").symlink_to("data/not there yet")
    (top / "top").symlink_to(".")
    monkeypatch.chdir(top)
    with pytest.raises(OutputError, match=rf"--output is {where} '{data}', where nothing is written"):
        require_place(Path(place) if relative else top / place, [Path("data") if relative else data], replaces=Path.is_dir)


def test_results_beside_the_data_and_in_folders_of_like_names_are_taken(data: Path) -> None:
    for place in ("dat", "data2", "data-result/x", "Data of others", "other/data"):
        require_place(data.parent / place, [data, data.parent / "gone", data.parent / "link"])


def test_a_loop_of_links_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OutputError, match="cannot be created"):
        require_place(tmp_path / "a" / "x", [tmp_path / "b"])


def test_names_that_the_file_system_takes_for_the_same_are_the_same(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where upper and lower case name one file (macOS, some USB drives)."""
    honest = os.stat
    monkeypatch.setattr(files.os, "stat", lambda path, **options: honest(str(path).replace("DATA", "data"), **options))
    with pytest.raises(OutputError, match="where nothing is written"):
        require_place(data.parent / "DATA" / "new", [data])


def test_a_table_that_a_replaced_folder_holds_stays(data: Path) -> None:
    (data / "t.csv").touch()
    with pytest.raises(OutputError, match="a folder that holds"):
        require_place(data, [data / "t.csv"], replaces=Path.is_dir)
    require_place(data / "other.csv", [data / "t.csv"])
