"""A Keras model -> SavedModel that takes encoded pictures, with the decoder and the class names inside.

Signatures:

    serving_default   image_bytes: string [n], any mix of sizes and formats
    images            images: float32 [n, size, size, 3], RGB in 0..255

Both give `probabilities` float32 [n, k], `classes` string [n, k] (names, in the order of the probabilities), `label`
string [n] (the most probable class) and `score` float32 [n] (its probability).
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from transfer.console import hearing
from transfer.data.decode import decode_batch
from transfer.data.pipeline import Pictures
from transfer.errors import ExportError
from transfer.run import LABELS


class _Servable(tf.Module):
    """What is saved: the model's variables, the two functions, and the labels as an asset."""

    def __init__(self, model: keras.Model, labels: list[str], pictures: Pictures, labels_file: Path) -> None:
        super().__init__(name="classifier")
        self.weights = [variable.value for variable in model.variables]
        self.labels_file = tf.saved_model.Asset(str(labels_file))
        size = pictures.size
        names = tf.constant([os.fsencode(label) for label in labels])

        def outputs(images: tf.Tensor) -> dict[str, tf.Tensor]:
            probabilities = tf.cast(model(images, training=False), tf.float32)
            best = tf.argmax(probabilities, -1)
            return {
                "probabilities": probabilities,
                "classes": tf.tile(names[tf.newaxis], [tf.shape(probabilities)[0], 1]),
                "label": tf.gather(names, best),
                "score": tf.reduce_max(probabilities, -1),
            }

        @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
        def from_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            settings = pictures.data
            return outputs(decode_batch(image_bytes, size, settings.resize, settings.max_megapixels))

        @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, size, size, 3], tf.float32, name="images")])
        def from_images(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return outputs(images)

        self.from_bytes, self.from_images = from_bytes, from_images


def write(model: keras.Model, labels: list[str], pictures: Pictures, folder: Path) -> None:
    """Write the SavedModel of a classifier.

    Args:
        model: RGB in 0..255, float32 [n, size, size, 3] -> probabilities [n, k].
        labels: k class names.
        pictures: how bytes become pictures; becomes part of the graph.
        folder: the version folder to write, for example `export/1`.

    Raises:
        ExportError: where it cannot be written, for example to a full disk.
    """
    with tempfile.TemporaryDirectory(prefix="transfer-labels-") as temporary:
        file = Path(temporary) / LABELS
        file.write_bytes(b"".join(os.fsencode(label) + b"\n" for label in labels))
        servable = _Servable(model, labels, pictures, file)
        signatures: Any = {"serving_default": servable.from_bytes, "images": servable.from_images}
        try:
            # TensorFlow announces where it wrote: the draft's folder, which nobody will find under that name.
            with hearing("WARNING"):
                tf.saved_model.save(servable, str(folder), signatures=signatures)
        except tf.errors.OpError as error:  # what TensorFlow's writer meets, such as a full disk, is no OSError
            shutil.rmtree(folder, ignore_errors=True)
            reason = error.message.partition(" [Op:")[0].rpartition("; ")[2]
            raise ExportError(f"The SavedModel cannot be written: {reason}. What was computed is kept. Received {str(folder)!r}.") from None
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
