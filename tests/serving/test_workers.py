"""`transfer serve --workers`: one address, several processes; one that dies is replaced; counters are added up; all end together."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.serving.running import command, image, tiny_run
from transfer.cli import main
from transfer.errors import RunError
from transfer.serving import listening


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run(tmp_path_factory.mktemp("runs") / "colours")


@pytest.fixture(scope="module")
def pair(run: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A server of two workers, for all tests of this file in turn."""
    with command(run, "--workers", "2") as (process, url):
        yield process, url
        process.terminate()
        process.wait(60)


def is_alive(pid: int) -> bool:
    """Return whether a process exists, and is not only waiting to be waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def workers(process: "subprocess.Popen[str]") -> set[int]:
    """Return the processes that serve."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if (
                int(stat.read_text().rpartition(")")[2].split()[1]) == process.pid
                and b"spawn_main" in (stat.parent / "cmdline").read_bytes()
            ):
                found.add(int(stat.parent.name))
        except OSError:
            continue
    return found


def label(url: str) -> str:
    """Ask on a connection of its own."""
    answer = httpx.post(f"{url}/predict", files={"file": image("green")}, timeout=30)
    return str(answer.json()["predictions"][0]["label"])


def count(url: str, name: str) -> float:
    text = httpx.get(f"{url}/metrics", timeout=30).text
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


def test_every_worker_answers_and_their_counters_are_added_up(pair: tuple["subprocess.Popen[str]", str]) -> None:
    process, url = pair
    before = count(url, "transfer_images_total")
    assert len(workers(process)) == 2
    assert [label(url) for _ in range(12)] == ["green"] * 12
    assert [count(url, "transfer_images_total") for _ in range(4)] == [before + 12] * 4, "whichever worker is asked"
    assert count(url, "transfer_model_version") == 1


def test_a_worker_that_dies_is_replaced_while_the_other_answers(pair: tuple["subprocess.Popen[str]", str]) -> None:
    process, url = pair
    before, answered = workers(process), count(url, "transfer_images_total")
    gone = min(before)
    os.kill(gone, signal.SIGKILL)
    assert process.stderr is not None
    assert re.fullmatch(r"Worker [12] has ended \(signal SIGKILL\)\. Another is started in its place now\.\n", process.stderr.readline())
    assert label(url) == "green"
    until = time.monotonic() + 60
    while len(workers(process) - {gone}) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    assert len(workers(process) - {gone}) == 2
    assert count(url, "transfer_images_total") == answered + 1, "what it had answered stays counted"


def test_all_end_at_a_signal_and_answer_what_is_in_progress(run: Path) -> None:
    with command(run, "--workers", "2") as (process, url):
        port = int(url.rpartition(":")[2])
        with pytest.raises(RunError, match="address already in use"):
            listening.bound("127.0.0.1", port)
        found = workers(process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read() == "Stopped; all requests in progress were answered.\n"
        assert process.wait(60) == 0
    assert not [pid for pid in found if is_alive(pid)]


def test_no_worker_outlives_the_process_that_started_it(run: Path) -> None:
    with command(run, "--workers", "2") as (process, _):
        found = workers(process)
        process.kill()
        process.wait()
        until = time.monotonic() + 30
        while any(is_alive(pid) for pid in found) and time.monotonic() < until:
            time.sleep(0.1)
    assert not [pid for pid in found if is_alive(pid)]


def test_an_export_that_cannot_be_used_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    broken = tiny_run(tmp_path / "broken")
    (broken / "export" / "1" / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(SystemExit) as ended:
        main(["serve", str(broken), "--workers", "2", "--port", "0"])
    assert ended.value.code == 2
    said = capfd.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1, said


@pytest.mark.parametrize("given", ["0", "257"])
def test_a_wrong_number_of_workers_is_one_line(run: Path, given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", str(run), "--workers", given])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "--workers must be at " in said and said.count("\n") == 1
