"""Out-of-distribution detection: the training images that a run keeps for comparison, and how well detection works."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import compress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from transfer.config import Config
from transfer.data import storage
from transfer.data.changed import why_changed
from transfer.errors import DataError
from transfer.evaluation import ood, ood_images
from transfer.evaluation.ood import Reference
from transfer.evaluation.ood_new_classes import MOST_IMAGES, new_classes
from transfer.exporters.served import Served
from transfer.features.arrays import StoredRows
from transfer.features.extraction import PLAIN, compute_missing
from transfer.features.extractor import BackboneExtractor
from transfer.features.specs import batch_size, ood_cuts
from transfer.features.store import key
from transfer.models import backbones, parts
from transfer.models.graph import Graph
from transfer.models.pretrained import head_specs
from transfer.reports.thumbnails import jpegs
from transfer.runs import METRICS, Run
from transfer.system.progress import Progress
from transfer.training.feature_dataset import FeatureDataset, infer
from transfer.training.trained import Trained
from transfer.training.truncation import Truncation
from transfer.workflows.predict import predict

_AT_ONCE = 4096  # images whose embeddings are in memory
_VERIFIED = 16  # test images whose scores are also computed from stored features
_THUMBNAIL = 96  # side in pixels


@dataclass(frozen=True)
class OODReference:
    """The training images that new images are compared with, and scores computed from stored features.

    Attributes:
        reference: what the run keeps.
        validation: `ood_score` of the validation images, float32 [n].
        expected: `ood_score` of the first m test images, float32 [m], with which the export must agree: of all where nothing but
            stored features is looked at, of a few where each goes through layers that were trained.
        others: `ood_score` of images of other data by kind, float32 [n], where nothing but stored features is looked at; otherwise
            None: the export is asked.
        new_classes: how well a new class that looks like these would be found (see `ood_new_classes`), with `at_most`: whether the
            network was trained on these classes, so that a new one would be found less often; empty: not measured.
    """

    reference: Reference
    validation: np.ndarray
    expected: np.ndarray
    others: dict[str, np.ndarray] | None
    new_classes: dict[str, Any]


def choose_reference(trained: Trained, truncation: Truncation | None, classifier: keras.Model, progress: Progress) -> OODReference:
    """Choose the training images that a run keeps, and set the threshold on the validation images.

    The features that are compared are those of the frozen cut points. Where none is frozen, what enters the head takes their place;
    where layers above them are fine-tuned, it comes beside them.

    Args:
        trained: the trained part, with its features.
        truncation: where the backbone ends; None: training from scratch.
        classifier: the joined model, whose last feature maps determine the shape of an embedding.
        progress: reports the images of other data that have no stored features yet.
    """
    features, settings = trained.features, trained.features.config.ood
    vector, shape = parts.vector_of(trained.model), parts.take_apart(classifier).shape
    frozen = _frozen_cuts(features, truncation)
    outputs = [spec.name for spec in head_specs(frozen, "avg+max")]
    with_vector = not frozen or features.config.unfreeze_from is not None

    @cache
    def stored(split: str, output: str) -> StoredRows:
        return replace(features.stored(split, (output,))[0], memory_bytes=0)

    def embeddings(split: str, positions: np.ndarray) -> np.ndarray:
        blocks = [stored(split, output).take(positions) for output in outputs]
        if with_vector:
            of_head = infer(trained.model, features, split, trained.outputs, lambda rows: parts.embedding(vector(rows), shape), positions)
            blocks.append(of_head)
        return blocks[0] if not outputs else _joined(blocks)

    def distances(split: str, count: int) -> np.ndarray:
        at_once = max(count, 1) if with_vector else _AT_ONCE  # embeddings of all images at once would take gigabytes
        blocks = [np.arange(start, min(start + at_once, count)) for start in range(0, count, at_once)]
        found = [ood.distances(kept, embeddings(split, positions), settings.neighbours) for positions in blocks]
        return np.concatenate([np.empty(0, np.float32), *found])

    chosen = ood.sample(features.labels("train"), settings.reference_images, features.config.seed)
    kept, names = ood.rounded(embeddings("train", chosen)), features.rows("validation")["label"].to_numpy()
    validation = distances("validation", len(names))
    threshold = ood.threshold(kept, validation, settings.neighbours, settings.false_alarms)
    rows = features.rows("train").iloc[chosen]
    paths, labels = list(rows["path"]), list(rows["label"])
    small = _thumbnails(features, rows)
    layers = (*_layers(features, classifier, frozen), *([parts.VECTOR] if outputs and with_vector else []))
    reference = Reference(kept, paths, labels, settings.neighbours, threshold, small, layers)
    tested = len(features.rows("test"))
    expected = distances("test", min(_VERIFIED, tested) if with_vector else tested) / np.float32(threshold)
    others = None if with_vector else _other_images(features, outputs, reference, progress)
    some = ood.sample(features.labels("validation"), MOST_IMAGES, features.config.seed)
    near: dict[str, Any] = {}
    if settings.other_images:
        near = new_classes(reference, embeddings("validation", some), names[some], settings.false_alarms, features.config.seed)
    near |= {"at_most": with_vector} if near else {}  # a vector that was trained on the classes that are taken for new ones
    return OODReference(reference, validation / np.float32(threshold), expected, others, near)


def _thumbnails(features: FeatureDataset, rows: pd.DataFrame) -> list[bytes]:
    """Return a JPEG of each image, empty where it cannot be read; they are stored beside the features: decoding takes long."""
    root, names = features.dataset.root, [key(digest, PLAIN, f"jpeg:{_THUMBNAIL}") for digest in rows["digest"]]
    found = features.own_store.contents(names)
    lacking = [content is None for content in found]
    made = jpegs(root, rows[lacking], _THUMBNAIL, features.config.data)
    new = {
        name: made[row["path"]]
        for name, (_, row) in zip(compress(names, lacking), rows[lacking].iterrows(), strict=True)
        # Another image would be stored under the digest of this one; objects are compared with it when they are read.
        if row["path"] in made and (storage.is_remote(root) or not why_changed(root, row))
    }
    if new:
        features.own_store.put(new)
    return [new.get(name, b"") if content is None else content for name, content in zip(names, found, strict=True)]


def _other_images(features: FeatureDataset, outputs: Sequence[str], reference: Reference, progress: Progress) -> dict[str, np.ndarray]:
    """Return `ood_score` of images of other data by kind, from features that are stored like those of any image."""
    config, extractor, store = features.config, features.extractor, features.own_store
    kinds = ood_images.images(config.ood.other_images, set(features.dataset.table["digest"]), config.seed)
    files = [(kind, file) for kind, of_kind in kinds.items() for file in of_kind]
    if not files:
        return {}
    digests = [hashlib.sha256(file).hexdigest() for _, file in files]
    rows = pd.DataFrame({"kind": [kind for kind, _ in files], "digest": digests, "path": digests, "status": "used"})

    def compute(batch: tf.Tensor) -> list[np.ndarray]:
        found = dict(zip(extractor.outputs, extractor(batch), strict=True))
        return [found[output] for output in outputs]

    with tempfile.TemporaryDirectory(prefix="transfer-images-") as folder:
        paths = [Path(folder, digest) for digest in digests]
        for path, (_, file) in zip(paths, files, strict=True):
            path.write_bytes(file)
        status = [path.stat() for path in paths]
        rows = rows.assign(size=[one.st_size for one in status], ctime_ns=[one.st_ctime_ns for one in status])
        failures = compute_missing(
            rows, Path(folder), extractor.image_spec, outputs, compute, batch_size(config, extractor.image_spec.size), store, progress,
            title="Extracting features of other data",
        )  # fmt: skip
    scores = {}
    for kind, some in rows.drop(index=list(failures)).groupby("kind", sort=False):
        blocks = [store.get([key(digest, PLAIN, output) for digest in some["digest"]], extractor.dtype(output)) for output in outputs]
        scores[str(kind)] = reference.ood_score(_joined([block.astype(np.float32) for block in blocks]))
    return scores


def _joined(blocks: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray(parts.joined_blocks(blocks))


def _frozen_cuts(features: FeatureDataset, truncation: Truncation | None) -> list[str]:
    """Return the cut points whose features are compared, from the shallowest up."""
    if truncation is None or not isinstance(features.extractor, BackboneExtractor):
        return []
    backbone = features.extractor.pretrained.backbone
    cuts = ood_cuts(features.config, backbone, backbone.cut(truncation.cuts[-1]), features.config.ood.cut_points)
    return [cut.name for cut in cuts]


def _layers(features: FeatureDataset, classifier: keras.Model, cuts: list[str]) -> list[str]:
    """Return the names of the classifier's layers whose maps are those of the cut points."""
    if not cuts or not isinstance(features.extractor, BackboneExtractor):
        return []
    pretrained, graph = features.extractor.pretrained, Graph(classifier)
    tensors = [backbones.tensor_at(pretrained.model, pretrained.backbone.cut(cut)) for cut in cuts]
    return [graph.steps[graph.maker(tensor)].name for tensor in tensors]


def evaluate_ood(served: Served, made: OODReference, test_scores: np.ndarray, digests: set[str], config: Config) -> dict[str, Any]:
    """Measure how well an export distinguishes images of other data from its own.

    Args:
        served: the export.
        made: the images that it compares with.
        test_scores: `ood_score` of the test images, float32 [n].
        digests: SHA-256 of the files of the run, which do not count as other data.
        config: number of images of other data, and the seed that selects them.

    Returns:
        `threshold`, `images` and `neighbours` of the reference; `test_flagged`, the fraction of the test images called out
        of distribution; `others`, the result of `ood.against` for each kind of other data; `new_classes`, as in `made`.
    """
    reference = made.reference
    others = made.others
    if others is None:
        kinds = ood_images.images(config.ood.other_images, digests, config.seed)
        others = {name: served.answer(files).ood_score for name, files in kinds.items()}
    return {
        "threshold": reference.threshold,
        "images": len(reference.paths),
        "neighbours": reference.neighbours,
        "test_flagged": float((test_scores > 1).mean()),
        "others": {name: ood.against(test_scores, scores) for name, scores in others.items()},
        "new_classes": made.new_classes,
    }


def evaluate_other(run: Run, other: Path, progress: Progress) -> dict[str, Any]:
    """Measure detection on images of other data, and save the figures in the run's metrics under the name of their folder.

    Args:
        run: finished; its `metrics.json` is rewritten.
        other: an image, or a folder of images.
        progress: reports each image.

    Returns:
        The result of `ood.against`.

    Raises:
        DataError: if no image can be decoded.
    """
    table = predict(run, [other], progress=progress)
    scores = table.loc[table["error"] == "", "ood_score"].to_numpy(float)
    if not len(scores):
        raise DataError(f"None of the files is an image that can be decoded. Received {str(other)!r}.")
    test = run.predictions[run.predictions["split"] == "test"]["ood_score"].to_numpy(float)
    found = ood.against(test, scores)
    metrics = run.metrics
    place = storage.located(other)
    name = os.fsdecode(os.fsencode((place.resolve() if isinstance(place, Path) else place).name)) or str(other)
    metrics["ood"]["others"][name] = found
    run.rewrite(METRICS, metrics)
    return found
