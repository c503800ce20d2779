"""A closed terminal ends a command as Ctrl-C does: nothing half-written is left; under nohup it goes on."""

import os
import pty
import select
import signal
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import os, shutil, signal, sys, time
from pathlib import Path
from transfer.cli import main
from transfer.features import inventory
from transfer.system.files import publishing

folder, how = Path(sys.argv[1]), sys.argv[2]
rmtree = shutil.rmtree

def told_again(*arguments, **options):
    os.kill(os.getpid(), signal.SIGHUP)
    rmtree(*arguments, **options)

def listing():
    with publishing(folder / "result") as draft:
        (draft / "half").touch()
        if how == "told twice":
            shutil.rmtree = told_again
        print("ready", flush=True)
        for _ in range(100):
            time.sleep(0.1)
            if how == "nohup":
                return []
    return []

if how == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
inventory.listing = listing
main(["store", "show"])
"""


@pytest.mark.parametrize("how", ["told once", "told twice", "nohup"])
def test_a_closed_terminal_leaves_nothing_half_written(tmp_path: Path, how: str) -> None:
    number, terminal = pty.fork()
    if number == 0:
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM, str(tmp_path), how])
    said = b""
    while b"ready\r\n" not in said:
        assert select.select([terminal], [], [], 60)[0]
        said += os.read(terminal, 1000)
    assert len(os.listdir(tmp_path)) == 1
    os.close(terminal)
    until = time.monotonic() + 60
    while not (ended := os.waitpid(number, os.WNOHANG))[0] and time.monotonic() < until:
        time.sleep(0.02)
    if not ended[0]:
        os.kill(number, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(ended[1])
    assert os.listdir(tmp_path) == (["result"] if how == "nohup" else [])
    if how != "nohup":
        assert status == 130
