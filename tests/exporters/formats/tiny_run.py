"""A finished run with a small network, real files and a real SavedModel, whose weights are as they were drawn."""

import hashlib
import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conftest import made_up_image
from tests.models.scratch.scratch_models import build
from tests.reports.made_up_run import write_run
from transfer.config import DataConfig
from transfer.data import dataset as manifests
from transfer.data.pipeline import ImageSpec
from transfer.evaluation.ood import Reference
from transfer.exporters import saved_model
from transfer.models import joined, parts
from transfer.models.backbones import building_in
from transfer.runs import MANIFEST, MODEL, OOD_REFERENCE, Run

if any(importlib.util.find_spec(name) is None for name in ("ai_edge_litert", "ai_edge_quantizer", "onnxruntime", "tf2onnx")):
    pytest.skip("needs: pip install -e '.[litert,onnx]'", allow_module_level=True)

CLASSES = ("blue", "green", "red")
TEST = 9


def lenet() -> keras.Model:
    """Return a small LeNet with its softmax: convolutions, two hidden dense layers, a last one."""
    return joined.from_scratch(build("lenet", 16, filters=(4, 6), dense=(12, 8)))


def lenet_in_bfloat16() -> keras.Model:
    """Return the same network computing in bfloat16."""
    with building_in("bfloat16"):
        return lenet()


def colours() -> keras.Model:
    """Return a network without weights that is right for every image: the class is the brightest channel."""
    images = keras.Input((16, 16, 3))
    means = keras.layers.GlobalAveragePooling2D()(images)
    return keras.Model(images, keras.layers.Softmax()(keras.layers.Rescaling(1 / 16)(means)))


def write(folder: Path, make: Callable[[], keras.Model] = lenet, name: str = "run", **settings: object) -> Run:
    """Write `folder/data` and the run `folder/<name>`; return the run."""
    model = make()
    size = model.input_shape[1]
    run = write_run(folder / name, CLASSES, data__source=str(folder / "data"), image_size=size, **settings)
    _write_data(folder / "data", run.path / MANIFEST)
    model.save(run.path / MODEL)
    reference = _reference(model, size)
    shutil.rmtree(run.path / "export" / "1")
    saved_model.write(model, list(CLASSES), ImageSpec(size, DataConfig()), reference, run.path / "export" / "1")
    reference.write(run.path / OOD_REFERENCE)
    return Run(run.path)


def _write_data(root: Path, manifest: Path) -> None:
    rows = []
    for split, count in (("train", 15), ("validation", 3), ("test", TEST)):
        for index in range(count):
            label = CLASSES[index % len(CLASSES)]
            file = root / label / f"{split}{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            made_up_image(index, (20 + index, 18), index).save(file)
            data = file.read_bytes()
            path = file.relative_to(root).as_posix()
            rows.append((path, label, split, "", "used", "", "", "", hashlib.sha256(data).hexdigest(), len(data), "PNG", 20, 18, 0))
    manifests.write(manifests.pd.DataFrame(rows, columns=manifests.COLUMNS, dtype=object), manifest)


def _reference(model: keras.Model, size: int) -> Reference:
    taken = parts.take_apart(model)
    images = np.random.default_rng(1).integers(0, 256, (12, size, size, 3)).astype(np.float32)
    maps = taken.maps(images)
    embeddings = np.asarray(taken.embedding(maps, taken.vector(maps)), np.float32)
    return Reference(embeddings, [str(number) for number in range(12)], ["red"] * 12, 3, 0.1, [b""] * 12)
