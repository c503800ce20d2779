"""Records -> the tables and the report of a comparison, each written atomically."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.evaluation import learning_curves, paired_differences
from transfer.reports.comparison import page, text
from transfer.system.checksums import checksum_of_file
from transfer.system.files import write_text
from transfer.system.sealed import write_json
from transfer.system.spreadsheet import to_csv
from transfer.workflows.comparison import folder as names
from transfer.workflows.comparison import tuning
from transfer.workflows.comparison.records import Record
from transfer.workflows.comparison.trials import Trial
from transfer.workflows.comparison.tuning import Tuned

COLUMNS = [
    "run", "method", "size", "images_per_class", "train_images", "validation_images", "test_images", "seed", "accuracy", "majority",
    "majority_class", "macro_f1", "log_loss", "ece", "val_accuracy", "best_epoch", "epochs", "truncate_at", "parameters_trained",
    "parameters_total", "seconds_frozen", "seconds_training", "seconds", "energy_wh", "energy_source",
]  # fmt: skip


def runs(found: Sequence[tuple[Trial, Record]], methods: Sequence[str], classes: int) -> pd.DataFrame:
    """Return one row per run (columns `COLUMNS`), ordered by method, then size, then seed."""
    ordered = sorted(found, key=lambda pair: methods.index(pair[0].method))  # stable: sizes and seeds stay in order
    rows = []
    tested: dict[str, Any] = {}
    for trial, record in ordered:
        if not tested:  # always the same images
            counts = trial.dataset.rows("test")["label"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
            tested = {"majority": counts.iloc[0] / counts.sum(), "majority_class": counts.index[0]}
        facts: dict[str, Any] = {"run": trial.name, "method": trial.method, "size": trial.size, "seed": trial.seed}
        facts |= asdict(record) | tested | {"images_per_class": record.train_images / classes}
        rows.append(facts | {"seconds": record.seconds_frozen + record.seconds_training})
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype({"energy_wh": float})


def predictions(found: Sequence[tuple[Trial, Record]], test: pd.DataFrame, classes: Sequence[str], order: Sequence[str]) -> pd.DataFrame:
    """Return one row per test image: path, label, and the class predicted by each run.

    Args:
        test: rows of the test split.
        order: names of the runs, in the order of the columns.
    """
    predicted = {trial.name: [classes[number] for number in record.predicted] for trial, record in found}
    columns = {"path": list(test["path"]), "label": list(test["label"])} | {run: predicted[run] for run in order}
    return pd.DataFrame(columns, dtype=object)


def write(
    folder: Path, table: pd.DataFrame, predicted: pd.DataFrame, settings: str, reference: str | None, facts: Mapping[str, Any],
    searches: Sequence[Tuned] = (),
) -> None:  # fmt: skip
    """Write all tables and the report.

    Args:
        table, predicted: results of `runs` and `predictions`.
        settings: settings of the comparison, as YAML.
        reference: method that the others are compared with; none: all pairs.
        facts: further content of `comparison.json`.
        searches: for settings, before the comparison.
    """
    found = [one.facts() for one in searches]
    summary = learning_curves.summary(table)
    paired = paired_differences.paired(table, predicted, reference)
    paragraph = text.paragraph(table, summary, paired)
    _csv(folder / names.RUNS, table)
    _csv(folder / names.PREDICTIONS, predicted)
    _csv(folder / names.SUMMARY, summary)
    _csv(folder / names.PAIRED, paired)
    if searches:
        _csv(folder / names.TUNING, tuning.table(searches))
    shown = {"Data": str(facts["data"]), "Validation": str(facts["validation"])} | {"Note": " ".join(facts["notes"])}
    told = {name: value for name, value in shown.items() if value}
    tuned = [one | {"chosen": tuning.shown(one["chosen"]) or "as configured"} for one in found]
    rendered = page.render(folder.name, table, summary, paired, settings, told, tuned)
    write_text(folder / names.REPORT, rendered)
    # Last: if it exists, all files do, and are those that it was written for.
    checksums = {name: checksum_of_file(folder / name) for name in (*names.TABLES, *([names.TUNING] if searches else []))}
    write_json(folder / names.FACTS, dict(facts) | {"tuning": found, "paragraph": paragraph, names.CHECKSUMS: checksums}, indent=2)


def _csv(path: Path, table: pd.DataFrame) -> None:
    write_text(path, to_csv(table))
