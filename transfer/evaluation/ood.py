"""Out-of-distribution detection: the distance of an image to the nearest training images, in feature space.

Sun, Ming, Zhu and Li, "Out-of-distribution detection with deep nearest neighbors" (ICML 2022): features of length 1, and the
distance to the k nearest training images. The features are those of several cut points: `tests/benchmarks/ood.py` compares them
with others, and with other distances.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transfer.errors import RunError
from transfer.system.files import write_bytes

_SMALLEST = 1e-6  # a threshold of zero (all validation images are duplicates) would divide by zero
_AT_ONCE = 1024
_TEXTS = ("paths", "labels", "layers")


@dataclass(frozen=True)
class Reference:
    """The sample of the training images that other images are compared with.

    Attributes:
        embeddings: float32 [m, d], rows of length 1.
        paths, labels: of the m images, as in the manifest.
        neighbours: number of nearest images whose distances are averaged.
        threshold: mean distance (0..2) above which an image is out of distribution.
        thumbnails: m small JPEG files, or empty bytes.
        layers: what the embeddings are made of; see `models.parts.Parts.layers`.
    """

    embeddings: np.ndarray
    paths: list[str]
    labels: list[str]
    neighbours: int
    threshold: float
    thumbnails: list[bytes]
    layers: tuple[str, ...] = ()

    def ood_score(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the mean distance to the nearest images in units of the threshold, float32 [n], for rows of length 1 [n, d]."""
        return distances(self.embeddings, embeddings, self.neighbours) / np.float32(self.threshold)

    def nearest(self, embedding: np.ndarray, count: int) -> list[tuple[int, float]]:
        """Return positions and distances (0..2) of the images nearest to a row of length 1 [d], nearest first."""
        distance = 1 - self.embeddings @ np.asarray(embedding, np.float32)
        return [(int(position), float(max(distance[position], 0.0))) for position in np.argsort(distance, kind="stable")[:count]]

    def write(self, path: Path) -> None:
        """Write the file: numeric arrays only, so that reading it runs no code."""
        texts = {name: _packed([text.encode("utf-8", "surrogateescape") for text in getattr(self, name)]) for name in _TEXTS}
        packed = texts | {"thumbnails": _packed(self.thumbnails)}
        arrays: dict[str, Any] = {f"{name}_{part}": array for name, parts in packed.items() for part, array in parts.items()}
        buffer = io.BytesIO()
        np.savez(
            buffer, embeddings=self.embeddings.astype(np.float16), neighbours=np.int64(self.neighbours),
            threshold=np.float64(self.threshold), **arrays,
        )  # fmt: skip
        write_bytes(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> "Reference":
        """Read the file that `write` wrote.

        Raises:
            RunError: if it is missing or damaged.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                texts = {
                    name: [text.decode("utf-8", "surrogateescape") for text in _unpacked(arrays, name)]
                    for name in _TEXTS
                    if f"{name}_bytes" in arrays or name != "layers"  # runs of earlier versions have none
                }
                layers = tuple(texts.pop("layers", ()))
                return cls(
                    arrays["embeddings"].astype(np.float32), **texts, layers=layers, neighbours=int(arrays["neighbours"]),
                    threshold=float(arrays["threshold"]), thumbnails=_unpacked(arrays, "thumbnails"),
                )  # fmt: skip
        except FileNotFoundError:
            raise RunError(
                "The run has no training images to compare with: it was made by an earlier version. Expected the file "
                f"{path.name}. Fit again. Received {str(path.parent)!r}."
            ) from None
        except Exception as error:  # NumPy and zipfile raise all kinds of errors for damaged files
            raise RunError(f"The training images stored with the run cannot be read: {error}. Received {str(path)!r}.") from None


def rounded(embeddings: np.ndarray) -> np.ndarray:
    """Round to float16, as the file and the export store the values, and return float32."""
    return embeddings.astype(np.float16).astype(np.float32)


def distances(reference: np.ndarray, embeddings: np.ndarray, neighbours: int) -> np.ndarray:
    """Return the mean cosine distance (0..2) of each row to the nearest rows of the reference, float32 [n]."""
    count = min(neighbours, len(reference))
    parts = [np.partition(cosine, len(reference) - count, axis=1)[:, -count:].mean(1) for cosine in _cosines(reference, embeddings)]
    return 1 - np.concatenate([np.empty(0, np.float32), *parts])


def neighbours_of(reference: np.ndarray, embeddings: np.ndarray, neighbours: int) -> np.ndarray:
    """Return the positions of the rows of the reference that `distances` takes, in no order, int [n, k]."""
    count = min(neighbours, len(reference))
    parts = [np.argpartition(cosine, len(reference) - count, axis=1)[:, -count:] for cosine in _cosines(reference, embeddings)]
    return np.concatenate([np.empty((0, count), np.int64), *parts])


def _cosines(reference: np.ndarray, embeddings: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(embeddings), _AT_ONCE):
        yield embeddings[start : start + _AT_ONCE] @ reference.T


def threshold(reference: np.ndarray, validation: np.ndarray, neighbours: int, false_alarms: float) -> float:
    """Return the distance that at most a share of the validation images (without any: of the training images) exceed.

    Args:
        reference: rows of length 1, [m, d].
        validation: `distances` of the validation images from it, [n].
        neighbours: number of nearest images whose distances are averaged.
        false_alarms: the share, 0 to 1.
    """
    return limit(validation if len(validation) else distances(reference, reference, neighbours + 1), false_alarms)


def limit(found: np.ndarray, false_alarms: float) -> float:
    """Return the distance above which at most a share of these distances lie."""
    return max(float(np.quantile(found, 1 - false_alarms, method="higher")), _SMALLEST)


def sample(labels: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Return sorted positions of at most `most` images: equally many of each class, as far as it has them.

    Args:
        labels: class numbers, int [n].
        most: images to keep.
        seed: of the choice.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    rank = np.empty(len(labels), np.int64)  # number of images of its class before it
    for label in np.unique(labels):
        of_class = shuffled[labels[shuffled] == label]
        rank[of_class] = np.arange(len(of_class))
    return np.sort(shuffled[np.argsort(rank[shuffled], kind="stable")[:most]])


def against(test: np.ndarray, other_data: np.ndarray) -> dict[str, float]:
    """Compare the ood_score of images of other data [m] with that of the test images [n].

    Returns:
        `images` (m), `auroc` (area under the ROC curve: the probability that one of them has a higher score than a test
        image) and `flagged` (the share of them above the threshold).
    """
    from sklearn.metrics import roc_auc_score

    is_other = np.concatenate([np.zeros(len(test)), np.ones(len(other_data))])
    auroc = float(roc_auc_score(is_other, np.concatenate([test, other_data])))
    return {"images": len(other_data), "auroc": auroc, "flagged": float((other_data > 1).mean())}


def _packed(parts: Sequence[bytes]) -> dict[str, np.ndarray]:
    return {"bytes": np.frombuffer(b"".join(parts), np.uint8), "ends": np.cumsum([len(part) for part in parts], dtype=np.int64)}


def _unpacked(arrays: "np.lib.npyio.NpzFile", name: str) -> list[bytes]:
    data, ends = arrays[f"{name}_bytes"].tobytes(), arrays[f"{name}_ends"].tolist()
    return [data[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)] if ends else []
