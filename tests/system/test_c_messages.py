"""Of what C libraries print, idle words are left out and nothing else is: not a user's, and not the last words of a crash."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from transfer.system import c_messages

REPOSITORY = Path(__file__).resolve().parents[2]
BEGIN = """
import ctypes, os, sys
from transfer.system import c_messages
c_messages.leave_out_idle_messages()
c_messages.leave_out_idle_messages()
library = ctypes.CDLL(None)
stream = ctypes.c_void_p.in_dll(library, "stderr")
def c_print(text):
    library.fputs(text.encode() + b"\\n", stream)
"""
NOISE = "c_print('Corrupt JPEG data: premature end of data segment'); c_print('Unsupported marker type 0x3a')\n"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the name of C's stream is Linux's")


def said(code: str, *options: str) -> tuple[int, str, str]:
    """Run a script: its exit status, and what reached the standard output and the standard error until all who write there ended."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, *options, "-c", BEGIN + code], capture_output=True, text=True, env=environment, check=False, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_messages_about_images_are_left_out_and_all_others_are_shown() -> None:
    code = (
        NOISE + "c_print('a library: something else'); c_print('see Corrupt JPEG data: here'); print('printed'); os.write(2, b'below\\n')"
    )
    status, out, err = said(code)
    assert (status, out) == (0, "printed\n")
    assert sorted(err.splitlines()) == ["a library: something else", "below", "see Corrupt JPEG data: here"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("c_print('F0000 Check failed: x > 0'); os.abort()", "F0000 Check failed: x > 0"),
        ("import faulthandler; faulthandler.enable(); ctypes.string_at(0)", "Fatal Python error: Segmentation fault"),
        ("import faulthandler; faulthandler.enable(); os.abort()", "Fatal Python error: Aborted"),
        ("raise ValueError('mine')", "ValueError: mine"),
        ("c_print('last words'); os.kill(os.getpid(), 9)", "last words"),
        ("import subprocess; subprocess.run('echo Corrupt JPEG data: of a child >&2', shell=True); sys.exit(3)", "of a child"),
    ],
)
def test_the_last_words_of_a_crash_are_shown(code: str, expected: str) -> None:
    status, _, err = said(NOISE + code)
    assert status != 0
    assert expected in err and "premature end" not in err


def test_for_a_block_the_stream_is_that_of_before() -> None:
    code = """
with c_messages.unfiltered():
    c_print('Corrupt JPEG data: shown')
c_print('Corrupt JPEG data: hidden')
"""
    assert said(code)[2] == "Corrupt JPEG data: shown\n"


@pytest.mark.parametrize("code", ["print('done')", "os.close(2)", "sys.executable = ''"])
def test_where_the_stream_cannot_be_turned_the_program_runs_all_the_same(code: str) -> None:
    script = "import os, sys\n" + code + "\nfrom transfer.system import c_messages\nc_messages.leave_out_idle_messages()\nprint('ran')"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment, check=False, timeout=60)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "ran")


def test_what_tensorflow_says_of_itself_is_left_out_and_its_errors_are_not() -> None:
    own = [
        b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n",
        b"I0000 00:00:1795749316.609473   16964 port.cc:153] oneDNN custom operations are on.\n",
        b"To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow.\n",
        b"E0000 00:00:1795749322.976402   16964 cuda_platform.cc:52] failed call to cuInit: INTERNAL\n",
    ]
    others = [b"E0000 00:00:1795749322.976402   16964 allocator.cc:52] out of memory\n", b"I0000 is my own line\n", b"WARNING: mine\n"]
    done = subprocess.run([sys.executable, "-I", "-S", c_messages.__file__], input=b"".join(own + others), capture_output=True, check=True)
    assert done.stdout == b"".join(others)
