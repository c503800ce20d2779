"""Without a usable home the cache is in a private folder below the temporary one, whatever others have put there."""

import os
import pwd
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from transfer.errors import StoreError
from transfer.system import home
from transfer.system.home import cache_home, lead_libraries

AS_ROOT = os.getuid() == 0  # whom nothing keeps from writing


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder; no cache folder is chosen, and nothing was told yet."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    for name in ("TRANSFER_HOME", "MPLCONFIGDIR", "KERAS_HOME", "XDG_CACHE_HOME", "TFDS_DATA_DIR"):
        monkeypatch.setenv(name, "set, so that it is put back")
        monkeypatch.delenv(name)
    home._tell.cache_clear()
    return folder


def no_entry(number: int) -> None:
    raise KeyError(f"getpwuid(): uid not found: {number}")


def private(place: Path, ending: str = "") -> Path:
    return place / f"transfer-{os.getuid()}{ending}" / ".cache" / "transfer"


UNUSABLE: dict[str, Callable[[Path, pytest.MonkeyPatch], object]] = {
    "none": lambda folder, patch: (patch.delenv("HOME"), patch.setattr(pwd, "getpwuid", no_entry)),
    "a file": lambda folder, patch: ((folder / "file").write_text(""), patch.setenv("HOME", str(folder / "file"))),
    "missing": lambda folder, patch: patch.setenv("HOME", str(folder / "missing")),
    "its cache is a file": lambda folder, patch: ((folder / ".cache").write_text(""), patch.setenv("HOME", str(folder))),
    "not writable": lambda folder, patch: (patch.setenv("HOME", str(folder)), patch.setattr(os, "access", lambda path, mode: False)),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_without_a_usable_home_the_cache_is_private_and_that_is_told_once(
    case: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    UNUSABLE[case](tmp_path, monkeypatch)
    assert cache_home() == cache_home() == private(place)
    made = private(place).parents[1].stat()
    assert (stat.S_IMODE(made.st_mode), made.st_uid) == (0o700, os.getuid())
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(private(place).parents[1]) in said and "TRANSFER_HOME" in said


@pytest.mark.parametrize("case", ["none", "missing"])
def test_libraries_keep_their_files_there_too_and_the_cache_stays_where_it_is(
    case: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    UNUSABLE[case](tmp_path, monkeypatch)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "chosen"))
    before = cache_home()
    lead_libraries()
    lead_libraries()
    for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "TFDS_DATA_DIR"):
        assert Path(os.environ[name]).is_relative_to(before) and Path(os.environ[name]).is_dir()
    assert os.environ["KERAS_HOME"] == str(tmp_path / "chosen")
    assert cache_home() == before
    assert Path(os.environ["HOME"]).is_dir() == (case == "none"), "a home that is only missing is left as it is"


def test_data_sets_in_a_home_that_is_only_read_are_still_found(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    UNUSABLE["its cache is a file"](tmp_path, monkeypatch)
    (tmp_path / "tensorflow_datasets").mkdir()
    lead_libraries()
    assert "TFDS_DATA_DIR" not in os.environ and "MPLCONFIGDIR" in os.environ


def test_a_usable_home_changes_nothing(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    lead_libraries()
    assert cache_home() == tmp_path / ".cache" / "transfer"
    assert not {"MPLCONFIGDIR", "KERAS_HOME"} & set(os.environ) and list(place.iterdir()) == []
    assert capsys.readouterr().err == ""


TAKEN: dict[str, Callable[[Path], object]] = {
    "a link": lambda path: path.symlink_to(path.parent),
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a file": lambda path: path.write_text(""),
    "open to others": lambda path: (path.mkdir(), path.chmod(0o755)),
    "open to the group": lambda path: (path.mkdir(), path.chmod(0o770)),
}


@pytest.mark.parametrize("case", TAKEN)
def test_what_somebody_else_put_there_is_passed_by(case: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    TAKEN[case](private(place).parents[1])
    assert cache_home() == cache_home() == private(place, "-1")


@pytest.mark.skipif(not AS_ROOT, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_passed_by(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    private(place).parents[1].mkdir(mode=0o700)
    os.chown(private(place).parents[1], 12345, 12345)
    assert cache_home() == private(place, "-1")


def test_where_all_names_are_taken_is_one_clear_error(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    monkeypatch.setattr(home, "_TRIES", 2)
    for ending in ("", "-1"):
        private(place, ending).parents[1].write_text("")
    with pytest.raises(StoreError, match=r"belong to others. Set TRANSFER_HOME to a folder that you can write"):
        cache_home()
    lead_libraries()
    assert "MPLCONFIGDIR" not in os.environ


def test_without_any_temporary_folder_is_one_clear_error(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "missing"))
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.chdir(place)  # Python's last resort is the current folder, which may be the user's data
    with pytest.raises(StoreError, match=r"no temporary folder that can be written. Set TRANSFER_HOME"):
        cache_home()
    assert list(place.iterdir()) == []


def test_a_chosen_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for chosen in ("file", "file/below"):
        monkeypatch.setenv("TRANSFER_HOME", str(tmp_path / chosen))
        with pytest.raises(StoreError, match=r"file' is not a folder. Set TRANSFER_HOME .* Received TRANSFER_HOME="):
            cache_home()
    monkeypatch.setenv("TRANSFER_HOME", str(tmp_path / "a" / "b"))
    assert cache_home() == tmp_path / "a" / "b"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(StoreError, match=r"is not writable. Set TRANSFER_HOME"):
        cache_home()


def test_a_chosen_folder_below_a_home_that_is_not_there_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    UNUSABLE["none"](tmp_path, monkeypatch)
    monkeypatch.setenv("TRANSFER_HOME", "~/cache")
    with pytest.raises(StoreError, match=r"there is no home"):
        cache_home()
