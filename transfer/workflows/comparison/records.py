"""Records of finished trials: one file per trial, named by the identity of the result. A damaged one counts as missing."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from transfer.system.sealed import read_json, write_json
from transfer.workflows.comparison.folder import RECORDS


@dataclass(frozen=True)
class Record:
    """The result of one trial.

    Attributes:
        accuracy, macro_f1, log_loss, ece: on the test images; see `evaluation.metrics`.
        parameters_trained, parameters_total: of the classifier from images to probabilities.
        seconds_frozen, seconds_training: cost of feature extraction and of training, without stored features.
        energy_wh: of both; None if it was not measured.
        co2_g: of both; None if it was not estimated.
        energy_source: `counter`, `estimate`, or empty.
        predicted: class number of each test image, in the order of the manifest.
    """

    train_images: int
    validation_images: int
    test_images: int
    accuracy: float
    macro_f1: float
    log_loss: float
    ece: float
    val_accuracy: float
    best_epoch: int
    epochs: int
    truncate_at: str
    parameters_trained: int
    parameters_total: int
    seconds_frozen: float
    seconds_training: float
    energy_wh: float | None
    co2_g: float | None
    energy_source: str
    predicted: list[int] = field(repr=False)


def read(folder: Path, name: str) -> Record | None:
    """Return the record of a trial; None if there is none, it is damaged, or an earlier version wrote it."""
    content = read_json(place(folder, name))
    if content is None or content.get("identity") != name or not {item.name for item in fields(Record)} <= set(content):
        return None
    return Record(**{item.name: content[item.name] for item in fields(Record)})


def write(folder: Path, name: str, record: Record, told: dict[str, Any]) -> None:
    """Write the record of a trial atomically.

    Args:
        told: also written, for readers: method, size, seed.
    """
    write_json(place(folder, name), {"identity": name} | told | asdict(record))


def place(folder: Path, name: str) -> Path:
    """Return the file of a record."""
    return folder / RECORDS / f"{name}.json"
