"""Nobody reads what is printed: nothing else changes, neither results nor the exit status."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLOSED = {
    "stderr": "2>&-",
    "stdout": ">&-",
    "both": ">&- 2>&-",
    "all": "<&- >&- 2>&-",
    "stdout full": ">/dev/full",
    "stderr full": "2>/dev/full",
    "both full": ">/dev/full 2>/dev/full",
    "reader of stdout gone": "| true",
    "reader of both gone": "2>&1 | true",
}
# A command that prints much on both, opens files and writes a result.
WORK = """
import contextlib, os, sys
from transfer.cli import app, main

def work(file: str):
    opened = [open(file + str(number), "w") for number in range(3)]
    assert min(file.fileno() for file in opened) > 2, "no file of ours takes the place of a stream"
    with contextlib.suppress(OSError):
        os.write(2, b"a library tells something\\n")
    for _ in range(3000):
        print("x" * 100)
        print("y" * 100, file=sys.stderr)
    for one in opened:
        one.write("whole")
        one.close()

app.app.command()(work)
main(sys.argv[1:])
"""


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("case", CLOSED)
def test_work_is_done_and_the_status_is_as_usual(case: str, tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORK, encoding="utf-8")
    done = shell(f"PYTHONPATH=. {sys.executable} {tmp_path}/work.py work {tmp_path}/out {CLOSED[case]}")
    assert done.returncode == 0
    assert [file.read_text() for file in sorted(tmp_path.glob("out*"))] == ["whole"] * 3
    if case == "stdout full":
        assert done.stderr.endswith("warning: What was printed is incomplete: No space left on device.\n")
    elif case in ("stdout", "reader of stdout gone"):
        assert done.stderr.startswith("a library tells") and "Error" not in done.stderr and "warning" not in done.stderr
    elif case in ("stderr", "stderr full"):
        assert done.stdout.count("x\n") == 3000 and "y" not in done.stdout
    else:
        assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("case", CLOSED)
def test_mistakes_keep_their_status(case: str, tmp_path: Path) -> None:
    done = shell(f"{sys.executable} -m transfer fit {tmp_path}/none {CLOSED[case]}")
    assert done.returncode == 2
    assert done.stderr.count("\n") == ("2>" not in CLOSED[case])


def test_all_is_as_it_was_where_everything_is_open(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORK, encoding="utf-8")
    done = shell(f"PYTHONPATH=. {sys.executable} {tmp_path}/work.py work {tmp_path}/out")
    assert done.returncode == 0 and done.stdout.count("x\n") == 3000 and done.stderr.count("y\n") == 3000
    both = shell(f"PYTHONPATH=. {sys.executable} {tmp_path}/work.py work {tmp_path}/out 2>&1")
    assert both.stdout.count("y\n") == both.stdout.count("x\n") == 3000
