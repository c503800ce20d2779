"""What the store holds of each image: features and a thumbnail, one row for each distinct content."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from transfer.data import dataset as manifests
from transfer.features.extraction import PLAIN
from transfer.features.extractor import FeatureExtractor
from transfer.features.store import Store, key
from transfer.features.thumbnails import SIDE, THUMBNAIL
from transfer.quality.tables import Table


@dataclass(frozen=True)
class StoredImages:
    """The distinct used images.

    Attributes:
        rows: the first used row of the manifest for each content, [n]; of very many, that of the first path, in the order of the digests.
        features: cut point and pooling -> float32 [n, width]; empty for a network trained from scratch.
        thumbnails: uint8 [n, SIDE, SIDE, 3].
    """

    rows: pd.DataFrame
    features: Mapping[str, Table]
    thumbnails: Table


@dataclass(frozen=True)
class StoredTable:
    """One record of the store for each image, read when it is needed: a `Table`.

    Attributes:
        store: where they are; must stay open.
        digests: of the images, bytes [n], 32 each.
        output: name of the record.
        dtype: of its values.
        form: shape of a row.
    """

    store: Store
    digests: np.ndarray
    output: str
    dtype: np.dtype
    form: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, and the shape of each."""
        return (len(self), *self.form)

    def __len__(self) -> int:
        return len(self.digests)

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        """Return these rows: uint8 as they are, others as float32."""
        wanted = self.digests[rows]
        ending = key("00" * 32, PLAIN, self.output)[32:]
        keys = [digest + ending for digest in wanted.tolist()]
        found = self.store.get(keys, self.dtype, np.empty((len(keys), int(np.prod(self.form))), self.dtype))
        found = found if found.dtype in (np.float32, np.uint8) else found.astype(np.float32)
        return found.reshape(len(keys), *self.form)


def read(manifest: pd.DataFrame, extractor: FeatureExtractor, store: Store, most: int) -> StoredImages:
    """Read what is stored of all used images.

    Args:
        manifest: all files.
        extractor, store: what computed the features, and where they lie.
        most: images that are read at once, in the order of the manifest. Of more, rows are read as they are needed, in the order of the
            digests, which is that of the store and does not change with the files' names.
    """
    used = manifests.used(manifest)
    rows = used.drop_duplicates("digest")
    at_once = len(rows) <= most
    if not at_once:
        by_path = np.argsort(used["path"].to_numpy(object), kind="stable")  # not by pandas, which refuses paths that are not Unicode
        rows = used.iloc[by_path].drop_duplicates("digest")
        rows = rows.iloc[np.argsort(rows["digest"].to_numpy(object), kind="stable")]
    digests = np.frombuffer(bytes.fromhex("".join(rows["digest"])), "V32")

    def table(output: str, dtype: np.dtype, *form: int) -> Table:
        stored = StoredTable(store, digests, output, dtype, form)
        return stored[:] if at_once else stored

    outputs = extractor.for_training().outputs
    pooled = [output for output in outputs if output.endswith(":avg")]
    pooled += [output for output in outputs if output.endswith(":max") and output.replace(":max", ":avg") not in pooled]
    features = {output: table(output, extractor.dtype(output), extractor.width(output)) for output in pooled}
    return StoredImages(rows, features, table(THUMBNAIL, np.dtype(np.uint8), SIDE, SIDE, 3))
