"""A run that was killed, interrupted or out of disk leaves nothing half-written, and the same command continues."""

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tests.end_to_end.common import OTHERS, count_passes, outcome, quick_arguments
from transfer.cli import main
from transfer.data import digits
from transfer.runs import Run

ROOT = Path(__file__).resolve().parents[2]
IMAGES, BATCH = 80, 16

STRUCK = {
    # moment of the signal, signal: images that are stored by then
    ("scan", "SIGKILL"): 0,
    ("feature extraction", "SIGKILL"): 2 * BATCH,
    ("training", "SIGKILL"): IMAGES,
    ("other data", "SIGKILL"): IMAGES + BATCH,
    ("export", "SIGKILL"): IMAGES + OTHERS,
    ("publishing", "SIGKILL"): IMAGES + OTHERS,
    ("feature extraction", "SIGTERM"): 2 * BATCH,
    ("inside a write", "SIGINT"): 2 * BATCH,
}


@dataclass(frozen=True)
class Place:
    """Where a run happens, and how the struck process ended."""

    home: Path
    output: Path
    done: subprocess.CompletedProcess[str] | None = None


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits.write_folder(tmp_path_factory.mktemp("data") / "digits", 4, 2, 2)


@pytest.fixture(scope="module")
def struck(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Place]:
    """Run the command once for each moment and signal, two at a time."""

    def start(case: tuple[str, str]) -> Place:
        folder = tmp_path_factory.mktemp("struck")
        home, output = folder / "home", folder / "runs"
        command = [sys.executable, "-m", "tests.end_to_end.interrupted", *case, *quick_arguments(data, output)]
        environment = os.environ | {"TRANSFER_HOME": str(home)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return Place(home, output, done)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(STRUCK, pool.map(start, STRUCK), strict=True))


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], bytes]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_HOME", str(folder / "home"))
        assert run_here(data, folder / "runs") == 0
    return outcome(Run(folder / "runs" / "run"))


def run_here(data: Path, output: Path) -> int:
    """Run the command in this process; return its exit status."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        main(quick_arguments(data, output))
    except SystemExit as done:
        return int(done.code or 0)
    finally:
        signal.signal(signal.SIGTERM, before)
    return -1


@pytest.mark.parametrize("case", STRUCK, ids="-".join)
def test_the_same_command_continues_and_ends_with_the_same_figures(
    case: tuple[str, str],
    data: Path,
    struck: dict[tuple[str, str], Place],
    undisturbed: tuple[dict[str, Any], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = struck[case]
    assert visible(place.output) == [], "nothing half-written under the final name"
    monkeypatch.setenv("TRANSFER_HOME", str(place.home))
    passed = count_passes(monkeypatch)
    assert run_here(data, place.output) == 0
    assert passed() == IMAGES + OTHERS - STRUCK[case]
    assert outcome(Run(place.output / "run")) == undisturbed
    assert os.listdir(place.output) == ["run"], "the abandoned draft is gone"


@pytest.mark.parametrize("case", [case for case in STRUCK if case[1] == "SIGKILL"], ids="-".join)
def test_kill_9_is_what_ended_the_process(case: tuple[str, str], struck: dict[tuple[str, str], Place]) -> None:
    done = struck[case].done
    assert done is not None
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("case", [case for case in STRUCK if case[1] != "SIGKILL"], ids="-".join)
def test_an_interruption_is_said_in_one_line(case: tuple[str, str], struck: dict[tuple[str, str], Place]) -> None:
    done = struck[case].done
    assert done is not None
    assert done.returncode == 130
    lines = [line for line in done.stderr.splitlines() if line]
    assert lines[-1] == "Interrupted. Finished work is kept; run the same command to continue."
    assert [line for line in lines[:-1] if not re.match(r"Scanning: |\d+ images in ", line)] == []
    assert done.stdout == ""


def full_disk_of_python(*arguments: Any, **options: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_disk_of_tensorflow(*arguments: Any, **options: Any) -> None:
    raise tf.errors.ResourceExhaustedError(None, None, "{{node SaveV2}} /x/part-00000; No space left on device [Op:SaveV2]")


@pytest.mark.parametrize(
    ("place", "failing"),
    [
        ("tensorflow.saved_model.save", full_disk_of_tensorflow),
        ("transfer.exporters.saved_model.write", full_disk_of_python),
        ("transfer.drafts.write_text", full_disk_of_python),
    ],
)
def test_a_full_disk_is_one_line_and_leaves_nothing(
    data: Path,
    struck: dict[tuple[str, str], Place],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
    failing: Callable[..., None],
) -> None:
    monkeypatch.setenv("TRANSFER_HOME", str(struck["training", "SIGKILL"].home))  # the features are there already
    monkeypatch.setattr(place, failing)
    assert run_here(data, tmp_path / "runs") == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors[-1].startswith("error: ")
    assert "No space left on device" in errors[-1]
    assert len([line for line in errors if line.startswith("error:")]) == 1
    assert "Traceback" not in "".join(errors)
    assert os.listdir(tmp_path / "runs") == []


def visible(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if not name.startswith(".")]
