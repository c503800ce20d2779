"""Which cut points and poolings are extracted: for training and the data checks, and for the OOD score."""

import numpy as np

from transfer.config import Config
from transfer.models.pretrained import FeatureSpec, head_specs
from transfer.models.registry import Backbone, Cut

_PIXELS, _MOST = 16 * 224**2, 256


def batch_size(config: Config, size: int) -> int:
    """Return how many images are read and computed together: as configured, or by default as many as fill 16 images of 224 px.

    Of small images, a larger batch is faster: MobileNetV2 at 32 px on 2 cores computes 1,800 images/s in batches of 16, 5,000 in
    batches of 256.
    """
    return config.features.batch_size or min(max(_PIXELS // size**2, 1), _MOST)


def freeze_boundary(config: Config, backbone: Backbone) -> Cut | None:
    """Return where the frozen prefix ends in fine-tuning; None if nothing or everything is fine-tuned."""
    return backbone.boundary(config.unfreeze_from) if config.unfreeze_from else None


def feature_specs(config: Config, backbone: Backbone) -> list[FeatureSpec]:
    """Return what is extracted for training: features of the chosen cut points, with `truncate_at: auto` of all candidates.

    Whole maps come with their means, which the data checks use. Fine-tuning starts from the map at the freeze boundary.
    """
    pooling, boundary = config.head.pooling, freeze_boundary(config, backbone)
    cuts = [cut.name for cut in candidates(config, backbone)]
    specs = [] if config.truncate_at == "auto" and pooling == "flatten" else head_specs(cuts, pooling)
    means = head_specs(cuts, "avg") if pooling == "flatten" else ()
    return [*specs, *means, *([FeatureSpec(boundary.name, "map")] if boundary else [])]


def candidates(config: Config, backbone: Backbone) -> tuple[Cut, ...]:
    """Return the cut points of a configuration, with `truncate_at: auto` all that it chooses from, from the shallowest up."""
    if config.truncate_at != "auto":
        return backbone.cuts_of(config.truncate_at)
    boundary = freeze_boundary(config, backbone)
    return tuple(backbone.above(boundary)) if boundary else backbone.cuts


def ood_specs(config: Config, backbone: Backbone) -> tuple[FeatureSpec, ...]:
    """Return what is extracted for the OOD score: mean and maximum of the cut points that may become part of it."""
    deepest = candidates(config, backbone)[-1]
    most = len(backbone.cuts) if config.truncate_at == "auto" else config.ood.cut_points
    return head_specs((cut.name for cut in ood_cuts(config, backbone, deepest, most)), "avg+max")


def ood_cuts(config: Config, backbone: Backbone, deepest: Cut, most: int) -> list[Cut]:
    """Return the frozen cut points up to the truncation that the OOD score is made of: at most `most`, evenly spaced.

    Those above the freeze boundary change in fine-tuning; there, what enters the head counts.
    """
    if config.unfreeze_from == "all":
        return []
    boundary = freeze_boundary(config, backbone)
    frozen = [cut for cut in backbone.cuts[: backbone.cuts.index(deepest) + 1] if boundary is None or cut not in backbone.above(boundary)]
    chosen = sorted({round(place) for place in np.linspace(0, len(frozen) - 1, min(most, len(frozen)))})
    return [frozen[place] for place in chosen]
