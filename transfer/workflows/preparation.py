"""What comes before any decision about a classifier: read the source, divide it, compute the frozen part of every image."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from transfer.config import Config
from transfer.data import dataset as manifests
from transfer.data import pipeline, sources, splits
from transfer.data.groups import NEAR_DUPLICATES
from transfer.errors import DataError
from transfer.features import extraction, space
from transfer.features.extractor import FeatureExtractor, PixelExtractor
from transfer.features.store import Store
from transfer.features.thumbnails import THUMBNAIL, WithThumbnail, thumbnail
from transfer.models import joined
from transfer.models.registry import Backbone, find
from transfer.quality import near_duplicates, stored_images
from transfer.quality.checks import collect
from transfer.quality.findings import Findings
from transfer.quality.near_duplicates import NearDuplicates
from transfer.quality.stored_images import StoredImages
from transfer.system import devices
from transfer.system.progress import Clock, Progress
from transfer.training import from_scratch
from transfer.training.feature_dataset import FeatureDataset, Trained
from transfer.workflows.frozen_stage import Compute, FrozenStage


class Preparation:
    """The images of one source, ready to train on or to look at.

    Attributes:
        config: the configuration, with what was decided filled in.
        manifest: every file seen, divided.
        undivided: why the images have no splits; empty where they have.
        frozen: what is decided around a pretrained backbone; none for a network trained from scratch.
    """

    def __init__(self, config: Config, progress: Progress, clock: Clock) -> None:
        self.config, self.progress, self.clock = config, progress, clock
        devices.prepare()
        self.network = find(config.backbone)
        self.image_spec = pipeline.ImageSpec(config.image_size or self.network.size, config.data)
        self.manifest = pd.DataFrame(columns=manifests.COLUMNS)
        self.undivided = ""
        self.frozen: FrozenStage | None = None

    def scan(self, decode_test: bool = False) -> None:
        """Read the source; see `sources.read`. Nothing is divided yet."""
        if using := devices.describe(self.config.training.devices):
            self.progress.say(using)
        with self.clock("scan"):
            source = sources.read(self.config.data, self.progress, decode_test)
        self.root, self._ready_made = source.root, source.ready_made
        self.manifest = self._scanned = source.manifest

    def divide(self, required: bool = True) -> None:
        """Give each used file its split; see `splits.divide` for the errors.

        Args:
            required: else data that cannot be divided stays as the source has it, and `undivided` says why.
        """
        self.undivided = ""
        try:
            self.manifest = splits.divide(self._scanned, self.config.data, self.config.seed, self._ready_made)
        except DataError as error:
            if required:
                raise
            self.manifest, self.undivided = self._scanned, str(error)  # no splits of an earlier division

    def another(self, config: Config) -> "Preparation":
        """Return the preparation of another configuration for the same images, divided as they are here."""
        other = Preparation(config, self.progress, self.clock)
        other.root, other._ready_made = self.root, self._ready_made
        other.follow(self)
        return other

    def follow(self, other: "Preparation") -> None:
        """Take over which images are used, and their splits."""
        self._scanned, self.manifest, self.undivided = other._scanned, other.manifest, other.undivided

    def extractor(self, others: Sequence["Preparation"] = ()) -> FeatureExtractor:
        """Settle the precision and return what every image passes.

        Args:
            others: have their extractors; a network that one of them has loaded is not loaded again.
        """
        if not isinstance(self.network, Backbone) or self.config.whole_from_random:
            return PixelExtractor(self.image_spec)
        self.frozen = FrozenStage(self.config, self.network, self.image_spec, self.progress, self.clock)
        for other in others:
            if other.frozen and self.frozen.share(other.frozen):
                break
        with self.clock("precision"):
            self.frozen.choose_precision(self.root, self.manifest)
            self.config = self.frozen.config
        return self.frozen.first_extractor()

    def compute(self, extractor: FeatureExtractor, opened: Store) -> None:
        """Pass all used images through the extractor part and thumbnail at them; those that fail are skipped, with the reason."""
        usable = manifests.used(self.manifest)
        self._require_room(extractor, opened, usable)
        both = WithThumbnail(extractor)
        failures = self._pass(both.outputs, both, opened, usable, needed=extractor.outputs)
        # Those whose features were stored before anyone glanced at them.
        seen = usable.drop(index=list(failures))
        failures |= self._pass([THUMBNAIL], lambda batch: [thumbnail(batch)], opened, seen, title="Making thumbnails")
        self.skip(failures)

    def skip(self, failures: dict[int, str]) -> None:
        """Leave out images that failed: rows of the manifest, with the reasons."""
        if failures:
            self._scanned = manifests.skip(self._scanned, failures)
            self.manifest = manifests.skip(self.manifest, failures)

    def _require_room(self, extractor: FeatureExtractor, opened: Store, usable: pd.DataFrame) -> None:
        """Say what the passes over images and views will store; see `space.require` for the error."""
        records = extraction.count_missing(usable, extractor.outputs, opened)
        if self.config.augment.views:
            training = usable[usable["split"] == "train"]
            records += extraction.count_missing(training, extractor.outputs, opened, self.views())
        each = sum(space.record_bytes(extractor.width(output), extractor.dtype(output).itemsize) for output in extractor.outputs)
        space.require(opened.path, records * each, records, self.progress)

    def check(self, extractor: FeatureExtractor, opened: Store, required: bool = True) -> Findings:
        """Look at files, images and features, and divide again: images may have failed, near duplicates may belong together.

        Raises:
            DataError: as `divide`, where it is `required`.
        """
        images = stored_images.read(self.manifest, extractor, opened)
        found = near_duplicates.find(images.features, images.thumbnails, self.config.check)
        self._regroup(images, found)
        self.divide(required)
        return collect(self.manifest, images, found, self.config.check, self.config.seed)

    def divide_again(self, extractor: FeatureExtractor, opened: Store) -> None:
        """Divide once more, as `check` does, without its findings."""
        if self.config.data.group_by == NEAR_DUPLICATES:
            images = stored_images.read(self.manifest, extractor, opened)
            self._regroup(images, near_duplicates.find(images.features, images.thumbnails, self.config.check))
        self.divide()

    def _regroup(self, images: StoredImages, found: NearDuplicates) -> None:
        if self.config.data.group_by == NEAR_DUPLICATES:
            groups = found.group_names(images.rows)
            self._scanned = self._scanned.assign(group=pd.Series(groups, dtype=object).reindex(self._scanned.index, fill_value=""))

    def compute_views(self, extractor: FeatureExtractor, opened: Store) -> None:
        """Pass the augmented views of the training images through the extractor part."""
        if not self.config.augment.views:
            return
        usable = manifests.used(self.manifest)
        failures = self._pass(extractor.outputs, extractor, opened, usable[usable["split"] == "train"], self.views(), "Augmented views")
        self.manifest = manifests.skip(self.manifest, failures)

    def compute_with_views(self, extractor: FeatureExtractor, opened: Store) -> None:
        """Pass all used images, and the views of the training images, through the extractor part."""
        self.compute(extractor, opened)
        self.compute_views(extractor, opened)

    def train(self, material: FeatureDataset, compute: Compute) -> tuple[Trained, keras.Model]:
        """Train what the configuration names on stored rows.

        Args:
            material: the rows.
            compute: called for passes that are found to be needed on the way.

        Returns:
            What was trained, and the joined classifier.
        """
        if self.frozen:
            return self.frozen.train(material, compute)
        with self.clock("training"):
            trained = from_scratch.train(material, self.network, self.image_spec.size, self.progress)
        return trained, joined.from_scratch(trained.model, trained.temperature)

    def views(self) -> extraction.Views:
        """Return the augmented views that the configuration asks for."""
        augmentation = self.config.augment
        return extraction.Views(augmentation.views, augmentation if augmentation.views else None, self.config.seed)

    def _pass(
        self,
        outputs: Sequence[str],
        compute: Callable[[tf.Tensor], list[np.ndarray]],
        opened: Store,
        rows: pd.DataFrame,
        views: extraction.Views = extraction.ONLY_PLAIN,
        title: str = "Frozen pass",
        needed: Sequence[str] | None = None,
    ) -> dict[int, str]:
        done = extraction.extract(
            rows, self.root, self.image_spec, outputs, compute, self.config.features.batch_size, opened, self.progress, views, title,
            needed,
        )  # fmt: skip
        return done.failures
