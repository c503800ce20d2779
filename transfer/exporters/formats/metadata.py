"""What a file says of itself: labels, size of the images, where it comes from. Readable without this package.

ONNX: `metadata_props`, text by name; `labels` is a JSON list. LiteRT: a ZIP archive behind the model, as in TFLite Model
Metadata, whose readers and any unzip program find `labels.txt` (one a line) and `metadata.json` in it; runtimes ignore it.
"""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

from transfer.exporters.formats.request import ENDINGS, LITERT, ONNX

FACTS, LABELS = "metadata.json", "labels.txt"


def facts(
    run: str, labels: list[str], size: int, resize: str, outputs: list[str], quantize: str | None, version: str, accuracy: float
) -> dict[str, Any]:
    """Return what is written into a file.

    Args:
        run: name of the run.
        labels: in the order of the probabilities.
        size: side of the images in pixels.
        resize: how an image becomes square: stretch, pad or crop (`data.resize`).
        outputs: names.
        quantize: int8, float16 or none.
        version: of this package.
        accuracy: of this very file on the test images.
    """
    return {
        "labels": labels,
        "size": size,
        "resize": resize,
        "input": f"images: float32 [n, {size}, {size}, 3], RGB in 0..255",
        "outputs": outputs,
        "run": run,
        "quantization": quantize or "none",
        "test_accuracy": round(accuracy, 6),
        "made_by": f"transfer {version}",
    }


def add(file: Path, to: str, content: dict[str, Any]) -> None:
    """Write facts into a file of a format."""
    if to == ONNX:
        import onnx

        model = onnx.load(file)
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in content.items()}
        onnx.helper.set_model_props(model, texts)
        onnx.save(model, file)
        return
    lines = b"".join(os.fsencode(label) + b"\n" for label in content["labels"])
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zipfile.ZipInfo(LABELS), lines)  # without the time: the same export gives the same bytes
        archive.writestr(zipfile.ZipInfo(FACTS), json.dumps(content, indent=2))


def read(file: Path) -> dict[str, Any]:
    """Return the facts in a .onnx or .tflite file of this package."""
    return read_as(file, ONNX if file.suffix == ENDINGS[ONNX] else LITERT)


def read_as(file: Path, to: str) -> dict[str, Any]:
    """Do as `read` for a file of whatever name."""
    if to == ONNX:
        import onnx

        texts = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
        numbers = {name: json.loads(texts[name]) for name in ("labels", "size", "outputs", "test_accuracy")}
        return texts | numbers
    with zipfile.ZipFile(file) as archive:
        content: dict[str, Any] = json.loads(archive.read(FACTS))
    return content
