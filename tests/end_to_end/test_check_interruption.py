"""A check that was killed, interrupted or out of disk keeps the earlier result; the same command then works."""

import errno
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import made_up_image
from transfer import cli
from transfer.quality.findings import Findings

ROOT = Path(__file__).resolve().parents[2]
STRUCK = [
    ("feature extraction", "SIGINT"),
    ("page of a check", "SIGKILL"),
    ("replacing a check", "SIGKILL"),
    ("table of a check", "SIGTERM"),
]
FILES = {"config.yaml", "findings.json", "manifest.csv", "report.html"}


def write_data(folder: Path) -> Path:
    for number, label in enumerate(("green", "red")):
        (folder / label).mkdir(parents=True)
        for index in range(5):
            made_up_image(100 * number + index, tint=number).save(folder / label / f"{index}.png")
    return folder


def arguments(data: Path, output: Path) -> list[str]:
    features = ["--set", "features.batch_size=2"]
    table = output.with_name("table.csv")
    return ["check", str(data), "--backbone", "lenet", *features, "--output", str(output), "--write-manifest", str(table)]


def here(data: Path, output: Path) -> int:
    """Run the command in this process; return its exit status."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        cli.main(arguments(data, output))
    except SystemExit as done:
        return int(done.code or 0)
    finally:
        signal.signal(signal.SIGTERM, before)
    return -1


@dataclass(frozen=True)
class Place:
    """Where a check was struck, and how it ended."""

    folder: Path
    done: subprocess.CompletedProcess[str]

    @property
    def output(self) -> Path:
        return self.folder / "result"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "images")


@pytest.fixture(scope="module")
def struck(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Place]:
    """Strike each command once, two at a time; where a result is replaced, there is an earlier one."""

    def start(case: tuple[str, str]) -> Place:
        folder = tmp_path_factory.mktemp("struck")
        if case[0] == "replacing a check":
            (folder / "result").mkdir()
            Findings(["earlier"]).write(folder / "result" / "findings.json")
            (folder / "result" / "report.html").write_text("earlier")
        command = [sys.executable, "-m", "tests.end_to_end.interrupted", *case, *arguments(data, folder / "result")]
        environment = os.environ | {"TRANSFER_HOME": str(folder / "home")}
        return Place(folder, subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(STRUCK, pool.map(start, STRUCK), strict=True))


@pytest.mark.parametrize("case", STRUCK, ids="-".join)
def test_nothing_half_written_is_seen_and_the_next_command_works(
    case: tuple[str, str], data: Path, struck: dict[tuple[str, str], Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = struck[case]
    if case[1] == "SIGKILL":
        assert place.done.returncode == -signal.SIGKILL, place.done.stderr
    else:
        assert (place.done.returncode, place.done.stdout) == (130, "")
        assert place.done.stderr.splitlines()[-1] == "Interrupted. Finished work is kept; run the same command to continue."
    assert not place.output.exists() or {path.name for path in place.output.iterdir()} == FILES
    if case[0] == "replacing a check":
        assert len(list(place.folder.glob(".result.replaced-*"))) == 1  # the earlier one, moved aside
    monkeypatch.setenv("TRANSFER_HOME", str(place.folder / "home"))
    assert here(data, place.output) == 0
    assert {path.name for path in place.output.iterdir()} == FILES
    assert {path.name for path in place.folder.iterdir()} <= {"home", "result", "table.csv"}
    assert sorted(path.name for path in data.rglob("*.*")) == sorted(2 * [f"{index}.png" for index in range(5)])


def full_disk(*given: Any, **options: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("place", "whole"),
    [
        ("transfer.data.dataset.write_csv", {"earlier"}),
        ("transfer.quality.findings.replacing", {"earlier"}),
        ("transfer.workflows.check.write_text", {"earlier"}),
        ("transfer.quality.worksheet.replacing", FILES),
    ],
)
def test_a_full_disk_is_one_line_and_keeps_what_was_there(
    data: Path,
    struck: dict[tuple[str, str], Place],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
    whole: set[str],
) -> None:
    monkeypatch.setenv("TRANSFER_HOME", str(struck[STRUCK[-1]].folder / "home"))  # the images were looked at already
    output = tmp_path / "result"
    output.mkdir()
    Findings(["earlier"]).write(output / "findings.json")
    (output / "report.html").write_text("earlier")
    monkeypatch.setattr(place, full_disk)
    assert here(data, output) == 2
    captured = capsys.readouterr()
    errors = captured.err.splitlines()
    assert captured.out == ""
    assert [line for line in errors if line.startswith("error: ")] == errors[-1:]
    assert "No space left on device" in errors[-1]
    assert os.listdir(tmp_path) == ["result"]
    if whole == FILES:
        assert {path.name for path in output.iterdir()} == FILES
    else:
        assert (output / "report.html").read_text() == "earlier"
