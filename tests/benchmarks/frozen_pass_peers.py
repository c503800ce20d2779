"""A backbone with average pooling as others would run it: Keras in a TensorFlow function, OpenVINO, ONNX Runtime."""

import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from transfer.models import backbones, openvino_engine
from transfer.models.pretrained import Pretrained

Peer = Callable[[list[np.ndarray]], list[np.ndarray]]
"""Batches uint8 [b, size, size, 3], all of one length -> features [b, width] of each."""


def peers(pretrained: Pretrained, batch: int) -> dict[str, Peer]:
    """Return what runs a backbone in its own precision (OpenVINO: float32, or bfloat16 by its hint), by name."""
    model = backbones.prefix(pretrained.model, pretrained.backbone, pretrained.backbone.cuts[-1])
    pooled = keras.Model(model.input, keras.layers.GlobalAveragePooling2D(dtype="float32")(model.output))

    @tf.function(autograph=False)
    def compute(images: tf.Tensor) -> tf.Tensor:
        return pooled(tf.cast(images, tf.float32), training=False)

    def of(rows: int) -> Any:
        images = tf.TensorSpec([rows, pretrained.size, pretrained.size, 3], tf.uint8, name="images")
        return convert_variables_to_constants_v2(compute.get_concrete_function(images))

    found: dict[str, Peer] = {"tensorflow": lambda batches: [compute(tf.constant(images)).numpy() for images in batches]}
    frozen = of(batch)
    if openvino_engine.version():
        found |= {"openvino, latency": _openvino(frozen, "LATENCY", pretrained)}
        found |= {"openvino, throughput": _openvino(of(1), "THROUGHPUT", pretrained)}
    try:
        found["onnxruntime"] = _onnxruntime(frozen)
    except ImportError:
        pass
    return found


def _openvino(frozen: Any, hint: str, pretrained: Pretrained) -> Peer:
    """As OpenVINO's documentation advises: whole batches for latency; single images in as many requests as it proposes for throughput."""
    openvino = openvino_engine.load()
    model = openvino.convert_model(frozen.graph)
    rows = int(frozen.inputs[0].shape[0])
    model.reshape({0: list(frozen.inputs[0].shape)})
    precision = openvino_engine.PRECISIONS[pretrained.precision]
    network = openvino.Core().compile_model(model, "CPU", {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": precision})
    queue = openvino.AsyncInferQueue(network, network.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))

    def run(batches: list[np.ndarray]) -> list[np.ndarray]:
        results: dict[tuple[int, int], np.ndarray] = {}
        queue.set_callback(lambda request, place: results.update({place: request.get_output_tensor(0).data.copy()}))
        for number, images in enumerate(batches):
            for start in range(0, len(images), rows):
                queue.start_async({0: images[start : start + rows]}, (number, start))
        queue.wait_all()
        return [np.concatenate([results[number, start] for start in range(0, len(one), rows)]) for number, one in enumerate(batches)]

    return run


def _onnxruntime(frozen: Any) -> Peer:
    import onnxruntime
    import tf2onnx

    names = [frozen.inputs[0].name], [frozen.outputs[0].name]
    converted, _ = tf2onnx.convert.from_graph_def(frozen.graph.as_graph_def(), input_names=names[0], output_names=names[1], opset=18)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(converted.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batches: [session.run(None, {name: images})[0] for images in batches]
