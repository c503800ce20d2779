"""What comes from elsewhere is opened in one place each, and nowhere around it; nothing is unpickled."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = sorted((ROOT / "transfer").rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OPENING = "transfer/data/decoding/opening.py"

ONLY_IN = {
    "Image.open": {OPENING},
    "Image.register_open": set(),
    # The second goes into a model that MLflow loads by itself, without this package: see its docstring.
    "saved_model.load": {"transfer/exporters/foreign.py", "transfer/tracking/mlflow_model.py"},
    "saving.load_model": {"transfer/models/keras_file.py", "transfer/models/weights.py", "transfer/exporters/verify.py"},
    "model.load_weights": {"transfer/models/weights.py"},
    "rawpy.imread": {"transfer/data/decoding/raw.py"},
    "h5py.File": {"transfer/models/keras_file.py"},
    "yaml.load": {"transfer/config/yaml_text.py"},
}
"""The last two parts of what is called -> the files that may."""

NEVER = {
    "ImageFile.Parser", "ImageFile.ImageFile", "ImageShow.show", "models.load_model", "saving.load_weights", "layers.TFSMLayer",
    "saved_model.load_v2", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "pd.read_pickle", "pd.read_hdf", "joblib.load",
    "pickle.load", "pickle.loads", "marshal.loads", "os.system", "os.popen", "utils.load_img", "utils.image_dataset_from_directory",
}  # fmt: skip
OWN_RUN = {"models.load_model", "saved_model.load"}
"""What notebooks do, with a run that they have just made."""

NEVER_NAMED = {"load_img", "eval", "exec", "__import__", "unsafe_load", "enable_unsafe_deserialization", "load_op_library"}
NEVER_IMPORTED = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal", "imageio", "cv2", "skimage"}
FROM_PILLOW = {"Image", "ImageOps", "UnidentifiedImageError"}


def code_of(file: Path) -> str:
    if file.suffix != ".ipynb":
        return file.read_text(encoding="utf-8")
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    lines = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code").splitlines()
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls in a file, each with the last two parts of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ".".join(ast.unparse(node.func).split(".")[-2:]), node


@pytest.mark.parametrize("file", [*PACKAGE, *NOTEBOOKS], ids=lambda file: str(file.relative_to(ROOT)))
def test_files_from_elsewhere_are_opened_in_one_place_each(file: Path) -> None:
    name, tree = file.relative_to(ROOT).as_posix(), ast.parse(code_of(file))
    for called, node in calls(tree):
        if file.suffix == ".ipynb" and called in OWN_RUN:
            continue
        assert called not in NEVER, f"{name}:{node.lineno}"
        assert not called.endswith("imread") or called in ONLY_IN, f"{name}:{node.lineno}"
        assert called.rpartition(".")[2] not in NEVER_NAMED, f"{name}:{node.lineno}"
        if called in ONLY_IN:
            assert name in ONLY_IN[called], f"{name}:{node.lineno}"
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called == "Image.open":
            assert "FORMATS" in given["formats"]
        if called == "np.load":
            assert given["allow_pickle"] == "False", f"{name}:{node.lineno}"
        if called == "saving.load_model":
            assert given["safe_mode"] in ("True", "not trust"), f"{name}:{node.lineno}"
        if called == "yaml.load":
            assert ast.unparse(node.args[1]) == "_Loader"


@pytest.mark.parametrize("file", [*PACKAGE, *NOTEBOOKS], ids=lambda file: str(file.relative_to(ROOT)))
def test_no_import_leads_around_it(file: Path) -> None:
    tree = ast.parse(code_of(file))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module, names = node.module or "", {one.name for one in node.names}
            assert module.partition(".")[0] not in NEVER_IMPORTED
            assert module != "PIL" or names <= FROM_PILLOW
            assert module != "PIL.Image" or names == {"Image"}
            assert not module.startswith("PIL.") or module == "PIL.Image"
            assert not {"load_model", "load_weights"} & names or module.startswith("transfer")
        if isinstance(node, ast.Import):
            assert not {one.name.partition(".")[0] for one in node.names} & (NEVER_IMPORTED | {"PIL"})
        if isinstance(node, ast.Attribute) and node.attr == "open" and ast.unparse(node.value).endswith("Image"):
            assert file.as_posix().endswith(OPENING)  # also where it is given a name of its own
