"""A Ray cluster as the engine: Ray Data over a pool of actors for streams, Ray tasks for maps.

A batch whose worker ends is tried again; after some times it is divided, so that what ends workers, an image that breaks its decoder, is
found and skipped alone. What work raises comes back as a value and is raised here.
"""

import functools
import gc
import math
import pickle
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext

from transfer.config import EngineConfig
from transfer.engines import ray_cluster
from transfer.engines.engine import Items, Lost, Worker
from transfer.errors import EngineError

R = TypeVar("R")

_DIVIDED_BY = 16
_ENDED = (
    ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError, ray.exceptions.ObjectLostError, ray.exceptions.NodeDiedError,
)  # fmt: skip
_AHEAD = 2  # batches or calls that wait at each worker


class RayEngine:
    """Workers of the cluster that this process has joined; see `Engine`."""

    def __init__(self, config: EngineConfig, versions: Mapping[str, str]) -> None:
        self._config, self._versions = config, dict(versions)
        self._last: tuple[Any, ray.ObjectRef[Any]] | None = None

    def titled(self, title: str) -> str:
        count = self._workers()[1]
        return f"{title} ({count} worker{'' if count == 1 else 's'})"

    def stream(self, make_worker: Callable[[], Worker[R]], items: Items, batch_size: int) -> Iterator[tuple[np.ndarray, R | Lost]]:
        made = ray.put(make_worker)  # once, for all workers
        done = np.zeros(len(items), bool)
        size = batch_size
        parts = [(start, min(start + size, len(items))) for start in range(0, len(items), size)]
        while parts:
            for positions, result in self._pass(made, items, parts):
                if not done[positions].all():  # a batch that was tried again may bring a part twice
                    done[positions] = True
                    yield positions, result
            left = np.flatnonzero(~done)
            if size == 1:
                yield from ((left[number : number + 1], self._lost()) for number in range(len(left)))
                return
            if len(left) == len(items):
                raise EngineError(
                    "Every worker of the Ray cluster ended before it finished anything. Most often memory was short. Expected memory for "
                    f"all of them: use fewer (engine.workers). Received {self._workers()[1]} workers, each tried "
                    f"{self._config.retries + 1} times."
                )
            size = max(size // _DIVIDED_BY, 1)
            parts = _parts(left, size)

    def _lost(self) -> Lost:
        return Lost(f"ended the worker that read it, {self._config.retries + 1} times")

    def _pass(self, made: "ray.ObjectRef[Any]", items: Items, parts: Sequence[tuple[int, int]]) -> Iterator[tuple[np.ndarray, Any]]:
        """Give parts of the items to workers once; those whose workers end too often are left out."""
        context = DataContext.get_current()
        context.max_errored_blocks = -1
        context.enable_progress_bars = context.print_on_execution_start = False
        rows = ({"start": start, "items": pickle.dumps(items[start:stop])} for start, stop in parts)
        alone = max(stop - start for start, stop in parts) == 1  # one that ends its worker shall not take the next one with it
        ahead = 1 if alone else _AHEAD
        least, most = (min(count, len(parts)) for count in self._workers())
        data = ray.data.from_items(list(rows), override_num_blocks=len(parts))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # how often a worker is tried again has no other name until Ray 2.64
            found = data.map_batches(
                _Actor, batch_size=None, batch_format="numpy", fn_constructor_args=(made, self._versions),
                compute=ActorPoolStrategy(min_size=least, max_size=most, max_tasks_in_flight_per_actor=ahead),
                num_cpus=self._config.cpus_per_worker, num_gpus=self._config.gpus_per_worker or None,
                max_restarts=-1, max_task_retries=self._config.retries,
            )  # fmt: skip
        for batch in found.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=1):
            for packed in batch["result"]:
                positions, result = pickle.loads(packed)
                if isinstance(result, BaseException):
                    raise result
                yield positions, result

    def map(self, function: Callable[[Any], R], items: Sequence[Any]) -> Iterator[R | Lost]:
        made = self._sent(function)
        options = {"num_cpus": self._config.cpus_per_worker, "num_gpus": self._config.gpus_per_worker, "max_retries": self._config.retries}
        call = ray.remote(**options)(_called)
        waiting = deque[Any]()
        ahead = _AHEAD * self._workers()[1]
        try:
            for item in items:
                waiting.append(call.remote([made], self._versions, item))
                if len(waiting) >= ahead:
                    yield self._returned(waiting.popleft())
            while waiting:
                yield self._returned(waiting.popleft())
        finally:
            for unwanted in waiting:  # an error, or Ctrl-C
                if ray.is_initialized():
                    ray.cancel(unwanted)

    def _sent(self, function: Any) -> "ray.ObjectRef[Any]":
        """Return the function in the object store: put there once, though it is called with batch after batch."""
        if self._last is None or self._last[0] is not function:
            self._last = (function, ray.put(function))
        return self._last[1]

    def _returned(self, call: "ray.ObjectRef[Any]") -> Any:
        try:
            result = ray.get(call)
        except _ENDED:
            return Lost(f"ended the worker that ran it, {self._config.retries + 1} times")
        if isinstance(result, _Raised):
            raise result.error
        return result

    def _workers(self) -> tuple[int, int]:
        """Return the least and the most workers."""
        if self._config.workers != "auto":
            return self._config.workers[0], self._config.workers[-1]
        there, config = ray.cluster_resources(), self._config
        room = [there.get("CPU", 0) / config.cpus_per_worker]
        room += [there.get("GPU", 0) / config.gpus_per_worker] if config.gpus_per_worker else []
        most = math.floor(min(room) + 1e-6)
        if most < 1:
            raise EngineError(
                f"The Ray cluster has no room for a worker of {config.cpus_per_worker:g} CPU cores and {config.gpus_per_worker:g} GPUs. "
                f"Received a cluster of {there.get('CPU', 0):g} CPU cores and {there.get('GPU', 0):g} GPUs."
            )
        return 1, most


class _Actor:
    """A worker, which is made with its first batch: an error of its making is told like one of its work."""

    def __init__(self, made: Any, versions: Mapping[str, str]) -> None:
        self._made, self._versions, self._worker = made, versions, None

    def __call__(self, batch: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        for start, packed in zip(batch["start"].tolist(), batch["items"], strict=True):
            try:
                for positions, result in self._ready()(pickle.loads(packed)):
                    yield _row((positions + start, result))
            except Exception as error:
                yield _row((np.array([start]), _portable(error)))

    def _ready(self) -> Any:
        if self._worker is None:
            ray_cluster.require_same(self._versions, ray_cluster.facts(), ray.util.get_node_ip_address())
            self._worker = _fetched(self._made)()
        return self._worker


class _Raised:
    """What a call raised."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _called(function: "Sequence[ray.ObjectRef[Any]]", versions: Mapping[str, str], item: Any) -> Any:
    """Call a function, whose reference is in a list because Ray would fetch it for each call otherwise."""
    try:
        ray_cluster.require_same(versions, ray_cluster.facts(), ray.util.get_node_ip_address())
        return _made_here(function[0])(item)
    except Exception as error:
        return _Raised(_portable(error))
    finally:
        gc.collect()  # networks and their graphs are reference cycles


@functools.lru_cache(maxsize=1)
def _made_here(function: "ray.ObjectRef[Any]") -> Any:
    """Return a function as this worker keeps it: made once, with all that it holds."""
    return ray.get(function)


def _fetched(made: Any) -> Any:
    return ray.get(made) if isinstance(made, ray.ObjectRef) else made


def _row(result: Any) -> dict[str, np.ndarray]:
    packed = np.empty(1, object)
    packed[0] = pickle.dumps(result, protocol=5)
    return {"result": packed}


def _portable(error: Exception) -> Exception:
    """Return an exception that can be sent: itself, or its text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _parts(numbers: np.ndarray, size: int) -> list[tuple[int, int]]:
    """Return pieces of at most `size` consecutive numbers: (first, end)."""
    breaks = np.flatnonzero(np.diff(numbers) > 1) + 1
    runs = [run for run in np.split(numbers, breaks) if len(run)]
    return [(int(run[start]), int(run[min(start + size, len(run)) - 1]) + 1) for run in runs for start in range(0, len(run), size)]
