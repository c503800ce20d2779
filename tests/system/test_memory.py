"""Whatever raises it: too little memory is one line."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from transfer import cli
from transfer.system import memory
from transfer.system.memory import shortage

ROOT = Path(__file__).resolve().parents[2]


def of_numpy() -> Exception:
    with pytest.raises(MemoryError) as caught:
        np.empty((1 << 20, 1 << 40), np.float32)
    return caught.value


def of_tensorflow(text: str) -> Exception:
    import tensorflow as tf

    return tf.errors.ResourceExhaustedError(None, None, text)


WANTING: dict[str, tuple[Callable[[], BaseException], str]] = {
    "plain": (MemoryError, "MemoryError"),
    "numpy": (of_numpy, "Unable to allocate"),
    "system": (lambda: OSError(errno.ENOMEM, "Cannot allocate memory"), "Cannot allocate memory"),
    "threads": (lambda: RuntimeError("can't start new thread"), "can't start new thread"),
    "tensorflow": (
        lambda: of_tensorflow("OOM when allocating tensor of [9] [[{{node x}}]] Hint: ."),
        "OOM when allocating tensor",
    ),
    "library": (lambda: ImportError("libx.so: failed to map segment from shared object"), "libx.so: failed to map segment"),
}
OTHERS: dict[str, Callable[[], BaseException]] = {
    "disk, system": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "disk, tensorflow": lambda: of_tensorflow("/x; No space left on device"),
    "module": lambda: ImportError("No module named 'room'"),
    "defect": lambda: ValueError("out of memory of the test"),
    "system error": lambda: SystemError("error return without exception set"),
    "index": lambda: RuntimeError("the boom"),
}


@pytest.mark.parametrize("case", WANTING)
def test_too_little_memory_is_known_and_one_line(case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    make, words = WANTING[case]
    error = make()
    assert shortage(error).startswith(words) and "\n" not in shortage(error)

    def fail() -> None:
        raise error

    monkeypatch.setattr("transfer.features.inventory.listing", fail)
    with pytest.raises(SystemExit) as done:
        cli.main(["store", "show"])
    printed = capsys.readouterr()
    assert done.value.code == 2 and printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith("error: There is too little memory. Use less: ") and words in printed.err


@pytest.mark.parametrize("case", OTHERS)
def test_other_errors_are_what_they_were(case: str) -> None:
    assert shortage(OTHERS[case]()) == ""


def test_what_c_code_makes_of_it_counts_where_memory_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.resource, "getrlimit", lambda which: (1 << 30, 1 << 30))
    assert shortage(SystemError("error return without exception set")) and not shortage(SystemError("another"))


@pytest.mark.parametrize("megabytes", [250, 900])
def test_a_process_of_little_memory_ends_with_one_line(tmp_path: Path, megabytes: int) -> None:
    program = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({megabytes << 20}, {megabytes << 20}))\n"
        "from transfer.cli import main\n"
        "main(['anatomy', 'lenet'])\n"
    )
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: There is too little memory.")
