"""Records of a feature store in memory: what trainings on other machines read, for the store stays with the process that writes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from transfer.errors import StoreError
from transfer.features.keys import BYTES
from transfer.features.store import Store

_KEY = f"S{BYTES}"  # sorts as the bytes do; `V48` cannot be sorted


class Readable(Protocol):
    """What training needs of a store."""

    def get(self, keys: Sequence[bytes], dtype: np.dtype, out: np.ndarray | None = None) -> np.ndarray:
        """Return the records of all keys as one array [n, width]; see `Store.get`."""
        ...


@dataclass(frozen=True)
class Snapshot:
    """Records as they were when it was taken; read only.

    All of it is in memory: once where it is taken, and where it is sent to as arrays that all workers of a node share.

    Attributes:
        tables: for each output, its keys in order, `S48` [n], and the contents of its records, uint8 [n, bytes].
    """

    tables: tuple[tuple[np.ndarray, np.ndarray], ...]

    @classmethod
    def of(cls, store: Store, keys: Mapping[str, Sequence[np.ndarray]]) -> "Snapshot":
        """Take records from a store.

        Args:
            store: where they are.
            keys: output -> keys of its records, `S48` arrays; some may be there several times.

        Raises:
            StoreError: if a record is missing or damaged.
        """
        sorted_keys = [np.unique(np.concatenate(parts)) for parts in keys.values() if parts]
        return cls(tuple((names, store.get(_listed(names), np.dtype(np.uint8))) for names in sorted_keys if len(names)))

    def get(self, keys: Sequence[bytes], dtype: np.dtype, out: np.ndarray | None = None) -> np.ndarray:
        """Return the records of all keys, which are of one output, as one array [n, width].

        Raises:
            StoreError: if a record is not here.
        """
        if not len(keys):
            return np.empty((0, 0), dtype) if out is None else out
        wanted = packed(keys)
        for names, contents in self.tables:
            if not _all_in(names, wanted[:1]):
                continue
            if not _all_in(names, wanted):
                break
            found = contents[np.searchsorted(names, wanted)]
            if out is None:
                return found.view(dtype)
            out.view(np.uint8)[:] = found
            return out
        raise StoreError(f"Not all of the {len(keys):,} records that a training reads were sent with it. This is a bug.")


def packed(keys: Sequence[bytes]) -> np.ndarray:
    """Return keys as an array, `S48` [n]."""
    return np.frombuffer(b"".join(keys), _KEY)


def _all_in(names: np.ndarray, wanted: np.ndarray) -> bool:
    return bool((names[np.searchsorted(names, wanted) % len(names)] == wanted).all())


def _listed(names: np.ndarray) -> list[bytes]:
    listed: list[bytes] = names.view(f"V{BYTES}").tolist()  # those of `S48` would lose zeros at their end
    return listed
