"""A Keras model -> SavedModel that takes encoded images, with the decoder and the class names inside the graph.

Signatures:

    serving_default   image_bytes: string [n], any mix of sizes and formats
    images            images: float32 [n, size, size, 3], RGB in 0..255
    explain           image_bytes: string [n], class_number: int32 [n], -1 for the most probable class

Their outputs are `probabilities` float32 [n, k] (calibrated), `classes` string [n, k] (names, in the order of the
probabilities), `label` string [n] (the most probable class), `score` float32 [n] (its probability), `ood_score` float32 [n]
(distance from the training images; 1 is the threshold) and `is_ood` bool [n] (above it). `explain` adds `heat` float32 [n, h, w]
in 0..1 (evidence for the class at each position of the last maps), `image` uint8 [n, size, size, 3] (the input of the network)
and `embedding` float32 [n, d], of length 1.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from transfer.data.decoding.decode import decode_batch
from transfer.data.pipeline import ImageSpec
from transfer.errors import ExportError
from transfer.evaluation.ood import Reference
from transfer.models.parts import Maps, Parts, take_apart
from transfer.runs import CARD, EXPORT_CHECKSUMS, LABELS
from transfer.system import sealed
from transfer.system.files import write_text
from transfer.system.startup import hearing


class _Servable(tf.Module):
    """What is saved: the model's variables, the three functions, and the labels as an asset."""

    def __init__(self, model: keras.Model, labels: list[str], image_spec: ImageSpec, reference: Reference, labels_file: Path) -> None:
        super().__init__(name="classifier")
        self.weights = [variable.value for variable in model.variables]
        self.labels_file = tf.saved_model.Asset(str(labels_file))
        size = image_spec.size
        parts = take_apart(model, reference.layers)
        names = tf.constant([os.fsencode(label) for label in labels])
        # In 16 bits as in the run's file, so that both give the same distances; a variable is stored outside the graph.
        self.reference = tf.Variable(reference.embeddings.astype("float16"), trainable=False, name="reference")

        # For whoever converts other formats to PNG before they are given to the model.
        self.value_range = tf.Variable(image_spec.value_range or [], trainable=False, dtype=tf.float64, name="value_range", shape=[None])

        # Decoder and backbone are traced once and shared by the signatures.
        @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, size, size, 3], tf.float32)])
        def network(images: tf.Tensor) -> Maps:
            return parts.maps(images)

        def outputs(maps: Maps, vector: tf.Tensor, logits: tf.Tensor) -> dict[str, tf.Tensor]:
            probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
            best = tf.argmax(probabilities, -1)
            ood_score = _ood_score(parts.embedding(maps, vector), tf.cast(self.reference, tf.float32), reference)
            return {
                "probabilities": probabilities,
                "classes": tf.tile(names[tf.newaxis], [tf.shape(probabilities)[0], 1]),
                "label": tf.gather(names, best),
                "score": tf.reduce_max(probabilities, -1),
                "ood_score": ood_score,
                "is_ood": ood_score > 1.0,
            }

        def classified(images: tf.Tensor) -> dict[str, tf.Tensor]:
            maps = network(images)
            vector = parts.vector(maps)
            return outputs(maps, vector, parts.logits(vector))

        @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.string)])
        def decoded(image_bytes: tf.Tensor) -> tf.Tensor:
            return decode_batch(image_bytes, size, image_spec.data.resize, image_spec.data.max_megapixels, image_spec.value_range)

        strings = tf.TensorSpec([None], tf.string, name="image_bytes")

        @tf.function(autograph=False, input_signature=[strings])
        def from_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            return classified(decoded(image_bytes))

        @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, size, size, 3], tf.float32, name="images")])
        def from_images(images: tf.Tensor) -> dict[str, tf.Tensor]:
            return classified(images)

        @tf.function(autograph=False, input_signature=[strings, tf.TensorSpec([None], tf.int32, name="class_number")])
        def explain(image_bytes: tf.Tensor, class_number: tf.Tensor) -> dict[str, tf.Tensor]:
            images = decoded(image_bytes)
            maps = network(images)
            vector, logits, heat = _explained(parts, maps, class_number)
            seen = tf.saturate_cast(tf.round(images), tf.uint8)
            return {**outputs(maps, vector, logits), "heat": heat, "image": seen, "embedding": parts.embedding(maps, vector)}

        self.from_bytes, self.from_images, self.explain = from_bytes, from_images, explain


def _ood_score(embedding: tf.Tensor, training: tf.Tensor, reference: Reference) -> tf.Tensor:
    """Return float32 [n], the same as `Reference.ood_score`."""
    similarity = tf.linalg.matmul(embedding, training, transpose_b=True)
    nearest = tf.math.top_k(similarity, min(reference.neighbours, len(reference.embeddings)), sorted=False).values
    return (1.0 - tf.reduce_mean(nearest, -1)) / reference.threshold


def _explained(parts: Parts, maps: Maps, class_number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return vector, logits and heat [n, h, w], at the places of the deepest maps that the head pools.

    Grad-CAM (Selvaraju et al., ICCV 2017) with the gradient at each position instead of its mean over all positions (HiResCAM,
    Draelos and Carin, arXiv 2011.08891). If the maps are averaged, both are the same; if they are flattened, the mean would
    highlight positions that have no influence on the class. The evidence of several cut points is added up, so that together it is
    what the logit is made of: that of a shallower map is averaged over the places that fall on one of the deepest.
    """
    pooled = maps[: parts.pooled]
    with tf.GradientTape() as tape:
        tape.watch(pooled)
        vector = parts.vector(maps)
        logits = parts.logits(vector)
        wanted = tf.where(class_number < 0, tf.argmax(logits, -1, tf.int32), class_number)
        chosen = tf.gather(logits, wanted, axis=1, batch_dims=1)
    height, width, _ = parts.shape
    evidence = 0.0
    for gradient, values in zip(tape.gradient(chosen, pooled), pooled, strict=True):
        at_place = tf.reduce_sum(tf.cast(gradient, tf.float32) * tf.cast(values, tf.float32), -1, keepdims=True)
        places = (values.shape[1] * values.shape[2]) / (height * width)  # of this map on one of the deepest
        evidence += places * tf.image.resize(at_place, (height, width), "area")[..., 0]
    evidence = tf.nn.relu(evidence)
    return vector, logits, tf.math.divide_no_nan(evidence, tf.reduce_max(evidence, [1, 2], keepdims=True))


def write(model: keras.Model, labels: list[str], image_spec: ImageSpec, reference: Reference, folder: Path) -> None:
    """Write the SavedModel of a classifier.

    Args:
        model: RGB in 0..255, float32 [n, size, size, 3] -> probabilities [n, k].
        labels: k class names.
        image_spec: how bytes become images; part of the graph.
        reference: the training images with which new images are compared, and the threshold.
        folder: the version folder to write, for example `export/1`.

    Raises:
        ExportError: if it cannot be written, for example because the disk is full.
    """
    with tempfile.TemporaryDirectory(prefix="transfer-labels-") as temporary:
        file = Path(temporary) / LABELS
        file.write_bytes(b"".join(os.fsencode(label) + b"\n" for label in labels))
        servable = _Servable(model, labels, image_spec, reference, file)
        signatures: Any = {"serving_default": servable.from_bytes, "images": servable.from_images, "explain": servable.explain}
        try:
            # TensorFlow would log the folder it wrote to: the draft's, which is about to be renamed.
            with hearing("WARNING"):
                tf.saved_model.save(servable, str(folder), signatures=signatures)
        except tf.errors.OpError as error:  # TensorFlow's writer raises no OSError, even for a full disk
            shutil.rmtree(folder, ignore_errors=True)
            reason = error.message.partition(" [Op:")[0].rpartition("; ")[2]
            raise ExportError(
                f"The SavedModel could not be written: {reason}. The stored features are kept. Received {str(folder)!r}."
            ) from None
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    names = [os.fspath(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    sealed.write_list(folder, names, EXPORT_CHECKSUMS)


def add_card(folder: Path, card: str) -> None:
    """Put a model card into a version folder, beside what TensorFlow reads."""
    name = os.fspath(Path(EXPORT_CHECKSUMS).with_name(CARD))
    write_text(folder / name, card)
    sealed.add(folder, name, EXPORT_CHECKSUMS)
