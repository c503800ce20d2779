"""The table of a run's exports: `exports.json`, one entry for each format and quantization, the SavedModel first."""

import json
import os
from pathlib import Path
from typing import Any

from transfer.errors import RunError
from transfer.exporters.formats import FLOAT16, INT8, LITERT, ONNX, SAVEDMODEL
from transfer.exporters.formats.measure import Measured
from transfer.runs import EXPORTS, Run
from transfer.system.resources import cores

Entry = dict[str, Any]
"""`format`, `quantization` (none, float16, int8), `file`, `bytes`, `runtime`, `threads`, and the results of `measure`."""

_FORMATS = {SAVEDMODEL: 0, LITERT: 1, ONNX: 2}
_QUANTIZATIONS = {"none": 0, FLOAT16: 1, INT8: 2}


def read(run: Run) -> list[Entry]:
    """Return the entries; none if the file is missing or damaged, since each export writes its entry again."""
    try:
        found = json.loads(run.whole(EXPORTS).read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError, RunError):
        return []
    return [entry for entry in found if isinstance(entry, dict) and "format" in entry] if isinstance(found, list) else []


def add(run: Run, new: list[Entry]) -> list[Entry]:
    """Write entries into a run's table, in place of those of the same format and quantization; return the whole table, in order."""
    entries = {(entry["format"], entry["quantization"]): entry for entry in (*read(run), *new)}
    table = [entries[key] for key in sorted(entries, key=lambda key: (_FORMATS.get(key[0], 9), _QUANTIZATIONS.get(key[1], 9)))]
    run.rewrite(EXPORTS, table)
    return table


def entry(run: Run, to: str, quantize: str | None, place: Path, size: int, facts: dict[str, Any], measured: Measured) -> Entry:
    """Return one entry.

    Args:
        run: to which the table belongs.
        to, quantize: format and quantization; None: weights in float32.
        place: the published file or folder.
        size: of it, in bytes.
        facts: its accuracy and, unless it is the SavedModel, its agreement with that.
        measured: its speed.
    """
    place, home = place.absolute(), run.path.absolute()
    return {
        "format": to,
        "quantization": quantize or "none",
        # Relative to the run if it is inside, so that the run can be moved.
        "file": os.fspath(place.relative_to(home) if place.is_relative_to(home) else place),
        "bytes": size,
        **facts,
        "latency_ms": round(measured.latency_ms, 3),
        "images_per_second": round(measured.images_per_second, 2),
        "runtime": measured.runtime,
        "threads": cores(),
    }


def bytes_of(place: Path) -> int:
    """Return the size of a file, or of all files in a folder, in bytes."""
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
