"""TensorBoard: a folder of event files, written by TensorFlow alone; the package `tensorboard` only shows them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from transfer.errors import OutputError
from transfer.system.files import write_text
from transfer.system.names import utf8
from transfer.tracking.record import Record

MARK = "transfer.json"
_SCALARS, _TEXT, _IMAGES = ("scalars", 1), ("text", 2), ("images", 3)
"""Names of TensorBoard's plugins, and their classes of data."""

_EVENTS = "events.out.tfevents.*"


def require_free(folder: Path, run: Path) -> None:
    """Check that a log can be written to a folder: a new one, or that of an earlier try of the same run, which is replaced.

    Raises:
        OutputError: if there is another log, or something else.
    """
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
        whose = json.loads((folder / MARK).read_text(encoding="utf-8")).get("run") if taken and (folder / MARK).is_file() else None
    except (OSError, ValueError, AttributeError):
        taken, whose = True, None
    if taken and whose != _name(run):
        raise OutputError(
            f"There is a log of this name already{f', of {whose}' if whose else ''}. Choose another name (logging.name) or folder "
            f"(logging.folder), or delete it. Received {str(folder)!r}."
        )


def _name(run: Path) -> str:
    return utf8(str(run.absolute()))


class TensorBoard:
    """Writes one log, epoch by epoch."""

    def __init__(self, folder: Path, run: Path) -> None:
        """Begin the log `folder` of the run at the path `run`; see `require_free`."""
        require_free(folder, run)
        self._folder = folder
        for old in folder.glob(_EVENTS) if folder.is_dir() else []:  # of a try that was interrupted, or of the run that is replaced
            old.unlink()
        write_text(folder / MARK, json.dumps({"run": _name(run)}) + "\n")
        self._writer = tf.summary.create_file_writer(str(folder))

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Record one row of the history."""
        for name, value in row.items():
            if name not in ("stage", "epoch") and value == value:
                self._scalar(f"{row['stage']}/{name}", float(value), int(row["epoch"]))
        self._writer.flush()

    def finish(self, record: Record) -> None:
        """Record all that is known at the end. What has no place in TensorBoard, files and models, is named by its path."""
        facts = {"data": record.source, "digest of the data": record.digest, "files": ", ".join(map(str, record.files))}
        self._text("settings", _table([["setting", "value"], *map(list, record.parameters.items())]))
        self._text("run", _table([["", ""], *([name, value] for name, value in facts.items() if value)]))
        for name, value in record.metrics.items():
            self._scalar(f"final/{name.replace('.', '/')}", value, 0)
        for name, png in record.figures.items():
            height, width, _ = tf.io.decode_png(png).shape
            self._write(name, tf.constant([f"{width}".encode(), f"{height}".encode(), png]), 0, _IMAGES)
        if record.children:
            self._text("trials", _trials(record))
        self._writer.close()

    def failed(self, why: str, parameters: Mapping[str, str]) -> None:
        """Record that the run failed."""
        self._text("failed", _cell(why))
        self._text("settings", _table([["setting", "value"], *map(list, parameters.items())]))
        self._writer.close()

    def _scalar(self, tag: str, value: float, step: int) -> None:
        self._write(tag, tf.constant(value, tf.float32), step, _SCALARS)

    def _text(self, tag: str, text: str) -> None:
        self._write(tag, tf.constant([utf8(text).encode()]), 0, _TEXT)

    def _write(self, tag: str, value: tf.Tensor, step: int, kind: tuple[str, int]) -> None:
        """Write a value as the plugin of TensorBoard reads it: `tf.summary.scalar` and the like are in the package `tensorboard`."""
        plugin, data_class = kind
        metadata = tf.compat.v1.SummaryMetadata
        metadata = metadata(data_class=data_class, plugin_data=metadata.PluginData(plugin_name=plugin))
        with self._writer.as_default(step):
            tf.summary.write(tag, value, metadata=metadata)


def _trials(record: Record) -> str:
    values = [{**child.parameters, **{name: f"{value:.6g}" for name, value in child.metrics.items()}} for child in record.children]
    names = list(dict.fromkeys(name for row in values for name in row))
    rows = [[child.name, *(row.get(name, "") for name in names)] for child, row in zip(record.children, values, strict=True)]
    return _table([["trial", *names], *rows])


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown; the first row is its head."""
    head, *others = rows
    return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in [head, ["---"] * len(head), *others])


def _cell(text: str) -> str:
    return utf8(text).replace("|", "\\|").replace("\n", " ")
