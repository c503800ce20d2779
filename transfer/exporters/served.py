"""An exported SavedModel, loaded as a client would load it: bytes in, probabilities out. Only the export is needed."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from transfer.data.decoding.to_8_bits import Range
from transfer.errors import DataError, RunError
from transfer.exporters import foreign
from transfer.exporters.formats import graph
from transfer.runs import LABELS

_NEARLY = 200  # of 255, a colour that is full even after resizing


@dataclass(frozen=True)
class Answers:
    """The outputs of an export for n images.

    Attributes:
        probabilities: float32 [n, classes], calibrated.
        ood_score: float32 [n], distance from the training images relative to the threshold, which is 1.
        is_ood: bool [n], whether the score is above 1.
    """

    probabilities: np.ndarray
    ood_score: np.ndarray
    is_ood: np.ndarray


@dataclass(frozen=True)
class Explained:
    """The outputs of an export for n images, with heat maps.

    Attributes:
        answers: the same as without heat maps.
        heat: float32 [n, h, w] in 0..1: the evidence for the class at each position.
        images: uint8 [n, size, size, 3], the input of the network.
        embeddings: float32 [n, d], of length 1.
    """

    answers: Answers
    heat: np.ndarray
    images: np.ndarray
    embeddings: np.ndarray


class Served:
    """A loaded export.

    Attributes:
        labels: class names, in the order of the probabilities.
        size: side of the images that the network sees, in pixels.
        value_range: of images of more than 8 bits per sample, as the decoder in the graph takes it; see `to_8_bits`.
    """

    def __init__(self, folder: Path, trust: bool = False) -> None:
        """Load a SavedModel.

        Args:
            folder: of one version, such as `export/1`.
            trust: load it whatever it could do; see `foreign.load`.

        Raises:
            RunError: if the folder is not a SavedModel of this package, is damaged, or is not trusted and could do more than compute.
        """
        self._model = foreign.load(folder, trust)
        try:
            self._signature = self._model.signatures["serving_default"]
            self._explain = self._model.signatures["explain"]
            self.size = int(self._explain.structured_outputs["image"].shape[1])
            low_high = self._model.value_range.numpy().tolist() if hasattr(self._model, "value_range") else []
            self.value_range: Range | None = (low_high[0], low_high[1]) if low_high else None
            # Not what `labels_file` in the graph says: that could be any file of this machine.
            self.labels = foreign.asset(folder, LABELS, trust).decode("utf-8", errors="surrogateescape").split("\n")[:-1]
        except KeyError as error:
            raise RunError(f"The export lacks {error}: it was made by an earlier version. Fit again. Received {str(folder)!r}.") from None
        except (OSError, ValueError, TypeError, AttributeError, IndexError, tf.errors.OpError) as error:
            raise RunError(f"The export could not be loaded: {str(error).splitlines()[0]}. Received {str(folder)!r}.") from None

    @property
    def signatures(self) -> Mapping[str, Any]:
        """All signatures by name, as TensorFlow's concrete functions."""
        return self._model.signatures

    def answer(self, images: Sequence[bytes]) -> Answers:
        """Classify n encoded images.

        Raises:
            tf.errors.InvalidArgumentError: if one of them cannot be decoded.
        """
        return _answers(self._signature(image_bytes=tf.constant(list(images), tf.string)))

    def answer_decoded(self, images: np.ndarray) -> Answers:
        """Classify n decoded images: uint8 or float32 [n, size, size, 3], RGB, 0 to 255, as `answer` decodes them."""
        return _answers(self._model.signatures["images"](images=tf.cast(tf.constant(images), tf.float32)))

    def decode(self, images: Sequence[bytes]) -> np.ndarray:
        """Return uint8 [n, size, size, 3]: what the network sees of n encoded images, by the decoder of the export.

        Raises:
            tf.errors.InvalidArgumentError: if one of them cannot be decoded.
        """
        decoded: np.ndarray = self._decoder(tf.constant(list(images), tf.string)).numpy()
        return decoded

    @cached_property
    def _decoder(self) -> Any:
        """The decoder of the signature `explain`, which returns what it decoded; TensorFlow leaves out what that does not need."""

        @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string)])
        def decoder(image_bytes: tf.Tensor) -> tf.Tensor:
            return self._explain(image_bytes=image_bytes, class_number=tf.fill(tf.shape(image_bytes), -1))["image"]

        return decoder

    @cached_property
    def resize(self) -> str:
        """How its decoder makes an image a square: `stretch`, `pad` or `crop`; seen by an image of three colours that is wide."""
        seen = self.decode([_probe()])[0].astype(int)
        if (seen[0, self.size // 2] > _NEARLY).all():  # white above
            return "pad"
        left, middle = seen[self.size // 2, 0], seen[self.size // 2, self.size // 2]
        return "crop" if np.abs(left - middle).max() < _NEARLY // 2 else "stretch"

    def source(self) -> graph.Source:
        """Return the network as a frozen graph; a copy of its weights."""
        return graph.of(self._model.signatures[graph.INPUT], self.size)

    def probabilities(self, images: Sequence[bytes]) -> np.ndarray:
        """Return float32 [n, classes]; see `answer`."""
        return self.answer(images).probabilities

    def explain(self, images: Sequence[bytes], class_numbers: Sequence[int]) -> Explained:
        """Classify n encoded images and map the evidence for one class of each; -1: for the most probable one.

        Raises:
            DataError: if there is no such class.
            tf.errors.InvalidArgumentError: if an image cannot be decoded.
        """
        if wrong := wrong_class_number(class_numbers, len(self.labels)):
            raise DataError(wrong[1])
        numbers = tf.constant(list(class_numbers), tf.int32)
        found = self._explain(image_bytes=tf.constant(list(images), tf.string), class_number=numbers)
        return Explained(_answers(found), found["heat"].numpy(), found["image"].numpy(), found["embedding"].numpy())


def _probe() -> bytes:
    """Return a wide image of a red, a green and a blue square."""
    from PIL import Image

    buffer = io.BytesIO()
    pixels = np.zeros((64, 192, 3), np.uint8)
    for number in range(3):
        pixels[:, 64 * number : 64 * (number + 1), number] = _NEARLY
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def wrong_class_number(numbers: Iterable[int], classes: int) -> tuple[int, str] | None:
    """Return the position of the first number that is no class, and the error in words; None if all are (-1: the most probable).

    To be asked before the signature `explain` runs: its graph would blame the image on a CPU, and say nothing on a GPU.
    """
    for position, number in enumerate(numbers):
        if not -1 <= number < classes:
            rule = f"class_number must be from 0 to {classes - 1}, or -1 for the most probable class"
            return position, f"{rule}. Received {int(number)}."
    return None


def _answers(found: Mapping[str, tf.Tensor]) -> Answers:
    return Answers(found["probabilities"].numpy(), found["ood_score"].numpy(), found["is_ood"].numpy())
