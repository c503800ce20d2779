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
    from transfer.models.graph import Graph, Step

CLASSIFIER = "classifier"
"""Name of the block that a backbone's own classifier makes."""


def anatomy(network: str, size: int | None = None, channels: int = 3, classes: int | None = None) -> "pd.DataFrame":
    """Return the table of layers of a network.

    Args:
        network: name of a pretrained backbone or of a network trained from scratch.
        size: side of the images in pixels; empty: the network's own.
        channels: channels of the images. Pretrained weights and the networks trained from scratch take 3 (RGB); a
            backbone can be looked at with any number.
        classes: with the classifier for so many classes: a backbone's as `keras.applications` has it (`include_top`), the
            last layer of a network trained from scratch; empty: without.

    Returns:
        One row for each layer, in the order in which they compute. Columns: `layer`, `kind`; `block`, of a backbone the
        first cut point at or above the layer (above the last one `classifier`), else the layer with a window or weights
        that it follows; `output`, its shape as `height x width x channels`; `parameters`, trained or not; `multiply_adds`
        for one image (`multiply_adds.py` says what counts; missing for kinds of layers that are not known);
        `field_height`, `field_width`: pixels that one value sees, `stride_height`, `stride_width`: pixels between
        neighbouring values, `start_height`, `start_width`: first pixel that the first value sees, negative in the padding
        (missing above unknown kinds); `whole_image`: whether every value depends on all places; `activation_bytes`:
        memory of the output for one image in float32.

    Raises:
        ConfigError: for an unknown network, and for sizes, channels or classes that it does not take.
    """
    found = check(network, size, channels, classes)
    side = size or found.size
    # A thread of its own has a Keras state of its own: neither names nor weights without values stay behind.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(_table, found, side, channels, classes).result()


def check(network: str, size: int | None, channels: int, classes: int | None) -> Backbone | Scratch:
    """Return the network, after a check of what it takes that needs no TensorFlow. Raises ConfigError; see `anatomy`."""
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

    from transfer.models.anatomy.receptive_field import receptive_field
    from transfer.models.graph import Graph

    with keras.StatelessScope(initialize_variables=False):  # weights have shapes, but no values
        model = _backbone(found, size, channels, classes) if isinstance(found, Backbone) else _scratch(found, size, classes)
    graph = Graph(model)
    blocks = _cut_points(found, model, graph) if isinstance(found, Backbone) else _starting_layers(graph)
    fields: list[Field | None] = []
    rows = []
    for step, block in zip(graph.steps, blocks, strict=True):
        fields.append(receptive_field(step, [fields[position] for position in step.inputs]))
        rows.append(_row(step, block, fields[-1]))
    if isinstance(found, Scratch) and classes is None:
        del rows[max(position for position, step in enumerate(graph.steps) if step.kind == "Dense") :]
    table = pd.DataFrame(rows)
    missing = [name for name in table.columns if name == "multiply_adds" or name.startswith(("field_", "stride_", "start_"))]
    return table.astype(dict.fromkeys(missing, "Int64"))


def _row(step: "Step", block: str, field: "Field | None") -> dict[str, Any]:
    from transfer.models.anatomy.multiply_adds import multiply_adds

    reach = {
        f"{measure}_{axis}": None if field is None else getattr(getattr(field, axis), attribute)
        for measure, attribute in (("field", "size"), ("stride", "stride"), ("start", "start"))
        for axis in ("height", "width")
    }
    return {
        "layer": step.name,
        "kind": label(step),
        "block": block,
        "output": "x".join(str(length) for length in step.output_shape),
        "parameters": step.parameters,
        "multiply_adds": multiply_adds(step),
        **reach,
        "whole_image": field is not None and field.whole,
        "activation_bytes": 4 * step.output_values,
    }


def label(step: "Step") -> str:
    """Return what a step is called in the table: `conv 3x3 /2` for a kernel of 3x3 at stride 2; else Keras's class."""
    from transfer.models.anatomy.layer_kinds import NAMES
    from transfer.models.anatomy.windows import window

    words = [NAMES.get(step.kind, step.kind)]
    groups = getattr(step.operation, "groups", 1) if step.kind == "Conv2D" else 1
    if groups > 1:
        words = ["depthwise" if groups == step.input_shapes[0][-1] else f"conv, {groups} groups"]
    seen = window(step)
    if seen is not None:
        words.append("x".join(map(str, seen.kernel)))
        if seen.stride != (1, 1):
            words.append("/" + "x".join(str(step) for step in dict.fromkeys(seen.stride)))
        if seen.dilation != (1, 1):
            words.append(f"dilation {max(seen.dilation)}")
    return " ".join(words)


def _backbone(backbone: Backbone, size: int, channels: int, classes: int | None) -> "keras.Model":
    import keras

    builder: Any = getattr(keras.applications, backbone.builder)
    top: dict[str, Any] = {"include_top": False} if classes is None else {"include_top": True, "classes": classes}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's doubts about other numbers of channels
        model: keras.Model = builder(weights=None, input_shape=(size, size, channels), **top)
    return model


def _scratch(network: Scratch, size: int, classes: int | None) -> "keras.Model":
    from transfer.models import scratch

    return scratch.build(network, size, classes or 2, mean=127.5, variance=64.0**2, seed=0)


def _cut_points(backbone: Backbone, model: "keras.Model", graph: "Graph") -> list[str]:
    """Name for each step the first cut point at or above it.

    Everything passes through a cut point, so that the steps below it are those before it in the order of computing. The last
    cut point is the last map; a classifier works on vectors.
    """
    from transfer.models.backbones import tensor_at

    last = max(position for position, step in enumerate(graph.steps) if len(step.output_shape) == 3)
    ends = [graph.maker(tensor_at(model, cut)) for cut in backbone.cuts[:-1]] + [last]
    names = [CLASSIFIER] * len(graph.steps)
    for end, cut in reversed(list(zip(ends, backbone.cuts, strict=True))):
        names[: end + 1] = [cut.name] * (end + 1)
    return names


def _starting_layers(graph: "Graph") -> list[str]:
    """Name for each step the layer that it belongs to: a convolution, pooling or dense layer and what follows upon it."""
    from transfer.models.anatomy.layer_kinds import GLOBAL, PRODUCTS, WINDOWED

    names: list[str] = []
    for step in graph.steps:
        starts = not names or step.kind in WINDOWED or step.kind in PRODUCTS or step.kind in GLOBAL
        names.append(step.name if starts else names[-1])
    return names
