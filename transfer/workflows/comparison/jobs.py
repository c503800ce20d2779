"""The runs that a comparison is made of: method x size x seed, each with its images and its name."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from transfer.config import Config
from transfer.config.comparison import ComparisonConfig
from transfer.data import dataset as manifests
from transfer.data import subsets
from transfer.workflows.comparison import records
from transfer.workflows.comparison.shared import Method


@dataclass(frozen=True)
class Job:
    """One run to be made, or made already.

    Attributes:
        config: of the method, with the run's own seed.
        rows: the used images of all three splits, a part of the manifest.
        identity: name of its record.
    """

    method: Method
    size: str
    seed: int
    config: Config = field(repr=False)
    rows: pd.DataFrame = field(repr=False)
    identity: str

    @property
    def run(self) -> str:
        """How the tables call it."""
        return f"{self.method.name}-{self.size}-{self.seed}"


def jobs(settings: ComparisonConfig, methods: Sequence[Method], manifest: pd.DataFrame) -> tuple[list[Job], str]:
    """Return all runs, size by size, so that an interrupted comparison can be read already.

    Returns:
        The runs, and a sentence on sizes beyond the data; empty where there are none.
    """
    usable = manifests.used(manifest)
    splits = {split: usable[usable["split"] == split] for split in manifests.SPLITS}
    classes = manifests.class_names(manifest)
    most = max(subsets.distinct(splits["train"]).values())
    sizes, beyond = subsets.collapsed(settings.sizes, most)
    proportional = settings.validation == "proportional"
    made = []
    for size in sizes:
        for seed in settings.seeds:
            kept = subsets.subset(splits["train"], splits["validation"], size, seed, proportional)
            # In the order of the manifest, as `fit` has them.
            rows = usable[usable.index.isin(kept) | (usable["split"] == "test")]
            for method in methods:
                config = method.prepared.config.updated(seed=seed)
                name = records.identity(config, method.extractor.feature_set.id, classes, rows)
                made.append(Job(method, str(size), seed, config, rows, name))
    return made, _told(beyond, most)


def _told(beyond: Sequence[subsets.Size], most: int) -> str:
    if not beyond:
        return ""
    listed = ", ".join(str(size) for size in beyond)
    return f"No class has more than {most} training images: {'size' if len(beyond) == 1 else 'sizes'} {listed} are run as all."
