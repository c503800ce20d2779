"""The anatomy of a network: a table of its layers, with sizes, parameters, multiply-adds, receptive fields and memory.

The network is built without values for its weights, so that the largest ones take neither time nor memory.
"""

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from transfer.errors import ConfigError
from transfer.models.registry import Backbone, Scratch, find, require_size

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from transfer.models.anatomy.receptive_field import Field
    from transfer.models.graph import Graph

_MISSING = ["multiply_adds", *(f"{measure}_{axis}" for measure in ("field", "stride", "start") for axis in ("height", "width"))]
"""Columns that may lack a figure."""


def anatomy(network: str, size: int | None = None, channels: int = 3, classes: int | None = None) -> "pd.DataFrame":
    """Return the table of layers of a network.

    Args:
        network: name of a pretrained backbone or of a network trained from scratch.
        size: side of the images in pixels; the network's own by default.
        channels: channels of the images. Pretrained weights and the networks trained from scratch take 3 (RGB); a
            backbone can be examined with any number.
        classes: number of classes of the classifier to include: a backbone's as `keras.applications` has it
            (`include_top`), the last layer of a network trained from scratch; without a classifier by default.

    Returns:
        One row for each layer, in the order of computing. Columns: `layer`, `kind`; `block`: for a backbone, the first cut
        point at or above the layer (above the last one `classifier`), else the layer with a window or weights that it
        follows; `output`: its shape as `height x width x channels`; `parameters`, trained or not; `multiply_adds` for one
        image (`multiply_adds.py` says what counts; missing for unknown kinds of layers);
        `field_height`, `field_width`: pixels that one value sees, `stride_height`, `stride_width`: pixels between
        neighbouring values, `start_height`, `start_width`: first pixel that the first value sees, negative in the padding
        (all missing above unknown kinds); `whole_image`: whether every value depends on all places; `activation_bytes`:
        memory of the output for one image in float32.

    Raises:
        ConfigError: for an unknown network, and for sizes, channels or classes that it does not take.
    """
    found = check(network, size, channels, classes)
    side = size or found.size
    # A new thread has its own Keras state: neither names nor weights without values are left behind.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(_table, found, side, channels, classes).result()


def check(network: str, size: int | None, channels: int, classes: int | None) -> Backbone | Scratch:
    """Return the network after checking what it takes, without TensorFlow. Raises ConfigError; see `anatomy`."""
    found = find(network)
    if size is not None:
        require_size(found.name, size, found.smallest)
    for name, value in (("channels", channels), ("classes", classes)):
        if value is not None and value < 1:
            raise ConfigError(f"The number of {name} is a whole number from 1 on. Received {name}={value}.")
    if isinstance(found, Scratch) and channels != 3:
        raise ConfigError(f"{found.name} takes RGB and turns it into what it needs: leave channels at 3. Received channels={channels}.")
    return found


def _table(found: Backbone | Scratch, size: int, channels: int, classes: int | None) -> "pd.DataFrame":
    import keras
    import pandas as pd

    from transfer.models import scratch
    from transfer.models.anatomy.layer_kinds import label
    from transfer.models.anatomy.multiply_adds import multiply_adds
    from transfer.models.anatomy.receptive_field import receptive_field
    from transfer.models.graph import Graph

    with keras.StatelessScope(initialize_variables=False):  # weights have shapes, but no values
        if isinstance(found, Backbone):
            model = _backbone(found, size, channels, classes)
        else:
            model = scratch.build(found, size, classes or 2, mean=127.5, variance=64.0**2, seed=0)
    graph = Graph(model)
    blocks = _cut_points(found, model, graph) if isinstance(found, Backbone) else _starting_layers(graph)
    fields: list[Field | None] = []
    rows = []
    for step, block in zip(graph.steps, blocks, strict=True):
        fields.append(receptive_field(step, [fields[position] for position in step.inputs]))
        rows.append(
            {
                "layer": step.name,
                "kind": label(step),
                "block": block,
                "output": "x".join(str(length) for length in step.output_shape),
                "parameters": step.parameters,
                "multiply_adds": multiply_adds(step),
                **_field(fields[-1]),
                "activation_bytes": 4 * step.output_values,
            }
        )
    if isinstance(found, Scratch) and classes is None:
        del rows[max(position for position, step in enumerate(graph.steps) if step.kind == "Dense") :]
    return pd.DataFrame(rows).astype(dict.fromkeys(_MISSING, "Int64"))


def _field(field: "Field | None") -> dict[str, Any]:
    if field is None:
        return dict.fromkeys(_MISSING[1:]) | {"whole_image": False}
    sides = field.height, field.width
    figures = [figure for kind in ("size", "stride", "start") for figure in (getattr(side, kind) for side in sides)]
    return dict(zip(_MISSING[1:], figures, strict=True)) | {"whole_image": field.whole}


def _backbone(backbone: Backbone, size: int, channels: int, classes: int | None) -> "keras.Model":
    import keras

    from transfer.models import backbones

    if backbone.architecture:
        return backbones.build(backbone, size)
    builder: Any = getattr(keras.applications, backbone.builder)
    top: dict[str, Any] = {"include_top": False} if classes is None else {"include_top": True, "classes": classes}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of unusual numbers of channels
        model: keras.Model = builder(weights=None, input_shape=(size, size, channels), **top)
    return model


def _cut_points(backbone: Backbone, model: "keras.Model", graph: "Graph") -> list[str]:
    """Return for each step the first cut point at or above it, `classifier` above the last one.

    Everything passes through a cut point, so the steps below it are those before it in the order of computing. The last cut
    point is the last map; a classifier works on vectors.
    """
    from transfer.models.backbones import tensor_at

    last = max(position for position, step in enumerate(graph.steps) if len(step.output_shape) == 3)
    ends = [graph.maker(tensor_at(model, cut)) for cut in backbone.cuts[:-1]] + [last]
    names = ["classifier"] * len(graph.steps)
    for end, cut in reversed(list(zip(ends, backbone.cuts, strict=True))):
        names[: end + 1] = [cut.name] * (end + 1)
    return names


def _starting_layers(graph: "Graph") -> list[str]:
    """Return for each step the layer it belongs to: a convolution, pooling or dense layer and what follows it."""
    from transfer.models.anatomy.layer_kinds import CONVOLUTIONS, GLOBAL, POOLINGS, PRODUCTS

    names: list[str] = []
    for step in graph.steps:
        starts = not names or step.kind in CONVOLUTIONS | POOLINGS | PRODUCTS | GLOBAL
        names.append(step.name if starts else names[-1])
    return names
