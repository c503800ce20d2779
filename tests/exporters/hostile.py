"""SavedModels that do more than compute, each with a signature `serving_default` that does it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from transfer.runs import EXPORT_CHECKSUMS

STRINGS = tf.TensorSpec([None], tf.string, name="image_bytes")


def write(folder: Path, body: Callable[[tf.Tensor], tf.Tensor], **attributes: Any) -> Path:
    """Write a SavedModel whose signature is `body`; return its folder."""
    module = tf.Module()
    module.weight = tf.Variable([1.0, 2.0], name="weight")
    for name, value in attributes.items():
        setattr(module, name, value)

    @tf.function(autograph=False, input_signature=[STRINGS])
    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"label": body(image_bytes), "weight": tf.identity(module.weight)}

    module.serve = serve
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=True)
    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve}, options=options)
    return folder


def _read(_: tf.Tensor) -> tf.Tensor:
    return tf.io.read_file("/etc/hostname")


def _written(text: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.io.write_file("/tmp/never-written", "x")]):
        return tf.identity(text)


def _three_deep(text: tf.Tensor) -> tf.Tensor:
    def innermost(number: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return number + 1, tf.reshape(tf.io.read_file("/etc/hostname"), [])

    def inner() -> tf.Tensor:
        return tf.while_loop(lambda number, _: number < 1, innermost, (tf.constant(0), tf.constant("")))[1]

    def outer(number: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return number + 1, tf.cond(tf.size(text) > 0, inner, lambda: tf.constant(""))

    return tf.while_loop(lambda number, _: number < 1, outer, (tf.constant(0), tf.constant("")))[1]


@tf.custom_gradient
def _in_a_gradient(values: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return upstream * tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)

    return values * 2.0, gradient


def _by_gradient(text: tf.Tensor) -> tf.Tensor:
    return tf.as_string(_in_a_gradient(tf.cast(tf.strings.length(text), tf.float32)))


def _from_data(text: tf.Tensor) -> tf.Tensor:
    return _after(tf.raw_ops.TextLineDataset(filenames=["/etc/hostname"], compression_type="", buffer_size=0), text)


BODIES: dict[str, tuple[Callable[[tf.Tensor], tf.Tensor], str]] = {
    "reads a file": (_read, "ReadFile"),
    "writes a file": (_written, "WriteFile"),
    "lists files": (lambda _: tf.io.matching_files("/etc/*"), "MatchingFiles"),
    "reads three functions deep": (_three_deep, "ReadFile"),
    "reads in a gradient": (_by_gradient, "ReadFile"),
    "calls Python": (lambda text: tf.numpy_function(lambda one: one, [text], tf.string), "PyFunc"),
    "calls Python eagerly": (lambda text: tf.py_function(lambda one: one, [text], tf.string), "EagerPyFunc"),
    "prints to a file": (lambda text: _after(tf.print(text, output_stream="file:///tmp/never-printed"), text), "PrintV2"),
    "reads lines": (_from_data, "TextLineDataset"),
    "restores another checkpoint": (lambda text: tf.as_string(tf.raw_ops.RestoreV2(
        prefix=text[0], tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32])[0]), "RestoreV2"),
    "saves where it is told": (lambda text: _after(tf.raw_ops.SaveV2(
        prefix=text[0], tensor_names=["x"], shape_and_slices=[""], tensors=[tf.constant(1.0)]), text), "SaveV2"),
    "moves checkpoints": (lambda text: _after(tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=text, destination_prefix="/tmp/never"), text), "MergeV2Checkpoints"),
    "maps a file into memory": (lambda text: _after(tf.raw_ops.ImmutableConst(
        dtype=tf.uint8, shape=[4], memory_region_name="/etc/hostname"), text), "ImmutableConst"),
    "opens a summary": (lambda text: _after(tf.raw_ops.CreateSummaryFileWriter(
        writer=tf.raw_ops.SummaryWriter(), logdir="/tmp/never", max_queue=1, flush_millis=1, filename_suffix=""), text), "SummaryWriter"),
}  # fmt: skip
"""What it does -> the function, and the operation that is found."""


def _after(effect: Any, text: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([effect]):
        return tf.identity(text)


def edited(folder: Path, edit: Callable[[meta_graph_pb2.MetaGraphDef], object]) -> Path:
    """Change the graph of a SavedModel in place; return its folder."""
    file = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    edit(saved.meta_graphs[0])
    file.write_bytes(saved.SerializeToString())
    (folder / EXPORT_CHECKSUMS).unlink(missing_ok=True)  # whoever means harm makes ones that fit
    return folder


def saver(graph: meta_graph_pb2.MetaGraphDef, word: str) -> Any:
    """Return the function that restores (`restore`) or saves (`save`) the variables."""
    return next(one for one in graph.graph_def.library.function if f"traced_{word}" in one.signature.name)


def with_link(folder: Path, name: str, target: str) -> Path:
    """Put a link where an asset was; return the folder."""
    (folder / "assets").mkdir(exist_ok=True)
    (folder / "assets" / name).unlink(missing_ok=True)
    (folder / "assets" / name).symlink_to(target)
    return folder
