"""What an export is made of and measured on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer.data import dataset as manifests
from transfer.data import sources
from transfer.data.pipeline import ImageSpec
from transfer.exporters.formats import graph, split_images
from transfer.exporters.formats.request import Request
from transfer.system.progress import Progress


@dataclass(frozen=True)
class Material:
    """The parts of a finished run that an export needs.

    Attributes:
        source: the newest SavedModel.
        labels: class names, in the order of the probabilities.
        root: where the paths of the manifest start.
        files: the test files, whose content is that of the manifest.
        truth: their class numbers, int [n].
        image_spec: how files become images.
    """

    source: graph.Source
    labels: list[str]
    root: Path
    files: list[bytes]
    truth: np.ndarray
    image_spec: ImageSpec


def gather(request: Request, progress: Progress) -> Material:
    """Find and check everything; see `Material`.

    Raises:
        DataError: where test images are gone or have changed.
        RunError: where the run's SavedModel cannot be read.
    """
    rows = manifests.used(request.run.manifest)
    labels = manifests.class_names(rows)
    test = rows[rows["split"] == "test"]
    root = sources.root(request.config.data, progress)
    files = split_images.find(root, test)
    source = graph.read(request.run.export)
    truth = np.array([labels.index(label) for label in test["label"]])
    return Material(source, labels, root, files, truth, ImageSpec(source.size, request.config.data))


def samples(request: Request, material: Material, progress: Progress) -> np.ndarray:
    """Return training images from which the ranges of 8-bit values are taken, uint8 [n, size, size, 3].

    Raises:
        DataError: where they are gone or have changed.
    """
    rows = split_images.calibration_rows(request.run.manifest, request.calibration_images, request.config.seed)
    files = split_images.find(material.root, rows)
    parts = []
    with progress.step("Calibration images", len(files)) as advance:
        for images in split_images.decoded(files, material.image_spec, request.config.export.batch_size):
            parts.append(images)
            advance(len(images))
    return np.concatenate(parts)
