"""A Ray cluster as the engine. Streams and maps give parts of the work to one pool of workers.

What is done is yielded before more is given, so neither the driver's memory nor Ray's object store grows with the number of items. A
part whose worker ends goes to another one; what ends workers again and again, an image that breaks its decoder, is found by trying the
items of its part alone, and left out.

Ray Data was tried for streams: it starts another pool for each, so that TensorFlow is imported anew, and an item that ended its worker
held it up for over a minute on a busy machine of 2 cores; here it takes seconds.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from transfer.config import EngineConfig
from transfer.engines import ray_cluster
from transfer.engines.engine import Items, Lost, Worker
from transfer.engines.ray_pool import Part, Pool, Ref, State
from transfer.errors import EngineError
from transfer.system.progress import Progress

R = TypeVar("R")

_PATIENCE_S = 60.0


class RayEngine:
    """Workers of the cluster that this process has joined; see `Engine`. `close` ends them."""

    def __init__(self, config: EngineConfig, progress: Progress) -> None:
        self._config, self._progress = config, progress
        self._pool = Pool(config, ray_cluster.facts())
        self._latest: tuple[Any, Ref] | None = None

    def close(self) -> None:
        """End the workers."""
        self._pool.close()

    def titled(self, title: str) -> str:
        count = self._count()[1]
        return f"{title} ({count} worker{'' if count == 1 else 's'})"

    def stream(self, make_worker: Callable[[], Worker[R]], items: Items, batch_size: int) -> Iterator[tuple[np.ndarray, R | Lost]]:
        parts = [Part(start, min(start + batch_size, len(items))) for start in range(0, len(items), batch_size)]
        for part, results in self._done("work", make_worker, items, parts):
            if isinstance(results, Lost):
                yield np.arange(part.start, part.stop), results
            else:
                yield from ((positions + part.start, result) for positions, result in results)

    def map(self, function: Callable[[Any], R], items: Sequence[Any]) -> Iterator[R | Lost]:
        following, waiting = 0, dict[int, Any]()
        for part, result in self._done("call", function, items, [Part(number, number + 1) for number in range(len(items))]):
            waiting[part.start] = result
            while following in waiting:
                yield waiting.pop(following)
                following += 1

    def _done(self, method: str, made: Any, items: Items, parts: Sequence[Part]) -> Iterator[tuple[Part, Any]]:
        """Give parts to workers, and yield each with what it gave, or `Lost`."""
        pool, shared, left = self._pool, self._sent(made), deque(parts)
        least, most = (min(count, len(parts)) for count in self._count())
        finished = ended = 0
        try:
            while left or pool.busy:
                pool.grow(min(most, max(len(left), pool.ready)))
                if pool.ready >= least or finished:
                    self._give(method, shared, items, left)
                since = time.monotonic()
                for part, state, results in pool.wait(_PATIENCE_S):
                    if state is State.DONE and part is not None:
                        finished += 1
                        yield part, results
                        continue
                    ended += state is State.ENDED
                    if not finished and ended > 2 * (self._config.retries + 1):
                        raise self._useless(most)
                    for again in self._again(part, state):
                        if again.ended > self._config.retries:
                            yield again, Lost(f"ended the worker that had it, {again.ended} times")
                        else:
                            left.appendleft(again)
                if time.monotonic() - since >= _PATIENCE_S and not pool.busy:
                    self._progress.say(f"Waiting for room in the Ray cluster: {pool.ready} of at least {least} workers have started.")
        finally:
            pool.stop()

    def _sent(self, made: Any) -> Ref:
        """Put something into the object store: once for all workers, and once for all batches of a search."""
        import ray

        if self._latest is None or self._latest[0] is not made:
            self._latest = (made, ray.put(made))
        return self._latest[1]

    def _give(self, method: str, shared: Ref, items: Items, left: deque[Part]) -> None:
        for worker in self._pool.free():
            if not left:
                return
            if left[0].ended and self._pool.has(worker):  # it may end the worker: it goes alone
                continue
            self._pool.give(worker, method, shared, items, left.popleft())

    def _again(self, part: Part | None, state: State) -> list[Part]:
        """Return what is tried again of a part that was not done: all together once, then its items alone."""
        if part is None:
            return []
        if state is State.UNTRIED:
            return [part]
        if part.stop - part.start > 1 and (part.ended or not self._config.retries):
            return [Part(number, number + 1) for number in reversed(range(part.start, part.stop))]
        return [Part(part.start, part.stop, part.ended + 1)]

    def _useless(self, workers: int) -> EngineError:
        return EngineError(
            "Every worker of the Ray cluster ended before it finished anything. Most often memory was short. Expected memory for all of "
            f"them: use fewer (engine.workers), or more for each. Received {workers} workers."
        )

    def _count(self) -> tuple[int, int]:
        """Return the least and the most workers.

        Raises:
            EngineError: if the cluster has no room for a single one.
        """
        import ray

        there, config = ray.cluster_resources(), self._config
        room = [there.get("CPU", 0) / config.cpus_per_worker]
        room += [there.get("GPU", 0) / config.gpus_per_worker] if config.gpus_per_worker else []
        most = math.floor(min(room) + 1e-6)
        if config.workers != "auto":
            return config.workers[0], config.workers[-1]  # an autoscaler may bring the room
        if most < 1:
            raise EngineError(
                f"The Ray cluster has no room for a worker of {config.cpus_per_worker:g} CPU cores and {config.gpus_per_worker:g} GPUs. "
                f"Received a cluster of {there.get('CPU', 0):g} CPU cores and {there.get('GPU', 0):g} GPUs."
            )
        return 1, most
