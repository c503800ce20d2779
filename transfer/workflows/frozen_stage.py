"""The stages that only a pretrained backbone has: precision, frozen pass, truncation, head, fine-tuning."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from transfer.config import Config
from transfer.data import dataset as manifests
from transfer.data import pipeline
from transfer.errors import DataError
from transfer.features import precision
from transfer.features.extractor import PIXELS, BackboneExtractor, FeatureExtractor
from transfer.features.store import Store
from transfer.models import joined
from transfer.models.pretrained import FeatureSpec, Pretrained
from transfer.models.registry import Backbone, Cut
from transfer.system import resources
from transfer.system.progress import Clock, Progress
from transfer.training import cut_selection, fine_tuning, frozen_head
from transfer.training.feature_dataset import FeatureDataset, Trained

Compute = Callable[[FeatureExtractor, Store], None]


class FrozenStage:
    """What is decided and trained around a pretrained backbone.

    Attributes:
        config: the configuration, with what was decided filled in.
        cut_points: the table of `truncate_at: auto`; none where the cut was named.
        measured: what `precision: auto` measured; none where the precision was named.
    """

    def __init__(self, config: Config, backbone: Backbone, image_spec: pipeline.ImageSpec, progress: Progress, clock: Clock) -> None:
        self.config, self.backbone, self.image_spec, self.progress, self.clock = config, backbone, image_spec, progress, clock
        self.cut_points: pd.DataFrame | None = None
        self.measured: dict[str, Any] | None = None
        self._loaded: dict[str, Pretrained] = {}

    @property
    def pretrained(self) -> Pretrained:
        """The backbone in the precision that was decided."""
        return self._load(self.config.precision)

    def _load(self, chosen: str) -> Pretrained:
        if chosen not in self._loaded:
            config = self.config
            self._loaded[chosen] = Pretrained.load(self.backbone, config.weights, self.image_spec.size, chosen, config.seed, self.progress)
        return self._loaded[chosen]

    def share(self, other: "FrozenStage") -> bool:
        """Take over the loaded network of another stage where it is the one that this stage would load; return whether it is."""

        def loads(stage: FrozenStage) -> tuple[Any, ...]:
            config = stage.config
            return stage.backbone.name, config.weights, stage.image_spec.size, config.seed, config.features.batch_size

        both_auto = self.config.precision == "auto" and other.measured is not None
        alike = loads(self) == loads(other) and (both_auto or self.config.precision == other.config.precision)
        if alike:
            self.config = self.config.updated(precision=other.config.precision)
            self.measured, self._loaded = other.measured, other._loaded
        return alike

    def choose_precision(self, root: Path, manifest: pd.DataFrame) -> None:
        """Settle `precision: auto`."""
        if self.config.precision == "auto":
            batch_size = self.config.features.batch_size

            def some() -> np.ndarray:
                return _some_images(root, manifests.used(manifest), self.image_spec, batch_size)

            self.measured = precision.choose(self.backbone, self._load, batch_size, some, self.progress)
            self.config = self.config.updated(precision=self.measured["precision"])
            chosen = self._load(self.config.precision)
            self._loaded = {self.config.precision: chosen.with_xla() if self.measured.get("use_xla") else chosen}
            resources.give_back()
        self.pretrained  # noqa: B018  (weights that cannot be had are an error of this stage)

    @property
    def boundary(self) -> Cut | None:
        """Where the frozen prefix of a fine-tuning ends; none where nothing or everything is fine-tuned."""
        return self.backbone.boundary(self.config.unfreeze_from) if self.config.unfreeze_from else None

    def first_extractor(self) -> BackboneExtractor:
        """Return what every image passes: the chosen cut, or with `auto` all possible cuts at once, pooled.

        Whole maps come with their means, which the checks of the data look at.
        """
        pooling = self.config.head.pooling
        means = pooling if pooling != "flatten" else "avg"
        if self.config.truncate_at == "auto":
            cuts = self.backbone.above(self.boundary) if self.boundary else self.backbone.cuts
            return self._extractor([FeatureSpec(cut.name, means) for cut in cuts])
        cut = self.backbone.cut(self.config.truncate_at).name
        return self._extractor([FeatureSpec(cut, kind) for kind in dict.fromkeys((pooling, means))])

    def _extractor(self, specs: list[FeatureSpec]) -> BackboneExtractor:
        """Return a extractor with these specs and what fine-tuning starts from."""
        if self.boundary:
            specs = [*specs, FeatureSpec(self.boundary.name, "map")]
        on_pixels = self.config.unfreeze_from == "all"
        return BackboneExtractor(self.pretrained, self.image_spec, specs, self.config.features.batch_size, on_pixels)

    def train(self, material: FeatureDataset, compute: Compute) -> tuple[Trained, keras.Model]:
        """Choose the cut where that is asked for, train the head, fine-tune where that is asked for, join the parts.

        Returns:
            What was trained, and the joined classifier.
        """
        if self.config.truncate_at == "auto":
            with self.clock("truncation"):
                material = self._choose_cut(material, compute)
        pooling = self.config.head.pooling
        cut = self.backbone.cut(self.config.truncate_at).name
        with self.clock("training"):
            trained = frozen_head.train(material, FeatureSpec(cut, pooling).name, self.progress)
        if not self.config.unfreeze_from:
            return trained, joined.join(self.pretrained, cut, pooling, trained.model, trained.temperature)
        boundary = self.boundary
        output = FeatureSpec(boundary.name, "map").name if boundary else PIXELS
        with self.clock("fine-tuning"):
            trained, tuned = fine_tuning.train(material, self.pretrained, boundary, output, trained, self.progress)
        return trained, joined.join_tuned(self.pretrained, boundary, tuned.model, trained.temperature)

    def _choose_cut(self, material: FeatureDataset, compute: Compute) -> FeatureDataset:
        digests, labels = material.rows("train")["digest"].to_numpy(), material.labels("train")
        chosen_rows = _sample(len(labels), self.config.auto.max_images, self.config.seed)
        features = {}
        for output in material.extractor.outputs:
            cut, _, pooling = output.partition(":")
            if pooling in ("avg", "max"):
                rows, _ = material.stored("train", output)
                features[cut] = rows.take(chosen_rows)
        cut, table = cut_selection.select(
            features, labels[chosen_rows], list(digests[chosen_rows]), self.config.auto, self.config.seed, self.progress
        )
        self.cut_points = table
        self.config = self.config.updated(truncate_at=cut)
        extractor = material.extractor
        if self.config.head.pooling == "flatten":
            # The cut was chosen on pooled features; the head wants the whole map of the chosen one.
            extractor = self._extractor([FeatureSpec(cut, "flatten")])
            compute(extractor, material.store)
        return FeatureDataset(material.manifest, material.classes, material.store, extractor, material.views, self.config)


def _sample(count: int, most: int, seed: int) -> np.ndarray:
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def _some_images(root: Path, rows: pd.DataFrame, image_spec: pipeline.ImageSpec, count: int) -> np.ndarray:
    """Return `count` real images, repeated where there are fewer, uint8 [count, size, size, 3]."""
    small = rows[rows["width"] * rows["height"] <= 4_000_000]
    files = pipeline.files_of(root, (small if len(small) else rows).head(4 * count))
    for _, images in pipeline.batches(files, image_spec, count).take(1):
        batch: np.ndarray = images.numpy()
        return np.concatenate([batch] * -(-count // len(batch)))[:count]
    raise DataError("No image could be decoded: all of the first ones are truncated or broken.")
