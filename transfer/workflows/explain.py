"""explain(): where a run's network looks in images, its first filters and its activation maps, as PNG files."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.data.storage import RemotePath, Root
from transfer.runs import Run
from transfer.serving.batch.request import Paths
from transfer.system.files import write_bytes
from transfer.system.progress import Progress, shown
from transfer.workflows.run import opened
from transfer.workflows.run_requests import ExplainRequest, explain_request

if TYPE_CHECKING:
    import keras

    from transfer.exporters.served import Served

FILTERS = "filters.png"
_LONGEST = 100  # bytes of the name of an image or a layer in a file name, which may have 255


@dataclass(frozen=True)
class Image:
    """The explanation of one image.

    Attributes:
        path: as given.
        label, score: the most probable class and its probability.
        files: names of the files written, in the folder of the result: heat maps first, then each layer's activations.
        error: why it could not be explained; empty if it was.
    """

    path: Root
    label: str = ""
    score: float = float("nan")
    files: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Explanations:
    """The files written by `explain`.

    Attributes:
        folder: folder of the files.
        filters: what `filters.png` shows; empty if the network has no filters that can be shown.
        layers: layers whose activation maps were written.
        images: one explanation per image, in the order given.
    """

    folder: Path
    filters: str
    layers: tuple[str, ...]
    images: list[Image] = field(repr=False)


@dataclass(frozen=True)
class _Loaded:
    """A run's models, and what is drawn.

    Attributes:
        served: the export, for heat maps.
        model: the Keras model, for filters and activations.
        layers: layers whose activations are drawn.
        classes: classes whose heat maps are drawn in addition to that of the most probable class.
        max_megapixels: larger images are refused.
    """

    served: "Served"
    model: "keras.Model"
    layers: tuple[str, ...]
    classes: tuple[str, ...]
    max_megapixels: float


def explain(
    run: Run | str | os.PathLike[str],
    paths: Paths,
    *,
    output: str | os.PathLike[str] | None = None,
    classes: Sequence[str] = (),
    layers: Sequence[str] = (),
    progress: Progress | bool | None = None,
) -> Explanations:
    """Draw where a run's network looks in images (heat maps), its first filters, and the activation maps of its layers.

    Args:
        run: a run, its folder, or its name under `saved_models`; its export (heat maps) and Keras model (filters, activations) are used.
        paths: images, or folders of images; or a single one.
        output: folder for the PNG files; none: `explanations/<name of the run>`. Files of the same names are replaced.
        classes: classes whose heat maps are drawn in addition to that of the most probable class.
        layers: layers whose activation maps are drawn; none: three along the network.
        progress: True, False, or an object with `step` and `say`; none: shown on a terminal and in a notebook, silent elsewhere.

    Raises:
        ConfigError: for an unknown class or layer.
        DataError: if a path does not exist.
        OutputError: if the output is among the images.
        RunError: if the run cannot be loaded, or its export was made by an earlier version.
    """
    return carry_out(explain_request(opened(run), paths, output, classes, layers), shown(progress))


def carry_out(request: ExplainRequest, progress: Progress) -> Explanations:
    """Carry out a request; see `explain`."""
    loaded = _load(request.run, request.classes, request.layers)
    filters = _write_filters(loaded.model, request.folder)
    images = []
    with progress.step("Explaining", len(request.files)) as advance:
        for file, names in zip(request.files, names_of(request.files, loaded.layers), strict=True):
            images.append(_explain(file, loaded, request.folder, names))
            advance(1)
    return Explanations(request.folder, filters, loaded.layers, images)


def names_of(files: Sequence[Root], layers: Sequence[str]) -> list[list[str]]:
    """Return the file names of each image, heat maps first; they are unique, even if case is ignored."""
    taken, found = {FILTERS}, []
    for file in files:
        wanted, number = safe(Path(file.name).stem), 1
        names = _names(wanted, layers)
        while taken & {name.casefold() for name in names}:
            number += 1
            names = _names(f"{wanted}-{number}", layers)
        taken |= {name.casefold() for name in names}
        found.append(names)
    return found


def safe(name: str) -> str:
    """Return a name that every file system accepts: letters, digits and `_ - .`, no leading dot, not too long."""
    return re.sub(r"[^\w.-]", "_", name).encode()[:_LONGEST].decode(errors="ignore").lstrip(".") or "image"


def summary(done: Explanations) -> dict[str, Any]:
    """Return the arguments of the printed text; see `reports/explanation/text.py`."""
    images = [
        {"path": str(item.path), "label": item.label, "score": item.score, "file": item.files[0] if item.files else "", "error": item.error}
        for item in done.images
    ]
    return {"folder": str(done.folder), "filters": done.filters, "layers": done.layers, "images": images}


def _load(run: Run, classes: Sequence[str], layers: Sequence[str]) -> _Loaded:
    from transfer.exporters.served import Served
    from transfer.models import keras_file, looking

    model = keras_file.load(run.model, run.trust)
    looking.require(model, layers)
    chosen = dict.fromkeys(layers) or looking.along(model)
    limit = float(run.config.get("data.max_megapixels", 100.0))
    return _Loaded(Served(run.export, run.trust), model, tuple(chosen), tuple(dict.fromkeys(classes)), limit)


def _write_filters(model: "keras.Model", folder: Path) -> str:
    """Write the first filters and return their description; empty if the network has none that can be shown."""
    from transfer.models import looking
    from transfer.reports.explanation import figures

    found = looking.first_filters(model)
    if found is None:
        return ""
    write_bytes(folder / FILTERS, figures.filters(found.layer, found.kernels, found.whole))
    count, height, width, _ = found.kernels.shape
    return f"the {count} {'units' if found.whole else 'filters'} of {found.layer}, {height}x{width}"


def _explain(file: Root, loaded: _Loaded, folder: Path, names: Sequence[str]) -> Image:
    """Write the files of one image and return its explanation."""
    import tensorflow as tf

    from transfer.serving import admission
    from transfer.serving.refusals import ImageError

    try:
        content = file.read_bytes() if isinstance(file, RemotePath) or file.is_file() else b""
    except OSError as error:
        return Image(file, error=f"cannot be read: {error.strerror}")
    try:
        label, score, drawn = _draw(file.name, admission.unusual(content, loaded.max_megapixels, loaded.served.value_range).data, loaded)
    except ImageError as error:
        return Image(file, error=error.text)
    except tf.errors.InvalidArgumentError:
        return Image(file, error=admission.DAMAGED)
    for name, png in zip(names, drawn, strict=True):
        write_bytes(folder / name, png)
    return Image(file, label, score, tuple(names))


def _draw(name: str, data: bytes, loaded: _Loaded) -> tuple[str, float, list[bytes]]:
    """Return the most probable class, its probability, and the figures: heat maps, then each layer's activations."""
    from transfer.models import looking
    from transfer.reports.explanation import figures

    labels = loaded.served.labels
    numbers = [-1, *(labels.index(asked) for asked in loaded.classes)]  # -1: the most probable class
    found = loaded.served.explain([data] * len(numbers), numbers)
    probabilities, ood_score = found.answers.probabilities[0], float(found.answers.ood_score[0])
    best = int(probabilities.argmax())
    shown = {best: found.heat[0]} | {number: heat for number, heat in zip(numbers[1:], found.heat[1:], strict=True) if number != best}
    views = [figures.View(labels[number], float(probabilities[number]), heat) for number, heat in shown.items()]
    maps = looking.activations(loaded.model, found.images[:1], loaded.layers)
    drawn = [figures.heat_maps(name, found.images[0], views, ood_score)]
    return labels[best], float(probabilities[best]), drawn + [figures.activations(layer, maps[layer][0]) for layer in loaded.layers]


def _names(stem: str, layers: Sequence[str]) -> list[str]:
    return [f"{stem}.png", *(f"{stem}.{safe(layer)}.png" for layer in layers)]
