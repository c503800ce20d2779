"""The server of a run's export, from loading to shutdown."""

import asyncio
import functools
import logging
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn

from transfer.exporters.compute.facts import Preference
from transfer.runs import EXPORT, Run
from transfer.serving.app import create_app
from transfer.serving.console import farewell, say, welcome
from transfer.serving.engine import Engine
from transfer.serving.gate import Gate
from transfer.serving.listening import limit_unsent, refused
from transfer.serving.model import load
from transfer.serving.places import Places
from transfer.serving.protocol import Connection
from transfer.serving.settings import Settings
from transfer.serving.versions import Versions

_SPARE = 128  # connections beyond the limit that still get an answer (503), and files of the process itself
_HEADERS = [
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]
"""Of every answer: no other site shows, loads or reads any of it, and the page loads nothing from elsewhere."""


class Server(uvicorn.Server):
    """uvicorn, with a message when it is ready, and exit status 0 after a signal.

    Attributes:
        unsent: answers that were not sent completely when it stopped.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self.unsent = 0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then report it."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; note which answers are left. uvicorn's own words, with a traceback for each request given up, are not printed."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)
        self.unsent = sum(isinstance(connection, Connection) and connection.unsent for connection in self.server_state.connections)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at Ctrl-C, SIGTERM and when the terminal is closed; uvicorn would raise them again after the shutdown."""
        if threading.current_thread() is not threading.main_thread():  # where no signals arrive
            yield
            return
        hangup = signal.getsignal(signal.SIGHUP)
        if hangup is not signal.SIG_IGN:  # as under nohup
            signal.signal(signal.SIGHUP, self.handle_exit)
        try:
            with super().capture_signals():
                yield
                self._captured_signals.clear()
        finally:
            signal.signal(signal.SIGHUP, hangup)


def serve(opened: Run, settings: Settings, taken: socket.socket) -> None:
    """Serve the newest version of a run's export until SIGINT, SIGTERM or SIGHUP; requests in progress are still answered.

    Args:
        opened: the run.
        settings: of the server.
        taken: the socket to listen on (`bound`); closed at the end.

    Raises:
        RunError: if no version is usable, or the address is in use.
    """
    say(farewell(run(opened, settings, taken)))


def run(
    opened: Run, settings: Settings, listening: socket.socket, ready: Callable[[str], None] = say, say: Callable[[str], None] = say
) -> int:
    """Serve as `serve` does, without its last words; return how many requests were not answered.

    Args:
        ready: called with one line when requests are taken.
        say: called with one line for each version that is refused or replaces another.

    Raises:
        RunError: as `serve`.
    """  # fmt: skip
    _quiet(settings.access_log)
    limit_unsent(listening, settings.send_buffer_kb, settings.send_seconds)
    _allow_files(2 * settings.connections + _SPARE)
    loading = partial(load, trust=settings.trust, preference=Preference.of(opened, settings.compute), say=say)
    engine = Engine(settings, Versions(opened.path / EXPORT, loading, say), opened.ood_reference)
    port = listening.getsockname()[1]
    gate = create_app(engine)
    server = Server(configured(engine, gate), lambda: ready(welcome(settings, port, engine.versions.current.version)))
    try:
        asyncio.run(server.serve([listening]))
    except OSError as error:
        raise refused(settings.host, settings.port, error) from None
    finally:
        listening.close()
    return gate.unanswered + server.unsent


def configured(engine: Engine, gate: Gate) -> uvicorn.Config:
    """Return uvicorn's configuration for an engine and its application."""
    own = engine.settings
    places = Places(own.connections, own.for_each_address)
    connection: Any = functools.partial(Connection, settings=own, places=places, spare=_SPARE, count=engine.metrics.count)
    return uvicorn.Config(
        gate, http=connection, ws="none", lifespan="on", loop="asyncio", log_config=None,
        access_log=own.access_log, server_header=False, timeout_keep_alive=round(own.idle_seconds), headers=_HEADERS,
        backlog=1024, timeout_graceful_shutdown=round(own.stop_seconds), proxy_headers=False,
    )  # fmt: skip


def _quiet(access_log: bool) -> None:
    """Let the libraries log errors only, and each request if `access_log`."""
    for name in ("uvicorn.error", "python_multipart"):  # clients' mistakes are reported to the clients
        logging.getLogger(name).setLevel(logging.ERROR)
    access = logging.getLogger("uvicorn.access")
    access.propagate = False
    if access_log and not access.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        access.addHandler(handler)
        access.setLevel(logging.INFO)


def _allow_files(count: int) -> None:
    """Raise the limit on open files to what the connections need, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
