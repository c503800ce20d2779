"""`--json`, `--quiet`, `--verbose` and `--log-file`: one document on standard output, all else on standard error and in the log."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import made_up_image
from transfer import cli
from transfer.reports import documents
from transfer.system import shell
from transfer.system.names import utf8

Call = Callable[..., tuple[int, str, str]]
COMMON = {"schema", "command"}


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Return a function that runs a command line in this process: exit status, standard output, standard error."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as done:
            cli.main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return int(done.value.code or 0), captured.out, captured.err

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data of two classes, one of them no Unicode, and a run of LeNet on it, `runs/made`; fitted with a log file."""
    root = tmp_path_factory.mktemp("console")
    for number, label in enumerate((b"gr\xfcn", b"red")):
        folder = root / "data" / os.fsdecode(label)
        folder.mkdir(parents=True)
        for index in range(8):
            made_up_image(10 * number + index, tint=number).save(folder / f"{index}.png")
    words = [
        "fit",
        root / "data",
        "--backbone",
        "lenet",
        "--set",
        "training.epochs=2",
        "--set",
        "energy=off",
        "--set",
        "ood.other_images=0",
    ]
    words += ["--name", "made", "--output", root / "runs", "--json", "--verbose", "--log-file", root / "log.txt"]
    environment = {**os.environ, "TRANSFER_HOME": str(root / "home"), "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([sys.executable, "-m", "transfer", *map(str, words)], capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    (root / "fit.json").write_bytes(done.stdout)
    (root / "fit.txt").write_bytes(done.stderr)
    return root


def document(printed: str, command: str | None, kind: str | None = None) -> dict[str, Any]:
    """Return the one document that was printed, with its keys checked against the list of the reference."""
    found: dict[str, Any] = json.loads(printed)
    assert (found["schema"], found["command"]) == ("transfer/1", command)
    assert set(found) == COMMON | set(documents.KEYS[kind or command or "error"])
    return found


def test_fit_prints_one_document_in_utf8_whatever_the_names(place: Path) -> None:
    found = document((place / "fit.json").read_text(encoding="utf-8"), "fit")
    assert found["classes"] == [r"gr\xfcn", "red"]
    assert found["metrics"]["test"]["accuracy"] == found["test_accuracy"]
    assert Path(found["export"], "saved_model.pb").is_file()


def test_verbose_tells_the_settings_in_force(place: Path) -> None:
    told = (place / "fit.txt").read_text(encoding="utf-8", errors="replace")
    assert "\nbackbone: lenet\n" in f"\n{told}"
    assert "checkpoint_seconds: 30.0" in told


def test_the_log_has_what_was_said_with_times_and_is_added_to(place: Path, call: Call) -> None:
    lines = (place / "log.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}  ", line) for line in lines)
    text = "\n".join(lines)
    for words in ("transfer fit ", "Scanning: 16 ", "Training the ", "Exporting the model", "Test accuracy"):
        assert words in text
    assert call("weights", "vgg", "--log-file", place / "log.txt")[0] == 2
    after = (place / "log.txt").read_text(encoding="utf-8").splitlines()
    assert after[: len(lines)] == lines
    assert "error: backbone: Unknown network." in after[-1]


def test_predict_explain_and_report_print_their_documents(place: Path, call: Call, tmp_path: Path) -> None:
    image, broken = place / "data" / "red" / "0.png", tmp_path / "no image.png"
    broken.write_text("text")
    status, printed, told = call("predict", place / "runs" / "made", image, broken, "--json")
    found = document(printed, "predict")
    assert (status, found["files"], found["failed"], found["output"]) == (1, 2, 1, None)
    assert [row["path"] for row in found["predictions"]] == [str(image), str(broken)]
    assert found["predictions"][1]["score"] is None, "there is no NaN in JSON"
    status, printed, told = call("explain", place / "runs" / "made", image, "--output", tmp_path / "seen", "--json", "--quiet")
    found = document(printed, "explain")
    assert (status, told) == (0, "")
    assert (tmp_path / "seen" / found["images"][0]["file"]).is_file()
    status, printed, _ = call("report", place / "runs" / "made", "--json")
    assert status == 0
    assert document(printed, "report")["notes"] == []


def test_check_and_export_print_their_documents(place: Path, call: Call, tmp_path: Path) -> None:
    status, printed, _ = call("check", place / "data", "--files-only", "--output", tmp_path / "checked", "--strict", "--json")
    found = document(printed, "check")
    assert [row["images"] for row in found["classes"]] == [8, 8]
    assert status == (1 if found["exceeded"] else 0)
    status, printed, _ = call("--json", "export", place / "runs" / "made", "--to", "savedmodel", "--output", tmp_path / "model")
    assert status == 0
    assert document(printed, "export")["exports"][-1]["format"] == "savedmodel"


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["store", "show"], "store show"),
        (["store", "verify"], "store verify"),
        (["store", "prune", "--all"], "store prune"),
        (["anatomy", "--conv", "3", "--size", "32", "--filters", "64"], "anatomy"),
        (["anatomy", "lenet"], "anatomy"),
    ],
)
def test_other_commands_print_their_documents(call: Call, arguments: list[str], command: str) -> None:
    status, printed, _ = call(*arguments, "--json")
    assert status == 0
    document(printed, command)


def test_an_error_is_a_document_too(call: Call, tmp_path: Path) -> None:
    for arguments, command in (
        (["fti"], None),
        (["fit"], "fit"),
        (["predict", "x", "y"], "predict"),
        (["fit", "x", "--epochs", "3"], None),
    ):
        status, printed, told = call(*arguments, "--json")
        found = document(printed, command, "error")
        assert status == found["status"] == 2
        assert told.endswith(f"error: {found['error']}\n")


def test_what_a_library_prints_does_not_come_between(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from transfer.features import inventory

    def noisy() -> list[inventory.StoredSet]:
        print("a library prints")
        return []

    monkeypatch.setattr(inventory, "listing", noisy)
    _, printed, told = call("store", "show", "--json")
    document(printed, "store show")
    assert told == "a library prints\n"


def test_quiet_prints_the_result_and_nothing_else(place: Path, call: Call) -> None:
    status, printed, told = call("predict", "-q", place / "runs" / "made", place / "data" / "red")
    assert (status, told) == (0, "")
    assert len(printed.splitlines()) == 9
    assert "contradict each other" in call("store", "show", "--quiet", "--verbose")[2]


def test_a_log_that_cannot_be_written_ends_before_the_work_starts(place: Path, call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "none" / "log.txt", tmp_path / "file" / "log.txt"):
        status, printed, told = call("store", "show", "--log-file", path)
        assert (status, printed, told.count("\n")) == (2, "", 1)
        assert told.startswith("error: --log-file cannot be written: ")
    inside = place / "data" / "log.txt"
    status, _, told = call("fit", place / "data", "--backbone", "lenet", "--output", tmp_path / "runs", "--log-file", inside)
    assert status == 2
    assert "--log-file is inside" in told
    assert not inside.exists()


@pytest.mark.parametrize(
    ("text", "written"), [("naïve", "naïve"), (os.fsdecode(b"caf\xe9"), r"caf\xe9"), ("\ud800", r"\ud800"), ("two\nlines", "two\nlines")]
)
def test_names_that_are_no_unicode_become_text(text: str, written: str) -> None:
    assert utf8(text) == written
    found = documents.document("fit", {text: {"score": float("nan"), "list": (float("inf"), 1, True, None)}})
    assert json.loads(json.dumps(found, allow_nan=False)) == {
        "schema": "transfer/1", "command": "fit", written: {"score": None, "list": [None, 1, True, None]}
    }  # fmt: skip


def test_tables_become_rows() -> None:
    table = pd.DataFrame({"label": ["a"], "images": [3], "share": [float("nan")]})
    assert documents.document(None, {"table": table})["table"] == [{"label": "a", "images": 3, "share": None}]


@pytest.mark.parametrize("name", ["plain", "two words", "it's", os.fsdecode(b"caf\xe9 'x'\\"), "line\nbreak", "$HOME"])
def test_a_printed_command_can_be_typed_as_it_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.program.cache_clear()
    monkeypatch.setattr(shell, "program", lambda: "printf %s")
    done = subprocess.run(["bash", "-c", shell.command(name)], capture_output=True, check=True)
    assert done.stdout == os.fsencode(name)


def test_the_program_is_named_as_it_can_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program: Mapping[str, Any] = shell.program.__wrapped__  # type: ignore[assignment]
    (tmp_path / "transfer").write_text("")
    (tmp_path / "transfer").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == "transfer"  # type: ignore[operator]
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", "/opt/my python/bin/python3")
    assert program() == "'/opt/my python/bin/python3' -m transfer"  # type: ignore[operator]
