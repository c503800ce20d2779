"""A run's folder appears whole or not at all, and is read as it was written."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.reports.made_up_run import write_run
from transfer.drafts import drafting, require_free
from transfer.errors import OutputError, RunError
from transfer.runs import CONFIG, METRICS, Run, versions_in
from transfer.system import environment
from transfer.system.sealed import LIST
from transfer.workflows.requests import fit_request

DEAD = "999999999"  # above the largest process number of any system
HOST = socket.gethostname()


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def fill(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in (CONFIG, METRICS):
        (folder / name).write_text(text)


def test_a_missing_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run"):
        Run(tmp_path / "none")


@pytest.mark.parametrize("lacking", [CONFIG, "environment.json", "manifest.csv", "history.csv", METRICS, "predictions.csv", "model.keras"])
def test_an_incomplete_folder_is_no_run_and_the_error_names_what_lacks(tmp_path: Path, lacking: str) -> None:
    run = write_run(tmp_path / "run")
    (run.path / lacking).unlink()
    with pytest.raises(RunError, match=f"lacks {lacking}"):
        Run(run.path)


def test_a_run_of_an_earlier_version_is_refused_in_one_line(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "run" / "familiar.npz").touch()
    with pytest.raises(RunError, match=r"earlier version.*Fit again"):
        Run(tmp_path / "run")


def test_the_newest_version_of_the_export_is_used_by_number(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for version in ("2", "10", "old"):
        (run.path / "export" / version).mkdir()
        (run.path / "export" / version / "saved_model.pb").touch()
    assert run.export.name == "10"


def not_versions(folder: Path) -> None:
    """Put into a folder of exports what is called like a version, and is none."""
    for name in ("²", "٣", "１", "007", "-1", "+2", "1_0", "2.partial", ".3", "x", "1e3", "9" * 19):
        (folder / name).mkdir()
        (folder / name / "saved_model.pb").touch()
    (folder / "7").touch()
    (folder / "8").symlink_to("8")  # a loop
    (folder / "9").mkdir()
    (folder / "10").symlink_to("nowhere")
    (folder / "11" / "saved_model.pb").mkdir(parents=True)


def test_what_is_only_called_like_a_version_is_passed_by(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    not_versions(run.path / "export")
    assert versions_in(run.path / "export") == [1] and run.export.name == "1"
    assert run.next_export.name == "12", "a new version does not take the place of what is there"
    assert versions_in(tmp_path / "nowhere") == versions_in(run.path / "config.yaml") == []


def test_a_run_without_an_export_version_is_an_error(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (run.path / "export" / "1" / "saved_model.pb").unlink()
    with pytest.raises(RunError, match="no export"):
        _ = run.export


@pytest.mark.parametrize("classes", [("01", "1"), ("label", "path"), ("a,b", 'c "d"'), ("日本", os.fsdecode(b"caf\xe9")), ("NA", "null")])
def test_class_names_are_read_as_they_were_written(tmp_path: Path, classes: tuple[str, ...]) -> None:
    run = write_run(tmp_path / "run", classes)
    assert run.labels == list(classes)
    assert list(run.predictions["label"]) == list(classes) * 2
    assert list(run.predictions["predicted"]) == list(reversed(classes)) * 2
    assert set(run.manifest["label"]) == set(classes)


def test_a_class_called_like_another_column_gets_a_column_of_its_own(tmp_path: Path) -> None:
    table = write_run(tmp_path / "run", ("label", "red")).predictions
    assert list(table.columns) == ["path", "split", "label", "predicted", "ood_score", "class label", "red"]
    assert list(table["class label"]) == [0, 1, 0, 1]


def test_a_draft_is_hidden_until_it_is_published_whole(tmp_path: Path) -> None:
    with drafting(tmp_path, "run") as draft:
        fill(draft.path, "new")
        assert not (tmp_path / "run").exists()
        assert [name for name in names(tmp_path) if not name.startswith(".")] == []
    assert names(tmp_path) == ["run"]
    assert names(tmp_path / "run") == sorted([CONFIG, METRICS, LIST])


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_neither_run_nor_draft(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), drafting(tmp_path, "run") as draft:
        fill(draft.path, "half")
        raise error
    assert names(tmp_path) == []


def test_overwriting_replaces_a_run_as_a_whole(tmp_path: Path) -> None:
    fill(tmp_path / "run", "old")
    (tmp_path / "run" / "left over").touch()
    with drafting(tmp_path, "run", overwrite=True) as draft:
        fill(draft.path, "new")
        assert (tmp_path / "run" / CONFIG).read_text() == "old"
    assert names(tmp_path) == ["run"]
    assert names(tmp_path / "run") == sorted([CONFIG, METRICS, LIST])
    assert (tmp_path / "run" / CONFIG).read_text() == "new"


def test_a_failure_while_overwriting_keeps_the_old_run(tmp_path: Path) -> None:
    fill(tmp_path / "run", "old")
    with pytest.raises(ValueError, match="stop"), drafting(tmp_path, "run", overwrite=True) as draft:
        fill(draft.path, "new")
        raise ValueError("stop")
    assert names(tmp_path) == ["run"]
    assert (tmp_path / "run" / CONFIG).read_text() == "old"


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_overwriting_replaces_runs_only(tmp_path: Path, kind: str) -> None:
    final = tmp_path / "out" / "run"
    fill(tmp_path / "elsewhere", "a run")
    final.parent.mkdir()
    {"folder": final.mkdir, "file": final.touch, "link": lambda: final.symlink_to(tmp_path / "elsewhere")}[kind]()
    with pytest.raises(OutputError, match="--overwrite replaces"):
        require_free(tmp_path / "out", "run", overwrite=True)


def test_a_name_that_another_process_took_meanwhile_is_not_touched(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"already exists.*--name.*--overwrite"), drafting(tmp_path, "run") as draft:
        fill(draft.path, "mine")
        fill(tmp_path / "run", "theirs")
    assert names(tmp_path) == ["run"]
    assert (tmp_path / "run" / CONFIG).read_text() == "theirs"


def test_a_name_that_another_process_is_working_on_is_refused_at_once(tmp_path: Path) -> None:
    with drafting(tmp_path, "run") as draft:
        fill(draft.path, "mine")
        message = rf"Another process \(number {os.getpid()}\) is making a run of this name.*--name"
        with pytest.raises(RunError, match=message), drafting(tmp_path, "run", overwrite=True):
            raise AssertionError
        with drafting(tmp_path, "another") as other:
            fill(other.path, "other")
    assert names(tmp_path) == ["another", "run"]
    assert (tmp_path / "run" / CONFIG).read_text() == "mine"


@pytest.mark.parametrize("name", ["", ".hidden", "..", "a/b", "/a", "a\\b", "a\nb", "a\0b", "x" * 151, "é" * 76])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="--name must be a folder name"):
        require_free(tmp_path, name, overwrite=False)


def test_the_longest_name_fits_beside_the_longest_name_of_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 64)
    with drafting(tmp_path, "x" * 150) as draft:
        fill(draft.path, "new")
    assert names(tmp_path) == ["x" * 150]


def test_an_output_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="folder cannot be created"):
        require_free(tmp_path / "file", "run", overwrite=False)


def test_drafts_of_dead_processes_are_cleared_up_and_others_kept(tmp_path: Path) -> None:
    mine = f".b.partial-{HOST}-{os.getppid()}"
    kept = {mine, f".c.partial-another.machine-{DEAD}", ".hidden", f"visible.partial-{HOST}-{DEAD}"}
    for name in {f".a.partial-{HOST}-{DEAD}", *kept}:
        (tmp_path / name).mkdir()
    with drafting(tmp_path, "run") as draft:
        fill(draft.path, "new")
    assert set(names(tmp_path)) == kept | {"run"}


@pytest.mark.parametrize("name", [None, "..", "odd\\name\n", ".hidden"])
def test_a_run_without_a_name_gets_one_that_is_allowed(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, name: str | None) -> None:
    folder = tmp_path / "flowers" / name if name else tmp_path / "flowers"
    (tmp_path / "flowers").mkdir()
    folder.mkdir(exist_ok=True)
    request = fit_request(folder, [{"backbone": "lenet"}], output=tmp_path_factory.mktemp("runs"))
    word = {None: "flowers", "..": tmp_path.name, ".hidden": "hidden"}.get(name, "odd-name-")
    assert re.fullmatch(re.escape(word[:40]) + r"-lenet-\d{8}-\d{6}", request.name)


@pytest.mark.parametrize("output", ["flowers", "flowers/runs", "link"])
def test_a_run_is_never_published_in_its_own_data(tmp_path: Path, output: str) -> None:
    (tmp_path / "flowers").mkdir()
    (tmp_path / "link").symlink_to("flowers")
    with pytest.raises(OutputError, match="where nothing is written"):
        fit_request(tmp_path / "flowers", [{"backbone": "lenet"}], output=tmp_path / output)
    assert list((tmp_path / "flowers").iterdir()) == []


KILLED_BETWEEN_TWO_RENAMES = """
import os, signal, sys
from pathlib import Path
from transfer.drafts import drafting

rename = os.rename
def rename_and_die(*arguments):
    rename(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

with drafting(Path(sys.argv[1]), "run", overwrite=True) as draft:
    for name in ("config.yaml", "metrics.json"):
        (draft.path / name).write_text("new")
    os.rename = rename_and_die
"""


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_run_that_was_being_replaced_when_the_process_was_killed_comes_back(tmp_path: Path, overwrite: bool) -> None:
    fill(tmp_path / "run", "old")
    done = subprocess.run([sys.executable, "-c", KILLED_BETWEEN_TWO_RENAMES, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert all(name.startswith(".") for name in names(tmp_path))
    if overwrite:
        with pytest.raises(ValueError, match="stop"), drafting(tmp_path, "run", overwrite=True):
            raise ValueError("stop")
    else:
        with pytest.raises(OutputError, match=r"already exists.*--name.*--overwrite"), drafting(tmp_path, "run"):
            pass
    assert names(tmp_path) == ["run"]
    assert (tmp_path / "run" / CONFIG).read_text() == "old"


@pytest.mark.parametrize("failing", [OSError("no git"), subprocess.TimeoutExpired("git", 10)])
def test_a_commit_that_cannot_be_asked_for_is_none(monkeypatch: pytest.MonkeyPatch, failing: Exception) -> None:
    def run(*arguments: object, **options: object) -> None:
        raise failing

    monkeypatch.setattr(subprocess, "run", run)
    assert environment.describe("tensorflow", "float32", None)["git_commit"] is None
