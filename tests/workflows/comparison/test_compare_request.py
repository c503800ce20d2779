"""What is known to be wrong with a comparison is said before TensorFlow starts."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.workflows.comparison.tiny import pair
from transfer.cli import main
from transfer.errors import ConfigError, DataError, OutputError, RunError
from transfer.workflows.comparison import folder
from transfer.workflows.comparison.folder import Comparison
from transfer.workflows.requests import compare_request

ROOT = Path(__file__).resolve().parents[3]


def test_the_folder_is_called_like_the_data(image_folder: Callable[..., Path], tmp_path: Path) -> None:
    request = compare_request(image_folder(count=3), [pair()], output=tmp_path / "out")
    assert request.folder == tmp_path / "out" / "data"
    assert request.configs["hidden"].network.dense == (4,)
    assert request.configs["hidden"].data == request.configs["linear"].data


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"methods.hidden.image_size": 4}, r"methods\.hidden: .*image_size"),
        ({"methods.hidden.backbone": "mpl"}, r"methods\.hidden: backbone: .*Did you mean 'mlp'"),
        ({"methods.hidden": {"backbone": "vgg16", "truncate_at": "block9"}}, r"methods\.hidden: "),
        ({"methods.hidden.cross_validation.folds": 3}, r"methods\.hidden: cross_validation\.folds: a comparison repeats its trials"),
        ({"methods.hidden.truncate_at": "block4_pool"}, r"methods\.hidden: truncate_at"),
        ({"common.data.test": 0.9}, r"methods\.linear: .*data\.test"),
        ({"methods.twin": {"backbone": "mlp", "network.dense": []}}, "Received identical methods.linear and methods.twin"),
        ({"energy": "auto", "country": "QQQ"}, "Unknown country"),
        ({"methods.hidden.engine.kind": "ray"}, "share the same images, seeds and engine. Set engine.kind in common"),
        ({"common.engine.kind": "spark"}, r"engine\.kind"),
    ],
)
def test_a_method_that_cannot_be_is_refused_by_its_name(
    image_folder: Callable[..., Path], tmp_path: Path, wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        compare_request(image_folder(count=3), [pair(), wrong], output=tmp_path / "out")


def test_without_ray_the_commands_say_what_to_install(
    image_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find, data = importlib.util.find_spec, str(image_folder(count=3))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "ray" else find(name, *more))
    for command in ("compare", "tune"):
        with pytest.raises(SystemExit) as ended:
            main([command, data, "--engine", "ray", "--output", str(tmp_path / "out")])
        said = capsys.readouterr().err
        assert ended.value.code == 2 and said.count("\n") == 1
        assert 'pip install "keras-transfer[ray]"' in said and "Received engine.kind=ray." in said
    assert not (tmp_path / "out").exists()


def test_data_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        compare_request(tmp_path / "none", [pair()], output=tmp_path / "out")
    with pytest.raises(ConfigError, match="DATA is missing"):
        compare_request(None, [pair()], output=tmp_path / "out")


@pytest.mark.parametrize("name", ["", ".hidden", "a\nb", "a/b", "..", "x" * 151])
def test_a_name_that_is_no_folder_is_refused(image_folder: Callable[..., Path], tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="--name must be a folder name"):
        compare_request(image_folder(count=3), [pair()], name, tmp_path / "out")


def test_nothing_is_written_into_the_data_or_beside_strange_files(image_folder: Callable[..., Path], tmp_path: Path) -> None:
    data = image_folder(count=3)
    with pytest.raises(OutputError, match="nothing is written"):
        compare_request(data, [pair()], "green", data)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    with pytest.raises(OutputError, match="earlier comparison"):
        compare_request(data, [pair()], "mine", tmp_path)
    assert list((tmp_path / "mine").iterdir()) == [tmp_path / "mine" / "letter.txt"]


def test_a_folder_without_finished_runs_is_no_comparison(tmp_path: Path) -> None:
    (tmp_path / folder.RECORDS).mkdir()
    with pytest.raises(RunError, match="no comparison"):
        Comparison(tmp_path)


def test_a_plan_is_refused_without_tensorflow(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom transfer.cli import main\n"
        "try:\n    main(['compare', sys.argv[1], '--config', 'configs/compare.yaml', '--set', 'methods.lenet.truncate_at=top3'])\n"
        "except SystemExit as done:\n    assert done.code == 2\n"
        "assert not {'tensorflow', 'codecarbon'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "methods.lenet: truncate_at" in done.stderr
