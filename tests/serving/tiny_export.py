"""A SavedModel in a second: the three signatures of an export, with an image's mean colour for a network.

The classes are `red`, `green` and `blue`: the strongest channel wins. An image whose weakest channel is above 100 on average
(white, grey) is unlike anything seen. The heat is the class's own channel above the mean of all, on a grid of 4 x 4, so that a
red corner on a blue image is warm for `red` at that corner alone. Embeddings are the mean colour, [n, 3].
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from transfer.data.decoding.decode import decode_batch

LABELS = ("red", "green", "blue")
SIZE = 32
"""Side of the images that the tiny network sees, pixels."""
_GRID = 4


class _Tiny(tf.Module):
    def __init__(self, labels_file: Path, labels: tuple[str, ...], sharpness: float) -> None:
        super().__init__(name="tiny")
        self.labels_file = tf.saved_model.Asset(str(labels_file))
        self.sharpness = tf.Variable(sharpness, name="sharpness")
        names = tf.constant([os.fsencode(label) for label in labels])

        def outputs(images: tf.Tensor) -> dict[str, tf.Tensor]:
            means = tf.reduce_mean(images, [1, 2])
            probabilities = tf.nn.softmax(means / 255.0 * self.sharpness)
            ood_score = tf.reduce_min(means, -1) / 100.0
            return {
                "probabilities": probabilities,
                "classes": tf.tile(names[tf.newaxis], [tf.shape(images)[0], 1]),
                "label": tf.gather(names, tf.argmax(probabilities, -1)),
                "score": tf.reduce_max(probabilities, -1),
                "ood_score": ood_score,
                "is_ood": ood_score > 1.0,
            }

        def heat(images: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
            cells = tf.nn.avg_pool2d(images, SIZE // _GRID, SIZE // _GRID, "VALID")
            own = tf.gather(cells, classes, axis=3, batch_dims=1) - tf.reduce_mean(cells, 3)
            warm = tf.nn.relu(own)
            return tf.math.divide_no_nan(warm, tf.reduce_max(warm, [1, 2], keepdims=True))

        strings = tf.TensorSpec([None], tf.string, name="image_bytes")
        numbers = tf.TensorSpec([None], tf.int32, name="class_number")
        arrays = tf.TensorSpec([None, SIZE, SIZE, 3], tf.float32, name="images")

        @tf.function(autograph=False, input_signature=[strings])
        def from_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            return outputs(decode_batch(image_bytes, SIZE))

        @tf.function(autograph=False, input_signature=[arrays])
        def from_images(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return outputs(images)

        @tf.function(autograph=False, input_signature=[strings, numbers])
        def explain(image_bytes: tf.Tensor, class_number: tf.Tensor) -> dict[str, tf.Tensor]:
            images = decode_batch(image_bytes, SIZE)
            found = outputs(images)
            best = tf.argmax(found["probabilities"], -1, tf.int32)
            chosen = tf.where(class_number < 0, best, class_number)
            embedding = tf.reduce_mean(images, [1, 2]) / 255.0
            return found | {"heat": heat(images, chosen), "image": tf.cast(images, tf.uint8), "embedding": embedding}

        self.from_bytes, self.from_images, self.explain = from_bytes, from_images, explain


def write(folder: Path, labels: tuple[str, ...] = LABELS, sharpness: float = 8.0) -> Path:
    """Write the SavedModel into `folder` (a version folder such as `export/1`) and return it.

    Args:
        labels: three class names, for the channels red, green and blue.
        sharpness: larger: more certain answers; tells two versions apart.
    """
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "labels.txt"
        file.write_bytes(b"".join(os.fsencode(label) + b"\n" for label in labels))
        tiny = _Tiny(file, labels, sharpness)
        signatures: Any = {"serving_default": tiny.from_bytes, "images": tiny.from_images, "explain": tiny.explain}
        tf.saved_model.save(tiny, str(folder), signatures=signatures)
    return folder
