"""Feature extractors: applied once to every image before training; their outputs are stored.

For a pretrained backbone this is the frozen prefix; for a network trained from scratch it is decoding only, and the stored
features are pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from transfer.config import Config
from transfer.data.dataset import Dataset
from transfer.data.pipeline import ImageSpec
from transfer.errors import EngineError
from transfer.features import compute
from transfer.features.pixels import PIXELS as PIXELS
from transfer.features.pixels import PixelExtractor, flat
from transfer.features.specs import batch_size, feature_specs, ood_specs
from transfer.features.store import FeatureSet
from transfer.models.frozen_pass import FrozenPass
from transfer.models.pretrained import FeatureSpec, Pretrained
from transfer.models.registry import Backbone, find
from transfer.system import resources
from transfer.system.progress import Progress

Load = Callable[[Backbone, str, int, str, int, Progress], Pretrained]
"""The signature of `Pretrained.load`."""


class FeatureExtractor(Protocol):
    """Images -> one or more outputs, each with one vector per image."""

    @property
    def image_spec(self) -> ImageSpec:
        """How bytes become its input pixels."""
        ...

    @property
    def precision(self) -> str:
        """Precision of its network; for pixels, of the network that is trained on them."""
        ...

    @property
    def engine(self) -> str:
        """What computes its network, `tensorflow` or `openvino`."""
        ...

    @property
    def feature_set(self) -> FeatureSet:
        """The feature set that holds its outputs."""
        ...

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs."""
        ...

    def width(self, output: str) -> int:
        """Number of values per image."""
        ...

    def dtype(self, output: str) -> np.dtype:
        """dtype in which an output is stored."""
        ...

    def for_training(self) -> "FeatureExtractor":
        """Return an extractor without the outputs that only the OOD score is made of: those of views, and what checks look at."""
        ...

    def __call__(self, batch: tf.Tensor) -> list[np.ndarray]:
        """Compute uint8 [b, size, size, 3] -> [b, width] for each output."""
        ...


@dataclass(frozen=True)
class BackboneExtractor:
    """A frozen, truncated backbone: one output for each feature spec, plus the decoded images if `pixels`.

    Attributes:
        pretrained: the backbone in the chosen precision.
        image_spec: how bytes become its input pixels.
        specs: cut points and poolings, for heads, checks and fine-tuning.
        batch_size: images per forward pass.
        pixels: whether the decoded images are an output as well.
        ood: cut points and poolings that the OOD score is made of; the same pass computes them.
        measured: what `compute.choose` found; None if engine and precision were given.
    """

    pretrained: Pretrained
    image_spec: ImageSpec
    specs: tuple[FeatureSpec, ...]
    batch_size: int
    pixels: bool = False
    ood: tuple[FeatureSpec, ...] = ()
    measured: dict[str, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs to make the same extractor: the fields, and nothing that is compiled."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @property
    def precision(self) -> str:
        """Precision of the backbone."""
        return self.pretrained.precision

    @property
    def engine(self) -> str:
        """What computes the backbone, `tensorflow` or `openvino`."""
        return self.pretrained.engine

    @cached_property
    def feature_set(self) -> FeatureSet:
        """The feature set for this backbone, its weights, size, decoder, precision and engine."""
        pretrained, image_spec = self.pretrained, self.image_spec
        return FeatureSet(
            pretrained.backbone.name, pretrained.weights_digest, pretrained.size, image_spec.data.resize, image_spec.decoder,
            pretrained.precision, pretrained.engine_tag,
        )  # fmt: skip

    @cached_property
    def _by_name(self) -> dict[str, FeatureSpec]:
        return {spec.name: spec for spec in (*self.specs, *self.ood)}

    @cached_property
    def _prefix(self) -> FrozenPass:
        prefix = FrozenPass(self.pretrained, list(self._by_name.values()), self.batch_size)
        try:
            prefix.prepare()
        except EngineError as error:
            raise EngineError(f"{error} Or use compute=tensorflow.") from None
        return prefix

    @property
    def outputs(self) -> list[str]:
        """The name of each feature spec, then that of the pixels."""
        return [*self._by_name, *([PIXELS] if self.pixels else [])]

    def with_specs(self, *specs: FeatureSpec) -> "BackboneExtractor":
        """Return an extractor of the same feature set with other outputs for training."""
        return replace(self, specs=specs)

    def for_training(self) -> "BackboneExtractor":
        """Return an extractor of the same feature set without the outputs that are for the OOD score alone."""
        return replace(self, ood=())

    def joined(self, other: "BackboneExtractor") -> "BackboneExtractor":
        """Return an extractor of the same feature set with the outputs of both, computed in one forward pass."""
        specs, ood = (*self.specs, *other.specs), (*self.ood, *other.ood)
        return replace(self, specs=tuple(dict.fromkeys(specs)), ood=tuple(dict.fromkeys(ood)), pixels=self.pixels or other.pixels)

    def width(self, output: str) -> int:
        """Number of values per image."""
        return self.pretrained.size**2 * 3 if output == PIXELS else self.pretrained.width(self._by_name[output])

    def dtype(self, output: str) -> np.dtype:
        """dtype in which an output is stored; see `Pretrained.dtype`."""
        return np.dtype(np.uint8) if output == PIXELS else self.pretrained.dtype(self._by_name[output])

    def __call__(self, batch: tf.Tensor) -> list[np.ndarray]:
        """Compute one batch.

        Raises:
            WeightsError: if a feature is NaN or infinite.
        """
        features = self._prefix(batch)
        for name, values in zip(self._by_name, features, strict=True):
            if not np.isfinite(values).all():
                raise self.pretrained.not_finite(self._by_name[name])
        return [*features, *([flat(batch)] if self.pixels else [])]


def load_extractor(config: Config, dataset: Dataset, progress: Progress, load: Load | None = None) -> FeatureExtractor:
    """Return the feature extractor of a configuration: weights are verified; `compute: auto` and `precision: auto` are decided here.

    Args:
        config: complete.
        dataset: scanned; engines and precisions are measured on some of its images.
        progress: reports each step.
        load: replaces `Pretrained.load`, for callers that cache what they load; none: `Pretrained.load`.

    Raises:
        WeightsError: if the weights could not be downloaded or read, or do not fit the backbone.
        DataError: if no image can be decoded.
        EngineError: if OpenVINO was asked for, and cannot be used.
    """
    network = find(config.backbone)
    image_spec = ImageSpec(config.image_size or network.size, config.data)
    if not isinstance(network, Backbone) or config.whole_from_random:
        return PixelExtractor(image_spec, config.precision)

    @cache
    def load_in(chosen: str, size: int) -> Pretrained:
        return (load or Pretrained.load)(network, config.weights, size, chosen, config.seed, progress)

    measured = None
    engine, chosen = config.compute, config.precision
    if "auto" in (engine, chosen):
        tried = replace(image_spec, size=min(image_spec.size, network.size))  # larger images would take longer and tell no more
        measured = compute.choose(
            config, lambda precision: load_in(precision, tried.size), lambda count: compute.sample_images(dataset, tried, count), progress
        )
        engine, chosen = measured["compute"], measured["precision"]
    pretrained = load_in(chosen, image_spec.size).with_engine(engine)
    if measured and measured.get("use_xla"):
        pretrained = pretrained.with_xla()
    if measured:
        load_in.cache_clear()
        resources.give_back()  # the memory of the precision that was not chosen
    specs, ood, together = tuple(feature_specs(config, network)), ood_specs(config, network), batch_size(config, image_spec.size)
    return BackboneExtractor(pretrained, image_spec, specs, together, config.unfreeze_from == "all", ood, measured)
