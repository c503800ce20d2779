"""Workers on a Ray cluster: actors that stay for all work of an engine, so that TensorFlow is imported once in each."""

import gc
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from transfer.config import EngineConfig
from transfer.engines import ray_cluster
from transfer.engines.engine import Items
from transfer.errors import TransferError

Ref: TypeAlias = Any
"""A reference to what a call will return."""

_AHEAD = 2  # parts that a worker has: while one is on its way back, it works on the next


@dataclass(frozen=True)
class Part:
    """Consecutive items that a worker is given at once, and how often a worker has ended with them."""

    start: int
    stop: int
    ended: int = 0


def _received(call: Ref) -> Any:
    """Return what a call returned.

    Raises:
        _EndedError: if its worker ended.
    """
    import ray

    ended = (
        ray.exceptions.RayActorError,
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.OutOfMemoryError,
        ray.exceptions.ObjectLostError,
    )
    try:
        return ray.get(call)
    except ended:
        raise _EndedError from None


class _EndedError(Exception):
    """A worker ended."""


class State(Enum):
    """What became of a part: done; its worker ended while it was at it; its worker ended before it began."""

    DONE = 1
    ENDED = 2
    UNTRIED = 3


class Pool:
    """The workers, and the parts that each has been given, in the order in which it works on them."""

    def __init__(self, config: EngineConfig, versions: Mapping[str, str]) -> None:
        self._config, self._versions = config, versions
        self._given: dict[Any, deque[tuple[Ref, Part]]] = {}
        self._starting: dict[Ref, Any] = {}

    @property
    def ready(self) -> int:
        """Number of workers that have started."""
        return len(self._given)

    @property
    def busy(self) -> bool:
        """Whether any worker has a part."""
        return any(self._given.values())

    def grow(self, wanted: int) -> None:
        """Start workers until there are so many; those for which the cluster has no room yet wait for it."""
        import ray

        options = {"num_cpus": self._config.cpus_per_worker, "num_gpus": self._config.gpus_per_worker}
        while len(self._given) + len(self._starting) < wanted:
            worker = ray.remote(**options)(_Host).remote()
            self._starting[worker.facts.remote()] = worker

    def free(self) -> Iterator[Any]:
        """Yield workers that can take a part, those without any first. One whose part has ended a worker before takes no other."""
        for count in range(_AHEAD):
            for worker, given in list(self._given.items()):
                if len(given) == count and not any(part.ended for _, part in given):
                    yield worker

    def has(self, worker: Any) -> bool:
        """Return whether a worker has a part."""
        return bool(self._given[worker])

    def give(self, worker: Any, method: str, made: Ref, items: Items, part: Part) -> None:
        """Let a worker do a part: `work` or `call` of `_Host`."""
        call = getattr(worker, method).remote([made], items[part.start : part.stop])
        self._given[worker].append((call, part))

    def wait(self, seconds: float) -> Iterator[tuple[Part | None, State, Any]]:
        """Wait until something has happened, and yield what became of parts; None in place of a part: a worker ended while it started.

        Raises:
            EngineError: if a worker has other versions.
            Exception: what the work itself raises.
        """
        import ray

        first = {given[0][0]: worker for worker, given in self._given.items() if given}
        calls = [*first, *self._starting]
        done, _ = ray.wait(calls, num_returns=1, timeout=seconds) if calls else ([], [])
        for call in done:
            if call in first:
                yield from self._collected(first[call])
                continue
            worker = self._starting.pop(call)
            try:
                theirs, node = _received(call)
            except _EndedError:
                yield None, State.ENDED, None
                continue
            ray_cluster.require_same(self._versions, theirs, node)
            self._given[worker] = deque()

    def _collected(self, worker: Any) -> Iterator[tuple[Part, State, Any]]:
        import ray

        given = self._given[worker]
        while given and ray.wait([given[0][0]], timeout=0)[0]:
            call, part = given.popleft()
            try:
                results, error = _received(call)
            except _EndedError:
                self.end(worker)
                yield part, State.ENDED, None
                yield from ((after, State.UNTRIED, None) for _, after in given)
                return
            if error is not None:
                raise error
            yield part, State.DONE, results

    def end(self, worker: Any) -> None:
        """End a worker, whatever it is at."""
        import ray

        self._given.pop(worker, None)
        ray.kill(worker)

    def stop(self) -> None:
        """End the workers that are at something, which nobody waits for any more."""
        for worker in [worker for worker, given in self._given.items() if given]:
            self.end(worker)

    def close(self) -> None:
        """End all workers."""
        for worker in [*self._given, *self._starting.values()]:
            self.end(worker)
        self._starting.clear()


class _Host:
    """The actor: works on parts with the worker, or the function, that was made for them."""

    def __init__(self) -> None:
        self._name, self._made = None, None

    def facts(self) -> tuple[dict[str, str], str]:
        """Return the versions here, and the name of the node."""
        import ray

        return ray_cluster.facts(), ray.util.get_node_ip_address()

    def work(self, made: list[Ref], items: Any) -> tuple[list[Any] | None, Exception | None]:
        """Return all that the worker yields for these items, or what it raised."""
        return _caught(lambda: list(self._fetched(made[0], lambda make: make())(items)))

    def call(self, made: list[Ref], items: Any) -> tuple[Any, Exception | None]:
        """Return what the function returns for the only item, or what it raised."""
        return _caught(lambda: self._fetched(made[0], lambda function: function)(items[0]))

    def _fetched(self, made: Ref, prepare: Callable[[Any], Any]) -> Any:
        import ray

        if self._name != made:  # the latest alone: it may hold a network
            self._made = None
            self._name, self._made = made, prepare(ray.get(made))
        return self._made


def _caught(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return work(), None
    except Exception as error:
        return None, _portable(error)
    finally:
        gc.collect()  # trained networks and their graphs are reference cycles


def _portable(error: Exception) -> Exception:
    """Return an exception that can be sent: one of ours, or its text."""
    return error if isinstance(error, TransferError) else RuntimeError(f"{type(error).__name__}: {error}")
