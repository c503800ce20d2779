"""`transfer predict`: what is printed and written, and every mistake as one line before TensorFlow starts."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from tests.conftest import made_up_image
from tests.data.decoding.drawings import DRAWINGS
from tests.reports.made_up_run import COLOURS, write_run
from transfer import cli
from transfer.runs import Run

pytestmark = pytest.mark.usefixtures("each_export_is_loaded_once")

Result = tuple[int, str, list[str]]
Call = Callable[..., Result]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "run", export=True)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "a").mkdir(parents=True)
    for number in range(5):
        made_up_image(number, tint=number).save(folder / "a" / f"{number}.png")
    return folder


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], run: Run) -> Iterator[Call]:
    """Return a function that runs `transfer predict RUN ...` in this process: exit status, what was printed, lines of errors."""
    before = signal.getsignal(signal.SIGTERM)

    def predict(*arguments: object, of: Path = run.path) -> Result:
        with pytest.raises(SystemExit) as done:
            cli.main(["predict", str(of), *map(str, arguments)])
        captured = capsys.readouterr()
        return int(done.value.code or 0), captured.out, captured.err.splitlines()

    yield predict
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("name", ["out.csv", "new folder/out.PARQUET"])
def test_the_table_is_written_and_its_counts_are_printed(call: Call, data: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    status, printed, lines = call(data, "--output", file)
    assert status == 0
    assert printed.splitlines()[0] == f"5 images classified, 0 not: {file}"
    assert [line.split() for line in printed.splitlines()[1:4]] == [["red", "2"], ["green", "2"], ["blue", "1"]]
    assert lines[-1].startswith("Predicting: 5 images")
    table = pd.read_csv(file) if file.suffix == ".csv" else pd.read_parquet(file)
    assert list(table.columns) == ["path", "label", "score", "ood_score", "is_ood", "error", *COLOURS]
    assert list(table["path"]) == [str(data / "a" / f"{number}.png") for number in range(5)]
    assert list(table["label"]) == ["red", "green", "blue", "red", "green"]


def test_what_is_unlike_the_training_images_is_marked(call: Call, data: Path) -> None:
    Image.new("RGB", (9, 9), (200, 200, 200)).save(data / "a" / "5.png")
    status, printed, _ = call(data)
    assert status == 0
    marked = [line for line in printed.splitlines() if line.endswith("(out of distribution)")]
    assert len(marked) == 1
    assert "5.png" in marked[0]


def test_files_that_failed_are_in_the_table_and_the_status_is_1(call: Call, data: Path, tmp_path: Path) -> None:
    (data / "a" / "notes.txt").write_text("not an image")
    (data / "b").symlink_to(tmp_path / "nowhere")
    status, printed, _ = call(data, "--output", tmp_path / "out.csv")
    assert status == 1
    assert printed.splitlines()[0].startswith("5 images classified, 2 not")
    assert f"not classified: 1 not an image, such as {data / 'a' / 'notes.txt'}" in printed
    assert list(pd.read_csv(tmp_path / "out.csv", keep_default_na=False)["error"]) == ["broken link", *[""] * 5, "not an image"]


def test_no_program_is_started_for_a_file(call: Call, data: Path, gs: Path) -> None:
    for number, content in enumerate(DRAWINGS.values()):
        (data / "a" / f"drawing{number}.jpg").write_bytes(content)
    status, printed, _ = call(data)
    assert status == 1
    assert len([line for line in printed.splitlines() if "/drawing" in line and line.endswith(")")]) == len(DRAWINGS)
    assert not gs.exists()


def test_an_output_is_replaced_only_when_asked(call: Call, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    file.write_text("mine")
    status, _, lines = call(data, "--output", file)
    assert (status, len(lines)) == (2, 1)
    assert "--overwrite" in lines[0]
    assert file.read_text() == "mine"
    assert call(data, "--output", file, "--overwrite")[0] == 0
    assert len(pd.read_csv(file)) == 5


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "another ending": (("{data}", "--output", "{tmp}/out.txt"), "Expected a name that ends in .csv or .parquet"),
    "among the images": (("{data}", "--output", "{data}/a/out.csv"), "where nothing is written"),
    "among the images by a link": (("{tmp}/link", "--output", "{data}/out.csv"), "where nothing is written"),
    "in the run": (("{data}", "--output", "{run}/predictions.csv", "--overwrite"), "where nothing is written"),
    "a folder": (("{data}/a/0.png", "--output", "{tmp}/folder.csv", "--overwrite"), "Expected the name of a file"),
    "below a file": (("{data}/a/0.png", "--output", "{data}/a/0.png/out.csv"), "folder cannot be created"),
    "one of the files": (("{tmp}/some.csv", "--output", "{tmp}/some.csv", "--overwrite"), "where nothing is written"),
    "no output": (("{data}", "--overwrite"), "Received no --output"),
    "batch size": (("{data}", "--batch-size", "0"), "at least 1"),
    "no such engine": (("{data}", "--compute", "onnx"), "--compute: expected one of auto, tensorflow, openvino"),
    "a setting of the run": (("{data}", "--set", "backbone=vgg16"), "Expected one of engine.kind, engine.address, "),
    "a value that is none": (("{data}", "--set", "engine.workers=none"), "engine.workers"),
    "no such place to work": (("{data}", "--engine", "spark"), "engine.kind"),
    "a folder with other files": (
        ("{data}/a/0.png", "--output", "{tmp}/some.csv/", "--overwrite"),
        "Expected a folder that holds nothing but",
    ),
    "no such image": (("{data}/none.png",), "no such image"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_every_mistake_is_one_line_before_any_work(
    call: Call, run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    (tmp_path / "link").symlink_to(data)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "some.csv").write_text("a,b")
    monkeypatch.setattr("transfer.system.startup.import_tensorflow_quietly", lambda: pytest.fail("TensorFlow was started"))
    words, said = REFUSED[case]
    status, printed, lines = call(*(word.format(data=data, tmp=tmp_path, run=run.path) for word in words))
    assert (status, printed, len(lines)) == (2, "", 1)
    assert lines[0].startswith("error: ")
    assert said in lines[0]
    assert "Received" in lines[0] or "Expected" in lines[0]


def test_without_ray_it_says_what_to_install(call: Call, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    status, printed, lines = call(data, "--engine", "ray")
    assert (status, printed, len(lines)) == (2, "", 1)
    assert 'pip install "keras-transfer[ray]"' in lines[0]


def test_a_folder_of_parts_is_written(call: Call, data: Path, tmp_path: Path) -> None:
    status, printed, _ = call(data, "--output", f"{tmp_path}/out/")
    assert status == 0
    assert printed.splitlines()[0] == f"5 images classified, 0 not: {tmp_path}/out/"
    assert os.listdir(tmp_path / "out") == ["part-000000.parquet"]
    assert list(pd.read_parquet(tmp_path / "out")["label"]) == ["red", "green", "blue", "red", "green"]


def test_the_source_of_the_run_is_never_written_to(call: Call, data: Path, tmp_path: Path) -> None:
    own = write_run(tmp_path / "own", data__source=str(data))
    status, _, lines = call(data / "a" / "0.png", "--output", data / "out.csv", of=own.path)
    assert (status, len(lines)) == (2, 1)
    assert "where nothing is written" in lines[0]


def test_images_beside_the_output_can_be_named_one_by_one(call: Call, data: Path) -> None:
    assert call(data / "a" / "0.png", "--output", data / "a" / "out.csv")[0] == 0
    assert sorted(os.listdir(data / "a")) == [*(f"{number}.png" for number in range(5)), "out.csv"]


def test_names_that_are_no_unicode_are_printed(call: Call, data: Path, tmp_path: Path) -> None:
    (data / "a" / "0.png").rename(data / "a" / os.fsdecode(b"caf\xe9\n.png"))
    status, printed, _ = call(data)
    assert status == 0
    assert "caf\\xe9\\n.png" in printed
    assert call(data, "--output", tmp_path / "out.csv")[0] == 0


def test_plans_are_checked_without_tensorflow(run: Run, data: Path) -> None:
    program = (
        "import sys\nfrom transfer.cli import main\n"
        "try:\n    main(['predict', *sys.argv[1:], '--output', 'x.txt'])\nexcept SystemExit as done:\n    assert done.code == 2\n"
        "assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program, run.path, data], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
