"""What the benchmarks share."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def used_rows(folder: Path, count: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Return `count` distinct usable images of a folder (none: all), drawn at random, as rows of a manifest."""
    from transfer.config import DataConfig
    from transfer.data import dataset, sources
    from transfer.system.progress import Silent

    rows = dataset.used(sources.read(DataConfig(source=str(folder)), Silent()).table).drop_duplicates("digest")
    count = len(rows) if count is None else count
    if len(rows) < count:
        raise SystemExit(f"{folder} holds {len(rows)} usable images; {count} are needed.")
    chosen = np.random.default_rng(seed).choice(len(rows), count, replace=False)
    return rows.iloc[np.sort(chosen)].reset_index(drop=True)


def run(command: list[str], environment: dict[str, str], folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, in a folder; where it fails, end with what it said."""
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return done


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, instructions, TensorFlow."""
    from transfer.system.devices import machine

    return machine()


def used_folder(folder: Path, target: Path) -> Path:
    """Link the usable images of a folder into `target`: Keras's guide stops at the first unreadable one."""
    from transfer.config import DataConfig
    from transfer.data import dataset, sources
    from transfer.system.progress import Silent

    for row in dataset.used(sources.read(DataConfig(source=str(folder)), Silent()).table).itertuples():
        link = target / row.path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((folder / row.path).absolute())
    return target
