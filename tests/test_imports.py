"""Imports run one way, files and functions stay short, and the documented names are there."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import transfer

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "transfer").rglob("*.py"))


def test_the_contracts_of_import_linter_hold() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    done = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
    assert "0 kept" not in done.stdout


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_and_functions_stay_short(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 250
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert {name: lines for name, lines in long.items() if lines > 60} == {}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_file_says_what_it_is_for(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body


@pytest.mark.parametrize("name", transfer.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(transfer, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fti'"):
        _ = transfer.fti


def test_completion_shows_the_public_names_and_nothing_else() -> None:
    assert dir(transfer) == sorted(transfer.__all__)


NOT_IMPORTED = """
import sys
{statement}
heavy = {{"tensorflow", "keras", "pandas", "numpy", "matplotlib", "sklearn", "lmdb"}} & set(sys.modules)
sys.exit(f"imported: {{heavy}}" if heavy else 0)
"""


@pytest.mark.parametrize(
    "statement",
    [
        "import transfer",
        "from transfer import Config, TransferError",
        "import transfer.cli",
        "from transfer.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit as done:\n    assert done.code == 0",
        "from transfer.cli import main\ntry:\n    main(['fit', '--help'])\nexcept SystemExit as done:\n    assert done.code == 0",
        "from transfer.cli import main\ntry:\n    main(['--version'])\nexcept SystemExit as done:\n    assert done.code == 0",
    ],
)
def test_help_and_plain_imports_load_nothing_heavy(statement: str) -> None:
    done = subprocess.run([sys.executable, "-c", NOT_IMPORTED.format(statement=statement)], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_a_plan_is_checked_without_tensorflow(tmp_path: Path) -> None:
    """What is wrong with the settings is said before TensorFlow takes its seconds."""
    program = (
        "import sys\nfrom transfer.cli import main\n"
        "try:\n    main(['fit', sys.argv[1], '--set', 'truncate_at=block9'])\nexcept SystemExit as done:\n    assert done.code == 2\n"
        "assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
