"""Everything that the web page shows for one image: classes, heat map, nearest training images."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from transfer.errors import DataError, unknown_name
from transfer.evaluation.ood import Reference
from transfer.exporters.served import Served
from transfer.reports import heat
from transfer.reports.names import printable

_MOST_PROBABLE = -1


def explain(served: Served, reference: Reference | None, image: bytes, class_name: str | None, neighbours: int = 6) -> dict[str, Any]:
    """Explain the answer of an export for one image.

    Args:
        served: the export.
        reference: training images kept with the run; None: no neighbours are returned.
        image: encoded, in a format that the export decodes.
        class_name: the class to explain; None or empty: the most probable one.
        neighbours: most training images to return.

    Returns:
        JSON-serializable values: `label`, `score`, `is_ood`, `ood_score` (1 is the threshold), `explained` (the class of
        the heat map), `classes` (`name` and `probability`, in descending order), `image` (PNG, as the network saw it), `heat` (RGBA PNG
        of the same side), `resize` (how the image became this square: `stretch`, `pad` or `crop`), `neighbours` (`label`, `distance`,
        `thumbnail`, nearest first). Images are data URIs, empty if a thumbnail is missing. Names are made printable: control characters
        and what is not Unicode are escaped. No paths are returned.

    Raises:
        DataError: if there is no such class.
        tf.errors.InvalidArgumentError: if the image cannot be decoded.
    """
    names = [printable(label) for label in served.labels]
    chosen = _number(class_name, served.labels, names)
    explained = served.explain([image], [chosen])
    probabilities = explained.answers.probabilities[0]
    order = np.argsort(-probabilities, kind="stable")
    best = int(order[0])
    seen = explained.images[0]
    return {
        "label": names[best],
        "score": float(probabilities[best]),
        "is_ood": bool(explained.answers.is_ood[0]),
        "ood_score": float(explained.answers.ood_score[0]),
        "explained": names[best if chosen == _MOST_PROBABLE else chosen],
        "classes": [{"name": names[number], "probability": float(probabilities[number])} for number in order],
        "image": _uri(Image.fromarray(seen)),
        "resize": served.resize,
        "heat": _uri(heat.rgba(explained.heat[0], seen.shape[0])),
        "neighbours": [] if reference is None else _nearest(reference, explained.embeddings[0], neighbours),
    }


def _number(name: str | None, labels: list[str], names: list[str]) -> int:
    """Return the position of a class, given by its own or its printable name."""
    if not name:
        return _MOST_PROBABLE
    for known in (labels, names):
        if name in known:
            return known.index(name)
    raise DataError(unknown_name("class", name, names))


def _nearest(reference: Reference, embedding: np.ndarray, count: int) -> list[dict[str, Any]]:
    found = []
    for position, distance in reference.nearest(embedding, count):
        thumbnail = reference.thumbnails[position]
        shown = _data_uri("jpeg", thumbnail) if thumbnail else ""
        found.append({"label": printable(reference.labels[position]), "distance": float(distance), "thumbnail": shown})
    return found


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)  # sent once, over a short distance
    return _data_uri("png", buffer.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
