"""Threads and memory of this process."""

import ctypes
import gc
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit the linear algebra of a block to one thread.

    A logistic regression makes thousands of small steps. With threads that wait for each other at every step, next to
    TensorFlow's own, it is up to 30 times slower on 2 cores than with one thread.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> dict[str, int]:
    """Return how many threads add up the numbers of one result: with another count the order of additions, and the last digits, differ.

    `intra_op` and `inter_op` of TensorFlow (within an operation, and operations side by side), and `linear_algebra` of NumPy and SciPy.
    """
    import tensorflow as tf
    from threadpoolctl import threadpool_info

    chosen = tf.config.threading
    given = {"intra_op": chosen.get_intra_op_parallelism_threads(), "inter_op": chosen.get_inter_op_parallelism_threads()}
    found = {}
    for name, count in given.items():  # 0: as the variable says, or one for each core
        variable = os.environ.get(f"TF_NUM_{name.replace('_', '').upper()}_THREADS", "")
        found[name] = count or (int(variable) if variable.isdecimal() and int(variable) else cores())
    return found | {"linear_algebra": max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)}


def spread(work: Callable[[S], T], items: Iterable[S]) -> list[T]:
    """Call `work` with each item, on one thread per core: for work of NumPy and TensorFlow, which releases the GIL.

    The calls must be independent. Results are in the order of the items; the first exception is raised.
    """
    with one_thread(), ThreadPoolExecutor(cores()) as threads:
        return list(threads.map(work, items))


def ahead(work: Callable[[S], T], items: Iterable[S], threads: int, waiting: int) -> Generator[T, None, None]:
    """Call `work` with each item on several threads and yield the results in the order of the items.

    At most `waiting` items are in progress or finished and not yet consumed. The first exception of any call is raised in
    place of its result; calls that have not started by then, or when the generator is closed, are cancelled.
    """
    pending: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(threads, "ahead")
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) >= waiting:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def give_back() -> None:
    """Collect garbage and return free pages to the system, where the C library can (glibc).

    Rewriting a network's graph temporarily needs several copies of its weights; without this the process would keep that
    memory, hundreds of megabytes, until it ends.
    """
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        pass  # another C library: it manages free memory itself
