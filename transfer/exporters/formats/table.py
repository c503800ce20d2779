"""The table of a run's exports: `exports.json`, one entry a format and quantization, the SavedModel first."""

import json
from typing import Any

from transfer.exporters.formats.request import FORMATS, QUANTIZATIONS, SAVEDMODEL
from transfer.runs import EXPORTS, Run
from transfer.system.files import write_text

Entry = dict[str, Any]
"""`format`, `quantization` (none, float16, int8), `file`, `bytes`, `runtime`, `threads`, and what `measure` found."""

_ORDER = {name: number for number, name in enumerate((SAVEDMODEL, *(name for name in FORMATS if name != SAVEDMODEL)))}
_QUANTIZATIONS = {name: number for number, name in enumerate(("none", *reversed(QUANTIZATIONS)))}


def read(run: Run) -> list[Entry]:
    """Return the entries kept so far; none where the file is missing or damaged: they are made again with each export."""
    try:
        found = json.loads((run.path / EXPORTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [entry for entry in found if isinstance(entry, dict) and "format" in entry] if isinstance(found, list) else []


def merged(entries: list[Entry], new: list[Entry]) -> list[Entry]:
    """Return entries with new ones in the place of those of the same format and quantization, in the order of the table."""
    replaced = {_key(entry) for entry in new}
    kept = [entry for entry in entries if _key(entry) not in replaced]
    return sorted([*kept, *new], key=lambda entry: (_ORDER.get(entry["format"], 9), _QUANTIZATIONS.get(entry["quantization"], 9)))


def write(run: Run, entries: list[Entry]) -> None:
    """Keep the entries with the run."""
    write_text(run.path / EXPORTS, json.dumps(entries, indent=2) + "\n")


def text(entries: list[Entry]) -> str:
    """Return the table for the terminal."""
    lines = [
        f"{'format':10}  {'quantized':9}  {'MB':>7}  {'test accuracy (95 %)':23}  {'same label':>10}  {'largest difference':>18}  "
        f"{'ms/image':>10}  {'images/s':>10}  file"
    ]
    for entry in entries:
        low, high = entry["accuracy_ci95"]
        same = f"{entry['same_label']:10.3f}  {entry['largest_difference']:18.2g}" if "same_label" in entry else f"{'':10}  {'':18}"
        speed = f"{entry['latency_ms']:#10.3g}  {entry['images_per_second']:10,.1f}"
        lines.append(
            f"{entry['format']:10}  {entry['quantization']:9}  {entry['bytes'] / 1e6:7.1f}  "
            f"{entry['accuracy']:.3f} ({low:.3f} to {high:.3f})  {same}  {speed}  {entry['file']}"
        )
    return "\n".join(lines)


def _key(entry: Entry) -> tuple[str, str]:
    return entry["format"], entry["quantization"]
