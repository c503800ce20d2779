"""The code blocks of README.md and docs/, and how one is run as a reader would.

A comment in front of a block says where it is otherwise: `<!-- not run: REASON -->`, or `<!-- slow -->`.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from transfer.cli.app import main

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"(?:<!-- (?P<note>[^\n]*?) -->\n+)?^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LANGUAGES = {"bash", "python", "yaml", "json", "text", "dockerfile"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a document.

    Attributes:
        place: document and line.
        language: `bash`, `python`, `yaml`, `json`, `dockerfile`, or `text` (output, arithmetic).
        note: the comment in front of it.
    """

    place: str
    language: str
    text: str
    note: str

    @property
    def is_slow(self) -> bool:
        """Whether it takes more than half a minute."""
        return self.note.startswith("slow")

    @property
    def is_run(self) -> bool:
        """Whether it is code that a reader runs."""
        return self.language in ("bash", "python") and not self.note.startswith("not run: ")


def blocks(document: Path) -> list[Block]:
    """Return the blocks of a document in order."""
    text, found = document.read_text(encoding="utf-8"), []
    for match in _BLOCK.finditer(text):
        place = f"{document.relative_to(ROOT)}:{text.count(chr(10), 0, match.start('text'))}"
        assert match["language"] in _LANGUAGES, f"{place}: a block without a known language"
        found.append(Block(place, match["language"], match["text"], match["note"] or ""))
    return found


def lines(block: Block) -> list[str]:
    """Return the commands of a block, each as one line."""
    return [line for line in re.sub(r"\\\n\s*", " ", block.text).split("\n") if line.strip() and not line.startswith("#")]


class Reader:
    """Somebody who runs the blocks of one document, one after the other, in the current folder."""

    def __init__(self) -> None:
        self._names: dict[str, object] = {}
        self._server: subprocess.Popen[bytes] | None = None

    def run(self, block: Block) -> None:
        """Run a block; raises AssertionError if a command fails."""
        if block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(block.text, block.place, "exec"), self._names)
            return
        for line in lines(block):
            words = shlex.split(line, comments=True)
            if words[:3] == ["python", "-m", "transfer"]:
                words = words[2:]
            if words[0] == "transfer" and words[1] == "serve":
                self._serve(words[1:], block)
            elif words[0] == "transfer":
                printed = _command(words[1:-2] if ">" in words else words[1:], block)
                if ">" in words:
                    Path(words[-1]).write_text(printed, encoding="utf-8")
            elif words[0] == "curl":
                done = subprocess.run(["bash", "-c", line.replace("curl ", "curl -sSf ", 1)], capture_output=True, text=True, timeout=60)
                assert done.returncode == 0 and done.stdout, f"{block.place}: {line}\n{done.stderr}"
            elif words[0] in ("mkdir", "cp"):
                subprocess.run(["bash", "-c", line], check=True)
            else:
                assert words[:2] == ["pip", "install"], f"{block.place}: nothing runs {line!r}: name the reason, <!-- not run: REASON -->"

    def _serve(self, arguments: list[str], block: Block) -> None:
        self.close()
        self._server = subprocess.Popen([sys.executable, "-m", "transfer", *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)})
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self._server.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen("http://127.0.0.1:8501/healthz", timeout=5):
                return
            time.sleep(0.2)
        raise AssertionError(f"{block.place}: the server did not start")

    def close(self) -> None:
        """Stop the server, if there is one."""
        if self._server is not None:
            self._server.terminate()
            assert self._server.wait(30) == 0
            self._server = None


@contextlib.contextmanager
def reading() -> Iterator[Reader]:
    """Yield a reader whose server ends with the block."""
    reader = Reader()
    try:
        yield reader
    finally:
        reader.close()


def _command(arguments: list[str], block: Block) -> str:
    """Run a command and return what it prints; raises AssertionError if it fails."""
    printed, errors, status = io.StringIO(), io.StringIO(), 0
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
            main(arguments)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    assert status == 0, f"{block.place}: transfer {shlex.join(arguments)} exited with {status}: {errors.getvalue()[-2000:]}"
    return printed.getvalue()
