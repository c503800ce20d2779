"""Explain a run's answers: heat maps, first filters and activation maps as PNG files."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transfer.config import build
from transfer.data import sources
from transfer.errors import ConfigError, DataError, unknown_name
from transfer.runs import Run
from transfer.system.files import write_bytes
from transfer.system.progress import Progress, Silent

DEFAULT_OUTPUT = "explanations"
FILTERS = "filters.png"
_LONGEST = 100  # bytes of an image's or a layer's name that a file is called by; a name of a file has 255


@dataclass(frozen=True)
class Image:
    """What was made of one image.

    Attributes:
        path: as it was given.
        label, score: the most probable class and its probability.
        files: names of the files written, in the folder of the result: heat maps first, then each layer's activations.
        error: why it could not be explained; empty where it was.
    """

    path: Path
    label: str = ""
    score: float = float("nan")
    files: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Explanations:
    """What `explain` wrote.

    Attributes:
        folder: where the files lie.
        filters: what `filters.png` shows; empty where the network has no filters that could be shown.
        layers: whose activation maps were written.
        images: one for each, in the order given.
    """

    folder: Path
    filters: str
    layers: tuple[str, ...]
    images: list[Image] = field(repr=False)


def explain(
    run: Run,
    paths: Iterable[str | os.PathLike[str]],
    *,
    output: str | os.PathLike[str] | None = None,
    classes: Sequence[str] = (),
    layers: Sequence[str] = (),
    progress: Progress | None = None,
) -> Explanations:
    """Draw where a run's network looks in images, what its first filters are, and what its layers make of the images.

    Args:
        run: whose export (heat maps) and Keras model (filters, activations) are used.
        paths: images, or folders of images.
        output: folder for the PNG files; none: `explanations/<name of the run>`. Files of the same names are replaced.
        classes: further classes whose heat maps are wanted beside the most probable one's.
        layers: whose activation maps are wanted; none: three along the network.
        progress: told of each image.

    Raises:
        ConfigError: for a class or a layer that is not there.
        DataError: where a path is not there, or the output lies in the user's data.
        RunError: where the run cannot be loaded, or was made before exports could explain themselves.
    """
    given = [Path(path) for path in paths]
    folder = plan(run, given, output, classes)
    from transfer.workflows.predict import expand

    files = expand(given)
    explainer = _Explainer(run, folder, classes, layers)
    with (progress or Silent()).step("Explaining", len(files)) as advance:
        images = []
        for file in files:
            images.append(explainer.explain(file))
            advance(1)
    return Explanations(folder, explainer.filters, tuple(explainer.layers), images)


def plan(run: Run, paths: Iterable[Path], output: str | os.PathLike[str] | None, classes: Sequence[str] = ()) -> Path:
    """Return the folder for the result, after all checks that need no TensorFlow; see `explain`."""
    for name in classes:
        if name not in run.labels:
            raise ConfigError(unknown_name("class", name, run.labels))
    folder = Path(output) if output is not None else Path(DEFAULT_OUTPUT) / run.path.resolve().name
    given = [path.resolve() for path in paths]
    own = [*sources.own(build([run.config]).data), *(path for path in given if path.is_dir())]
    place = folder.resolve()
    if any(place.is_relative_to(path.resolve()) for path in own) or any(place == path.parent for path in given):
        raise DataError(f"The result would lie among the images, where nothing is written. Name an --output. Received {str(folder)!r}.")
    return folder


class _Explainer:
    """The loaded models, and the names already taken in the folder."""

    def __init__(self, run: Run, folder: Path, classes: Sequence[str], layers: Sequence[str]) -> None:
        import keras

        from transfer.exporters.served import Served
        from transfer.models import looking

        self._folder, self._classes = folder, list(dict.fromkeys(classes))
        self._limit = float(run.config.get("data.max_megapixels", 100.0))
        self._model = keras.saving.load_model(run.model, compile=False, safe_mode=True)
        looking.require(self._model, layers)
        self.layers = list(dict.fromkeys(layers)) or looking.along(self._model)
        self._served = Served(run.export)
        self._taken: set[str] = set()
        self.filters = self._write_filters()

    def explain(self, file: Path) -> Image:
        """Write the files of one image."""
        import tensorflow as tf

        from transfer.serving import admission
        from transfer.serving.refusals import ImageError

        try:
            data = admission.unusual(file.read_bytes() if file.is_file() else b"", self._limit).data
            return self._draw(file, data)
        except ImageError as error:
            return Image(file, error=error.text)
        except tf.errors.InvalidArgumentError:
            return Image(file, error=admission.DAMAGED)
        except OSError as error:
            if error.filename is None or Path(os.fsdecode(error.filename)) != file:
                raise  # not the image, but what is written
            return Image(file, error=f"cannot be read: {error.strerror}")

    def _draw(self, file: Path, data: bytes) -> Image:
        from transfer.models import looking
        from transfer.reports.explanation import figures

        labels = self._served.labels
        first = self._served.explain([data], [-1])
        probabilities = first.answers.probabilities[0]
        best = int(probabilities.argmax())
        views = [figures.View(labels[best], float(probabilities[best]), first.heat[0])]
        for name in self._classes:
            number = labels.index(name)
            if number != best:
                views.append(figures.View(name, float(probabilities[number]), self._served.explain([data], [number]).heat[0]))
        stem = self._free_stem(file)
        drawn = {f"{stem}.png": figures.heat_maps(file.name, first.images[0], views, float(first.answers.ood_score[0]))}
        maps = looking.activations(self._model, first.images, self.layers)
        drawn |= {self._of_layer(stem, layer): figures.activations(layer, maps[layer][0]) for layer in self.layers}
        for name, content in drawn.items():
            write_bytes(self._folder / name, content)
        return Image(file, labels[best], float(probabilities[best]), tuple(drawn))

    def _write_filters(self) -> str:
        from transfer.models import looking
        from transfer.reports.explanation import figures

        found = looking.first_filters(self._model)
        self._taken.add(FILTERS)
        if found is None:
            return ""
        write_bytes(self._folder / FILTERS, figures.filters(found.layer, found.kernels, found.whole))
        count, height, width, _ = found.kernels.shape
        return f"the {count} {'units' if found.whole else 'filters'} of {found.layer}, {height}x{width}"

    def _free_stem(self, file: Path) -> str:
        """Return a name by which no earlier image's files are called, also where capitals do not count."""
        wanted, number = safe(file.stem), 1
        while True:
            stem = wanted if number == 1 else f"{wanted}-{number}"
            names = {name.casefold() for name in (f"{stem}.png", *(self._of_layer(stem, layer) for layer in self.layers))}
            if not names & self._taken:
                self._taken |= names
                return stem
            number += 1

    @staticmethod
    def _of_layer(stem: str, layer: str) -> str:
        return f"{stem}.{safe(layer)}.png"


def safe(name: str) -> str:
    """Return a name that every file system takes: letters, digits and `_ - .`, no dot in front, not too long."""
    return re.sub(r"[^\w.-]", "_", name).encode()[:_LONGEST].decode(errors="ignore").lstrip(".") or "image"


def summary(done: Explanations) -> dict[str, Any]:
    """Return what the command line prints; see `reports/explanation/text.py`."""
    images = [
        {"path": str(item.path), "label": item.label, "score": item.score, "file": item.files[0] if item.files else "", "error": item.error}
        for item in done.images
    ]
    return {"folder": str(done.folder), "filters": done.filters, "layers": done.layers, "images": images}
