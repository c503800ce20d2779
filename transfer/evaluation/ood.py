"""How far an image is from the training data: its distance to the nearest of them, in the space of the features.

Sun, Ming, Zhu and Li, "Out-of-distribution detection with deep nearest neighbors" (ICML 2022): features of length 1, and
the distance to the k nearest of the training images. The features are those that enter the head: on the clip art, with
VGG16, they tell digits and photographs from drawings with an area under the curve of 0.995 and more; the last hidden layer
of the head, which has learned to see nothing but the classes, reaches 0.7 to 0.8.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from transfer.errors import RunError
from transfer.system.files import write_bytes

_SMALLEST = 1e-6  # a threshold of zero, where all validation images are copies, would divide by zero
_AT_ONCE = 1024


@dataclass(frozen=True)
class Reference:
    """The sample of the training images with which others are compared.

    Attributes:
        embeddings: float32 [m, d], rows of length 1.
        paths, labels: of the m images, as in the manifest.
        neighbours: how many of the nearest count.
        threshold: mean distance to these (0..2) above which an image is called unknown.
        thumbnails: m JPEG files, or empty bytes.
    """

    embeddings: np.ndarray
    paths: list[str]
    labels: list[str]
    neighbours: int
    threshold: float
    thumbnails: list[bytes]

    def ood_score(self, embeddings: np.ndarray) -> np.ndarray:
        """Return float32 [n] for rows of length 1 [n, d]: the mean distance to the nearest, where 1 is the threshold."""
        return distances(self.embeddings, embeddings, self.neighbours) / np.float32(self.threshold)

    def nearest(self, embedding: np.ndarray, count: int) -> list[tuple[int, float]]:
        """Return positions and distances (0..2) of the images nearest to a row of length 1 [d], nearest first."""
        distance = 1 - self.embeddings @ np.asarray(embedding, np.float32)
        return [(int(position), float(max(distance[position], 0.0))) for position in np.argsort(distance, kind="stable")[:count]]

    def thumbnail(self, position: int) -> bytes:
        """Return a small JPEG of an image; empty where there is none."""
        return self.thumbnails[position]

    def write(self, path: Path) -> None:
        """Write the file: arrays of numbers only."""
        texts = {name: _packed([text.encode("utf-8", "surrogateescape") for text in getattr(self, name)]) for name in ("paths", "labels")}
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
            RunError: where it is missing or damaged.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                texts = {
                    name: [text.decode("utf-8", "surrogateescape") for text in _unpacked(arrays, name)] for name in ("paths", "labels")
                }
                return cls(
                    arrays["embeddings"].astype(np.float32), **texts, neighbours=int(arrays["neighbours"]),
                    threshold=float(arrays["threshold"]), thumbnails=_unpacked(arrays, "thumbnails"),
                )  # fmt: skip
        except FileNotFoundError:
            raise RunError(
                "The run keeps no training images to compare with: it was made by an earlier version. Expected the file "
                f"{path.name}. Fit again. Received {str(path.parent)!r}."
            ) from None
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise RunError(f"The training images kept with the run cannot be read: {error}. Received {str(path)!r}.") from None


def rounded(embeddings: np.ndarray) -> np.ndarray:
    """Return float32 values as the file and the export hold them, in 16 bit."""
    return embeddings.astype(np.float16).astype(np.float32)


def distances(reference: np.ndarray, embeddings: np.ndarray, neighbours: int) -> np.ndarray:
    """Return the mean cosine distance (0..2) of each row to the nearest rows of the reference, float32 [n]."""
    count = min(neighbours, len(reference))
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(embeddings), _AT_ONCE):
        alike = embeddings[start : start + _AT_ONCE] @ reference.T
        parts.append(1 - np.partition(alike, len(reference) - count, axis=1)[:, len(reference) - count :].mean(1))
    return np.concatenate(parts)


def threshold(reference: np.ndarray, validation: np.ndarray, neighbours: int, false_alarms: float) -> float:
    """Return the distance that so large a share of the validation images exceed, at most; of training images, without any.

    Args:
        reference, validation: rows of length 1, [m, d] and [n, d].
        neighbours: how many of the nearest count.
        false_alarms: share, 0 to 1.
    """
    judged = distances(reference, validation, neighbours) if len(validation) else distances(reference, reference, neighbours + 1)
    return max(float(np.quantile(judged, 1 - false_alarms, method="higher")), _SMALLEST)


def sample(labels: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Return positions of at most `most` images, sorted: the same number of each class as far as there are as many.

    Args:
        labels: class numbers, int [n].
        most: images kept.
        seed: which.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    rank = np.empty(len(labels), np.int64)  # how many of its class come before it
    for label in np.unique(labels):
        of_class = shuffled[labels[shuffled] == label]
        rank[of_class] = np.arange(len(of_class))
    return np.sort(shuffled[np.argsort(rank[shuffled], kind="stable")[:most]])


def against(test: np.ndarray, others: np.ndarray) -> dict[str, float]:
    """Compare the ood_score of images of other data [m] with that of the test images [n].

    Returns:
        `images` (m), `auroc` (area under the ROC curve: the chance that one of them is farther away than a test image) and
        `flagged` (share of them above the threshold).
    """
    from sklearn.metrics import roc_auc_score

    strange = np.concatenate([np.zeros(len(test)), np.ones(len(others))])
    auroc = float(roc_auc_score(strange, np.concatenate([test, others])))
    return {"images": len(others), "auroc": auroc, "flagged": float((others > 1).mean())}


def _packed(parts: Sequence[bytes]) -> dict[str, np.ndarray]:
    return {"bytes": np.frombuffer(b"".join(parts), np.uint8), "ends": np.cumsum([len(part) for part in parts], dtype=np.int64)}


def _unpacked(arrays: "np.lib.npyio.NpzFile", name: str) -> list[bytes]:
    data, ends = arrays[f"{name}_bytes"].tobytes(), arrays[f"{name}_ends"].tolist()
    return [data[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)] if ends else []
