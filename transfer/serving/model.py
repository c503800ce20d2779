"""One loaded version of a model: its signatures with the types of their inputs, its labels, its metadata."""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from transfer.errors import EngineError, RunError
from transfer.exporters.compute import choice
from transfer.exporters.compute.choice import Classifier
from transfer.exporters.compute.facts import Preference
from transfer.exporters.served import Served
from transfer.runs import CARD, EXPORT_CHECKSUMS

DEFAULT, DECODED, EXPLAIN = "serving_default", "images", "explain"
"""The signatures of an export."""

_LONGEST_CARD = 1 << 16  # bytes

Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Input:
    """Type of one input of a signature.

    Attributes:
        dtype: of the values.
        shape: of one row, without the batch dimension; None for any length.
    """

    dtype: tf.DType
    shape: tuple[int | None, ...]

    @cached_property
    def is_string(self) -> bool:
        """Whether rows are byte strings, which are images."""
        return bool(self.dtype == tf.string)


@dataclass(frozen=True)
class Signature:
    """One function of a model.

    Attributes:
        inputs: by name.
        compute: see `run`.
    """

    name: str
    inputs: Mapping[str, Input]
    compute: Callable[[Mapping[str, Any]], Outputs]

    def run(self, inputs: Mapping[str, Any]) -> Outputs:
        """Compute from lists of bytes or arrays of n rows each, by name, arrays of n rows by name, strings as objects.

        Raises:
            tf.errors.OpError: if the graph fails, for example at a damaged image.
        """
        return self.compute(inputs)


@dataclass(frozen=True)
class Loaded:
    """A version of a model, ready to answer.

    Attributes:
        engine: what computes its answers, with the version.
        card: the model card beside the export, Markdown; empty if there is none.
    """

    version: int
    served: Served
    signatures: Mapping[str, Signature]
    signature_def: dict[str, Any]
    engine: str = ""
    card: str = ""

    @property
    def labels(self) -> list[str]:
        """Class names, in the order of the probabilities."""
        return self.served.labels

    @property
    def side(self) -> int:
        """Side of the images that the network sees, in pixels."""
        return self.served.size


def load(folder: Path, trust: bool = False, preference: Preference | None = None, say: Callable[[str], None] = print) -> Loaded:
    """Load a version folder, such as `export/1`, and run it once, so that the first client does not wait.

    Args:
        folder: whose name is the number of the version.
        trust: load it whatever it could do; see `exporters.foreign`.
        preference: for the engine; None: TensorFlow.
        say: see `choice.load`.

    Raises:
        RunError: if it is not a complete SavedModel of this package, one that is not trusted could do more than compute, or the engine
            that is asked for cannot be used.
    """
    try:
        classifier = choice.load(folder, preference, say, trust) if preference else Classifier(Served(folder, trust))
        signatures = {name: _signature(name, function, classifier) for name, function in classifier.served.signatures.items()}
        loaded = Loaded(int(folder.name), classifier.served, signatures, _signature_def(folder), classifier.engine, card_of(folder))
        warm(loaded)
    except RunError:
        raise
    except EngineError as error:
        raise RunError(str(error)) from None
    except Exception as error:  # incomplete files fail differently in each reader
        reason = re.split(r"[\n{\[]", str(error), maxsplit=1)[0].strip() or type(error).__name__
        raise RunError(f"The export cannot be used: {reason[:200]}. Received {str(folder)!r}.") from None
    return loaded


def card_of(folder: Path) -> str:
    """Return the model card of an export; empty where there is none in its folder."""
    file = (folder / EXPORT_CHECKSUMS).with_name(CARD)
    if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file():  # a link leads anywhere, and a pipe never ends
        return ""
    with file.open("rb") as opened:
        return opened.read(_LONGEST_CARD).decode("utf-8", "replace")


def warm(loaded: Loaded) -> None:
    """Call each signature that takes encoded images, and check that the answers match the labels."""
    image = grey(loaded.side)
    for count in (1, 2):
        answer = loaded.signatures[DEFAULT].run({"image_bytes": [image] * count})
        if answer["probabilities"].shape != (count, len(loaded.labels)):
            raise ValueError("its labels do not match its probabilities")
    loaded.signatures[EXPLAIN].run({"image_bytes": [image], "class_number": np.array([-1], np.int32)})


def grey(side: int) -> bytes:
    """Return a grey JPEG of this side, to try a model with."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (128, 128, 128)).save(buffer, "JPEG")
    return buffer.getvalue()


def _signature(name: str, function: Any, classifier: Classifier) -> Signature:
    specs = function.structured_input_signature[1]
    inputs = {key: Input(spec.dtype, tuple(spec.shape[1:])) for key, spec in sorted(specs.items())}
    if classifier.network is None or name == EXPLAIN:
        return Signature(name, inputs, partial(_by_tensorflow, function, inputs))
    return Signature(name, inputs, partial(_by_openvino, classifier, name))


def _by_tensorflow(function: Callable[..., dict[str, tf.Tensor]], kinds: Mapping[str, Input], inputs: Mapping[str, Any]) -> Outputs:
    tensors = {name: tf.constant(value, kinds[name].dtype) for name, value in inputs.items()}
    return {name: value.numpy() for name, value in function(**tensors).items()}


def _by_openvino(classifier: Classifier, signature: str, inputs: Mapping[str, Any]) -> Outputs:
    """Compute what a signature would return: its own decoder's images go through OpenVINO."""
    (given,) = inputs.values()
    return classifier.outputs(np.asarray(given, np.float32) if signature == DECODED else classifier.served.decode(given))


def _signature_def(folder: Path) -> dict[str, Any]:
    """Return the signatures as TensorFlow Serving's metadata shows them."""
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    return {
        name: json_format.MessageToDict(definition, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        for name, definition in sorted(saved.meta_graphs[0].signature_def.items())
    }
