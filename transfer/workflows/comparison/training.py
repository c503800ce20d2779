"""The trainings of a comparison, wherever an engine runs them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from transfer.config import Config
from transfer.data.dataset import Dataset
from transfer.engines import Engine, Lost
from transfer.errors import TransferError
from transfer.system.energy import Meter
from transfer.training.feature_dataset import FeatureDataset, sent
from transfer.workflows.comparison import trials as trials_module
from transfer.workflows.comparison.costs import Rate
from transfer.workflows.comparison.records import Record
from transfer.workflows.comparison.trials import Trial


@dataclass(frozen=True)
class Asked:
    """A trial that shall be trained; its images and their features are the trainer's.

    Attributes:
        rows: index labels of its images in the dataset, int [n].
    """

    method: str
    size: str
    seed: int
    config: Config = field(repr=False)
    rows: np.ndarray = field(repr=False)
    identity: str


@dataclass(frozen=True)
class Trainer:
    """Trains trials. Sent to another machine, it takes the records of their images with it, once for all trials; see `sent`.

    Attributes:
        features: method and seed -> the images of all trials.
        rates: cost of the frozen pass of each method per image; measured where the images are.
        meter: measures the energy of a training.
    """

    features: Mapping[tuple[str, int], FeatureDataset]
    rates: Mapping[str, Rate]
    meter: Meter

    @classmethod
    def of(cls, wanted: Sequence[Trial], dataset: Dataset, rates: Mapping[str, Rate], meter: Meter) -> "Trainer":
        """Return what trains these trials, whose images are among those of a dataset."""
        rows = np.unique(np.concatenate([trial.dataset.table.index for trial in wanted]))
        images = replace(dataset, table=dataset.used[dataset.used.index.isin(rows)])
        return cls({(trial.method, trial.seed): replace(trial.features, dataset=images) for trial in wanted}, rates, meter)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (sent(self.features), self.rates, self.meter)

    def __call__(self, asked: Asked) -> Record | str:
        """Train and evaluate one trial; return its record, or why it failed."""
        features = self.features[asked.method, asked.seed]
        images = replace(features.dataset, table=features.dataset.used.loc[asked.rows])
        features = replace(features, dataset=images, config=asked.config)
        try:
            trial = Trial(asked.method, asked.size, asked.seed, features, asked.identity)
            return trials_module.train_trial(trial, self.rates[asked.method], self.meter)
        except TransferError as error:
            return str(error)


def outcomes(wanted: Sequence[Trial], trainer: Trainer, engine: Engine) -> Iterator[Record | str]:
    """Train trials, and yield for each, in order, its record, or why it has none.

    Those whose cut point is chosen first and whose whole maps are then computed read images: they are trained in this process.
    """
    elsewhere = engine.map(trainer, [_asked(trial) for trial in wanted if not _reads_images(trial.config)])
    for trial in wanted:
        outcome = trainer(_asked(trial)) if _reads_images(trial.config) else next(elsewhere)
        yield outcome.reason if isinstance(outcome, Lost) else outcome


def _asked(trial: Trial) -> Asked:
    return Asked(trial.method, trial.size, trial.seed, trial.config, trial.dataset.table.index.to_numpy(), trial.identity)


def _reads_images(config: Config) -> bool:
    return config.truncate_at == "auto" and config.head.pooling == "flatten"
