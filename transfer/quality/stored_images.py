"""What the store holds of each image: features and a thumbnail, one row for each distinct content."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from transfer.data import dataset as manifests
from transfer.features.arrays import StoredRows
from transfer.features.extraction import PLAIN
from transfer.features.extractor import FeatureExtractor
from transfer.features.store import Store, key
from transfer.features.thumbnails import SIDE, THUMBNAIL


@dataclass(frozen=True)
class StoredImages:
    """The distinct used images.

    Attributes:
        rows: the first used row of the manifest for each content, [n].
        features: cut point and pooling -> float32 [n, width]; empty for a network trained from scratch.
        thumbnails: uint8 [n, SIDE, SIDE, 3].
    """

    rows: pd.DataFrame
    features: dict[str, np.ndarray]
    thumbnails: np.ndarray


def read(manifest: pd.DataFrame, extractor: FeatureExtractor, store: Store) -> StoredImages:
    """Read what is stored of all used images."""
    rows = manifests.used(manifest).drop_duplicates("digest")

    def table(output: str, width: int, dtype: np.dtype) -> np.ndarray:
        keys = [key(digest, PLAIN, output) for digest in rows["digest"]]
        return StoredRows(store, [keys], [width], dtype, memory_bytes=0).everything()

    outputs = extractor.for_training().outputs
    pooled = [output for output in outputs if output.endswith(":avg")]
    pooled += [output for output in outputs if output.endswith(":max") and output.replace(":max", ":avg") not in pooled]
    features = {output: table(output, extractor.width(output), extractor.dtype(output)) for output in pooled}
    thumbnails = table(THUMBNAIL, SIDE**2 * 3, np.dtype(np.uint8)).reshape(-1, SIDE, SIDE, 3)
    return StoredImages(rows, features, thumbnails)
