"""What the tests of Ray share: a cluster of two nodes on this machine, and work that is made to fail."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ray.cluster_utils import Cluster

from transfer.errors import DataError


@contextmanager
def two_nodes(**head: Any) -> Iterator[Cluster]:
    """Yield a cluster of two nodes with one CPU core each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **head})
    try:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


@contextmanager
def a_node_killed(cluster: Cluster, when: Callable[[], bool]) -> Iterator[None]:
    """Kill the second node (SIGKILL) as soon as `when` says so; afterwards there are two again."""
    import threading

    ended, killed = threading.Event(), threading.Event()

    def watch() -> None:
        while not ended.is_set():
            if when():
                cluster.remove_node(cluster.worker_nodes.copy().pop(), allow_graceful=False)
                killed.set()
                return
            time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
    assert killed.is_set(), "the work had ended before the node was killed"


@dataclass(frozen=True)
class Doubling:
    """Makes a worker that doubles numbers.

    Attributes:
        ends: numbers that end the process, as a decoder that crashes does.
        most: a batch of more items ends the process, as one that takes too much memory does.
        wrong: a number that is an error of the user.
        told: a folder in which each batch leaves a file.
        seconds: that each number takes.
        padding: bytes that each result takes.
    """

    ends: tuple[int, ...] = ()
    most: int = 10**9
    wrong: int | None = None
    told: Path | None = None
    seconds: float = 0.0
    padding: int = 0

    def __call__(self) -> Callable[[Sequence[int]], Iterator[tuple[np.ndarray, Any]]]:
        return self._double

    def _double(self, items: Sequence[int]) -> Iterator[tuple[np.ndarray, Any]]:
        if len(items) > self.most:
            os.kill(os.getpid(), signal.SIGKILL)
        for place, number in enumerate(items):
            yield np.array([place]), (self.doubled(number), bytes(self.padding))
        if self.told:
            (self.told / str(items[0])).touch()

    def doubled(self, number: int) -> int:
        time.sleep(self.seconds)
        if number in self.ends:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == self.wrong:
            raise DataError(f"must not be {number}")
        return 2 * number
