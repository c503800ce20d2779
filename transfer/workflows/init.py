"""`transfer init`: a configuration file for a folder of images, with sensible values and every other key to look at."""

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from transfer.config import Config
from transfer.config.commented import commented
from transfer.data import sources
from transfer.models.registry import Backbone, find
from transfer.system import shell
from transfer.system.files import require_place, write_text
from transfer.system.names import printable
from transfer.system.progress import Progress
from transfer.workflows.settings import data_name, resolve, with_source

_SMALLEST, _STEP = 64, 32  # pixels
_LISTED = 20  # classes
_SERIES = r"([^/]+?)[-_ .]?\d+\.[^./]+$"
"""Files of a series: the same name, and a number at the end."""


@dataclass(frozen=True)
class Initialised:
    """A file that was written.

    Attributes:
        path: of it.
        classes: class -> number of its images.
        settings: dotted key -> value, of the keys that are set in it.
        group_by: an expression by which images may belong together; empty: none was seen.
    """

    path: Path
    classes: dict[str, int]
    settings: dict[str, Any]
    group_by: str


def init(data: str, output: str | os.PathLike[str] | None, backbone: str, progress: Progress) -> Initialised:
    """Write a commented configuration file for a source of images. No image is decoded, and nothing is written beside them.

    Args:
        data: folder, archive or table.
        output: the file; none: `<name of the data>.yaml` in the current folder. It must not exist.
        backbone: a backbone or a network from scratch.

    Raises:
        ConfigError, DataError: if the source or the network cannot be used.
        OutputError: if the file exists or is among the images.
    """
    config = with_source(data, [{"backbone": backbone}])
    path = Path(output) if output is not None else Path(f"{data_name(str(config.data.source))}.yaml")
    require_place(path, sources.own(config.data), expected="a new file (--output)")
    rows = sources.read(config.data, progress).used
    counts = dict(sorted(Counter(map(str, rows["label"])).items(), key=lambda item: (-item[1], item[0])))
    chosen = {"backbone": config.backbone, "image_size": _image_size(rows, config), "data.source": data}
    series = _series(rows)
    remarks = {"image_size": _sides(rows)} | ({"data.group_by": series.sentence} if series else {})
    listed = [f"    {count:,} {printable(name)}" for name, count in list(counts.items())[:_LISTED]]
    more = [f"    and {len(counts) - _LISTED:,} more classes"] if len(counts) > _LISTED else []
    heading = [
        shell.command("fit", "--config", path),
        "",
        f"{sum(counts.values()):,} images in {len(counts):,} classes:",
        *listed,
        *more,
        "",
        "What is commented out is as it would be without this file. To set a key, remove the ",  # " before it and before its section.",
    ]
    write_text(
        path, commented(resolve([{"backbone": config.backbone}]), chosen, heading, {key: text for key, text in remarks.items() if text})
    )
    return Initialised(path, counts, chosen, series.pattern if series else "")


def _image_size(rows: pd.DataFrame, config: Config) -> int:
    """Return the network's own side or, for a backbone and smaller images, about theirs: to enlarge them costs time and gains little."""
    network = find(config.backbone)
    if not isinstance(network, Backbone) or not len(rows):
        return int(config.image_size or network.size)
    short = float(rows[["width", "height"]].min(axis=1).median())
    fitting = max(_SMALLEST, network.smallest, -(-int(short) // _STEP) * _STEP)
    return min(network.size, fitting)


def _sides(rows: pd.DataFrame) -> str:
    if not len(rows):
        return ""
    short = rows[["width", "height"]].min(axis=1)
    return (
        f"The shorter side of these images is {short.min():,} to {short.max():,} pixels, half of them have {short.median():,.0f} or less."
    )


@dataclass(frozen=True)
class _Series:
    pattern: str
    sentence: str


def _series(rows: pd.DataFrame) -> _Series | None:
    """Return how files seem to belong together by their names, `patient7_01.png`; None if they do not."""
    names = [(os.path.dirname(path), found[1]) for path in rows["path"] if (found := re.search(_SERIES, str(path)))]  # noqa: PTH120 - many
    groups = Counter(names)
    several = {name: count for name, count in groups.items() if count > 1}
    # One series for each class is how files are numbered; many small ones are what was taken of one object or person.
    if sum(several.values()) < 0.5 * len(rows) or len(several) < 3 * rows["label"].nunique():
        return None
    (_, example), count = max(several.items(), key=lambda item: item[1])
    sentence = (
        f"Names here look like {len(several):,} series, such as {count} files {printable(example)!r} with numbers. If a series shows one "
        f"object or person, it must not be divided: {_SERIES}"
    )
    return _Series(_SERIES, sentence)
