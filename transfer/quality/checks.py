"""The checks of a dataset whose features are stored, and the splits that follow from what they find."""

from transfer.config import Config
from transfer.data.dataset import Dataset
from transfer.data.groups import NEAR_DUPLICATES
from transfer.data.splits import split
from transfer.features.extractor import FeatureExtractor
from transfer.features.store import Store
from transfer.quality.collect import Likeness, collect
from transfer.quality.findings import Findings
from transfer.quality.seen import Seen, seen


def check(dataset: Dataset, extractor: FeatureExtractor, store: Store, config: Config, required: bool = True) -> tuple[Dataset, Findings]:
    """Look at files, images and features; split again, since images may have failed and near duplicates may belong together.

    Args:
        dataset: extracted.
        extractor, store: what computed the features, and where they lie.
        config: limits of the checks, `data.group_by`, seed.
        required: see `splits.split`.

    Returns:
        The dataset as it is split now, and what was found.

    Raises:
        DataError: as `splits.split`, where it is `required`.
    """
    stored = seen(dataset.table, extractor, store)
    likeness = Likeness.of(stored, config.check)
    dataset = split(_grouped(dataset, config, stored, likeness), config.data, config.seed, required)
    return dataset, collect(dataset.table, stored, likeness, config.check, config.seed)


def split_again(dataset: Dataset, extractor: FeatureExtractor, store: Store, config: Config) -> Dataset:
    """Split a dataset once more, as `check` does, without looking for anything but groups."""
    if config.data.group_by == NEAR_DUPLICATES:
        stored = seen(dataset.table, extractor, store)
        dataset = _grouped(dataset, config, stored, Likeness.of(stored, config.check))
    return split(dataset, config.data, config.seed)


def _grouped(dataset: Dataset, config: Config, stored: Seen, likeness: Likeness) -> Dataset:
    return dataset.grouped(likeness.names(stored)) if config.data.group_by == NEAR_DUPLICATES else dataset
