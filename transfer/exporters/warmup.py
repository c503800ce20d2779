"""Requests with which TensorFlow Serving warms up a model before it accepts clients.

Source: TensorFlow Serving, "SavedModel Warmup": TFRecords of `PredictionLog` in assets.extra/tf_serving_warmup_requests.
"""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from transfer.errors import ExportError
from transfer.system.files import replacing

FILE = Path("assets.extra", "tf_serving_warmup_requests")
_MOST = 1000  # records, at most, that TensorFlow Serving accepts


def write(folder: Path, images: Sequence[bytes]) -> Path:
    """Write requests with one image each, and one with all of them, into a version folder such as `export/1`.

    Args:
        folder: of a SavedModel whose `serving_default` takes `image_bytes`.
        images: one or more encoded images like those that clients will send.

    Returns:
        The file.

    Raises:
        ExportError: if there is no image, or too many.
    """
    from tensorflow_serving.apis import prediction_log_pb2  # type: ignore[import-untyped]

    if not 1 <= len(images) < _MOST:
        raise ExportError(f"A warm-up needs 1 to {_MOST - 1} images. Received {len(images)}.")
    batches = [[image] for image in images] + ([list(images)] if len(images) > 1 else [])
    with replacing(folder / FILE) as temporary, tf.io.TFRecordWriter(str(temporary)) as file:
        for batch in batches:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.signature_name = "serving_default"
            request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(batch, tf.string))
            file.write(log.SerializeToString(deterministic=True))
    return folder / FILE
