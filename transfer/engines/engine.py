"""What an engine does: two primitives, of which all work over many images or many trials is made."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np

R = TypeVar("R")

Worker: TypeAlias = Callable[[Any], Iterator[tuple[np.ndarray, R]]]
"""Some items -> parts of them, as they are done: their positions among these items, int64 [m], and one result for the part."""


class Items(Protocol):
    """A sequence, or what can be sliced like one."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> Any: ...


@dataclass(frozen=True)
class Lost:
    """In place of a result: the worker ended each time that it was tried.

    Attributes:
        reason: for the table of files, or of trials.
    """

    reason: str


class Engine(Protocol):
    """Runs work whose parts are independent. No result depends on where it ran.

    What is given to an engine may be sent to other machines: values, frozen and picklable, without open files. NumPy arrays in
    them are not copied for each worker. An exception that work raises is raised here as well: what may be wrong with a single image
    belongs into its result.
    """

    def stream(self, make_worker: Callable[[], Worker[R]], items: Items, batch_size: int) -> Iterator[tuple[np.ndarray, R | Lost]]:
        """Give items to workers, and yield results as they come, in any order: positions among the items, and their result.

        Args:
            make_worker: called once for each worker, where it works.
            items: their slices are picklable, and go to the workers.
            batch_size: items given to a worker at once, unless it gets all.
        """
        ...

    def map(self, function: Callable[[Any], R], items: Sequence[Any]) -> Iterator[R | Lost]:
        """Call a function with each item, and yield the results in the order of the items."""
        ...

    def titled(self, title: str) -> str:
        """Return the title of a progress bar, with the number of workers if there are others than this process."""
        ...
