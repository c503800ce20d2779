"""A server with a tiny export that runs in a thread of the tests, or as the command in a process of its own."""

import asyncio
import contextlib
import functools
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from tests.reports.made_up_run import write_run
from tests.serving import tiny_export
from transfer.serving.app import create_app
from transfer.serving.engine import Engine
from transfer.serving.listening import bound, limit_unsent
from transfer.serving.model import load
from transfer.serving.server import Server, configured
from transfer.serving.settings import Settings
from transfer.serving.versions import Versions

ROOT = Path(__file__).resolve().parents[2]
COLOURS = {"red": (220, 20, 20), "green": (20, 220, 20), "blue": (20, 20, 220), "white": (250, 250, 250)}

_load = functools.cache(load)  # a second or two for each server otherwise


def image(colour: str = "red", size: tuple[int, int] = (40, 30), kind: str = "JPEG") -> bytes:
    """An encoded image of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, COLOURS[colour]).save(buffer, kind)
    return buffer.getvalue()


def truncated() -> bytes:
    """A JPEG whose header is whole and whose pixels are not."""
    buffer = io.BytesIO()
    Image.effect_noise((200, 200), 90).convert("RGB").save(buffer, "JPEG", quality=95)
    return buffer.getvalue()[: buffer.tell() // 2]


def tiny_run(folder: Path, **settings: object) -> Path:
    """Write a run with the tiny export."""
    run = write_run(folder, **settings)
    shutil.rmtree(run.path / "export" / "1")
    tiny_export.write(run.path / "export" / "1")
    return run.path


class Running:
    """A server in a thread."""

    def __init__(self, engine: Engine, port: int) -> None:
        self.engine, self.port = engine, port
        self.url = f"http://127.0.0.1:{port}"
        self.model = f"{self.url}/v1/models/{engine.settings.name}"

    def client(self, **options: Any) -> httpx.Client:
        """Return a client with the server's address."""
        return httpx.Client(base_url=self.url, timeout=20, trust_env=False, **options)

    def connect(self) -> socket.socket:
        """Open a bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@contextlib.contextmanager
def served(export: Path, reference_file: Path | None = None, **settings: Any) -> Iterator[Running]:
    """Run a server in a thread until the block ends."""
    chosen = Settings(**{"name": "tiny", "port": 0, **settings})
    engine = Engine(chosen, Versions(export, _load, lambda text: None), reference_file)
    listening = bound("127.0.0.1", 0)
    limit_unsent(listening, chosen.send_buffer_kb, chosen.send_seconds)
    ready = threading.Event()
    server = Server(configured(engine, create_app(engine)), ready.set)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield Running(engine, listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()


@contextlib.contextmanager
def command(run: Path, *options: str, **environment: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run `transfer serve` on any free port; yield the process and the server's address."""
    words = [sys.executable, "-m", "transfer", "serve", str(run), "--port", "0", *options]
    process = subprocess.Popen(words, cwd=ROOT, env=os.environ | environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = next((line for line in process.stderr if line.startswith("Ready: ")), "")
        found = re.search(r"http://[^/]+", line)
        assert found, "the server said nothing of being ready"
        yield process, found.group()
    finally:
        process.kill()
        process.communicate()
