"""How many threads linear algebra uses."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep the linear algebra of a block to one thread.

    A logistic regression makes thousands of small steps. Threads that wait for each other at every step, beside
    TensorFlow's own, make it up to 30 times slower on 2 cores than one thread is.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
