"""Several processes behind one port, each of them a whole server with its own model, queue and limits.

Each listens by a socket of its own (SO_REUSEPORT), among which the system shares out new connections. So a process gets none before
its model is loaded, and while one that died is replaced, the others get all. This process only starts them, replaces what dies, and
adds up what they count. It imports neither TensorFlow nor FastAPI.
"""

import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from transfer.errors import ConfigError, RunError, TransferError
from transfer.runs import Run
from transfer.serving import console, listening
from transfer.serving.settings import Settings
from transfer.system.resources import cores

_COUNTERS = "PROMETHEUS_MULTIPROC_DIR"
_LOOK = 0.2  # seconds between two looks for signals
_LAST_PAUSE = 60.0  # seconds until one is started again whose last one died before it was ready, at most; the first time one second
_GRACE = 10.0  # seconds that a stopping process may take beyond those for requests in progress
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class _Task:
    """What each process is told."""

    run: Path
    settings: Settings
    counters: Path


class _Worker:
    """One place, and the process in it.

    Attributes:
        ready: the line that the process said when it took its first requests; empty: it has not.
        refusal: why it could not start, if it has told.
        unanswered: requests that it had not answered when it stopped.
    """

    def __init__(self, number: int, task: _Task) -> None:
        self.number, self._task = number, task
        self._pause, self._again = 0.0, None  # type: float, float | None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # TensorFlow's threads do not survive a fork
        self.heard, said = context.Pipe(duplex=False)
        self.process = context.Process(target=_work, args=(self.number, self._task, said), name=f"worker {self.number}")
        self.process.start()
        said.close()
        self.ready = self.refusal = ""
        self.unanswered = 0

    @property
    def signs(self) -> list[Any]:
        """What to wait for: each becomes readable when there is something to look at."""
        return [] if self._again is not None else [self.process.sentinel] if self.ready else [self.process.sentinel, self.heard]

    def hear(self) -> None:
        """Take in what the process has told."""
        try:
            while self.heard.poll():
                kind, content = self.heard.recv()
                if kind == "stopped":
                    self.unanswered = content
                elif kind == "failed":
                    self.refusal = content
                else:
                    self.ready = content
        except (EOFError, OSError):  # all is heard
            pass

    def fate(self) -> str:
        """Return how the process has ended, in words; empty while it lives."""
        code = self.process.exitcode
        return "" if code is None else f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def look_after(self) -> None:
        """Start another process where this one has died; after a pause, where it died before it was ready."""
        if self._again is not None:
            if time.monotonic() >= self._again:
                self._again = None
                self._start()
            return
        self.hear()
        if fate := self.fate():
            self._forget()
            self._pause = 0.0 if self.ready else min(_LAST_PAUSE, 2 * self._pause or 1.0)
            self._again = time.monotonic() + self._pause
            when = f"in {self._pause:g} s" if self._pause else "now"
            console.say(f"Worker {self.number} has ended ({self.refusal or fate}). Another is started in its place {when}.")

    def _forget(self) -> None:
        """Take what a dead process held or queued out of the counters; what it has answered stays counted."""
        from prometheus_client import multiprocess as files

        self.heard.close()
        files.mark_process_dead(self.process.pid, str(self._task.counters))

    def end(self, until: float) -> None:
        """Wait for the process, which was told to stop; kill it if it takes too long."""
        self.process.join(max(0.0, until - time.monotonic()))
        self.process.kill()
        self.process.join()
        self.hear()


def serve(opened: Run, settings: Settings, taken: socket.socket) -> None:
    """Serve a run's export with `settings.workers` processes until SIGINT, SIGTERM or SIGHUP, as `server.serve` does with one.

    Args:
        taken: the address (`listening.bound`); nothing is accepted on this socket, it keeps the port.

    Raises:
        ConfigError: if this system does not share out connections.
        RunError: if a process cannot start.
    """
    if sys.platform != "linux":
        taken.close()
        raise ConfigError(
            f"--workers must be 1 where the system does not share out connections, as Linux does. Received {settings.workers}."
        )
    listening.share(taken)
    own = settings.model_copy(update={"port": taken.getsockname()[1]})
    workers: list[_Worker] = []
    with taken, tempfile.TemporaryDirectory(prefix="transfer-counters-") as counters, _signals() as stop:
        task = _Task(opened.path, own, Path(counters))
        try:
            for number in range(1, own.workers + 1):
                workers.append(_Worker(number, task))
            _until_ready(workers, stop)
            while not stop.is_set():
                wait([sign for worker in workers for sign in worker.signs], _LOOK)
                for worker in workers:
                    if not stop.is_set():
                        worker.look_after()
        finally:
            _stop(workers, own.stop_seconds + _GRACE)
    console.say(console.farewell(sum(worker.unanswered for worker in workers)))


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Yield what is set at the first signal to stop."""
    stop = threading.Event()
    numbers = [number for number in _STOPPING if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN]  # nohup
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _until_ready(workers: list[_Worker], stop: threading.Event) -> None:
    """Wait until all are ready, and say so.

    Raises:
        RunError: if one cannot start.
    """
    while not stop.is_set() and not all(worker.ready for worker in workers):
        wait([sign for worker in workers for sign in worker.signs], _LOOK)
        for worker in workers:
            worker.hear()
            if worker.refusal:
                raise RunError(worker.refusal)
            if (fate := worker.fate()) and not stop.is_set():
                raise RunError(f"A worker ended before it was ready ({fate}). Is there memory for {len(workers)} of them?")
    if not stop.is_set():
        console.say(workers[0].ready)


def _stop(workers: list[_Worker], seconds: float) -> None:
    until = time.monotonic() + seconds
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.end(until)


def _work(number: int, task: _Task, tell: Connection) -> None:
    """Be one of the processes: load the model, listen, serve, and tell what happens."""
    for one in (signal.SIGINT, signal.SIGHUP):  # while it loads; then uvicorn handles the first as it does SIGTERM
        signal.signal(one, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(task.counters,), daemon=True).start()
    os.environ[_COUNTERS] = str(task.counters)
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(max(1, cores() // task.settings.workers)))
    from transfer.system.startup import import_tensorflow_quietly

    import_tensorflow_quietly()
    from transfer.serving import server

    own = task.settings
    try:
        taken = listening.bound(own.host, own.port, shared=True)
        unanswered = server.run(
            Run(task.run, own.trust), own, taken,
            ready=lambda text: tell.send(("ready", text)), say=lambda text: console.say(f"Worker {number}: {text}"),
        )  # fmt: skip
    except TransferError as error:
        tell.send(("failed", str(error)))
        sys.exit(2)
    tell.send(("stopped", unanswered))


def _end_with_parent(counters: Path) -> None:
    """End this process as SIGTERM would when the one that started it has ended, however it did."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        shutil.rmtree(counters, ignore_errors=True)  # it was killed
        os.kill(os.getpid(), signal.SIGTERM)
