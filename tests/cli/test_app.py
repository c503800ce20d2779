"""The command line: every mistake is one clear line and exit status 2; results are printed as documented."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import transfer
from tests.conftest import made_up_image
from tests.reports.made_up_run import write_run
from transfer import cli
from transfer.runs import Run

Result = tuple[int, str, list[str]]
Call = Callable[..., Result]

LENET = ("--backbone", "lenet")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Return a function that runs a command line in this process: exit status, what was printed, lines of errors."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: object) -> Result:
        with pytest.raises(SystemExit) as done:
            cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(done.value.code or 0), captured.out, captured.err.splitlines()

    yield run
    signal.signal(signal.SIGTERM, before)


def require_one_error(result: Result, words: str) -> None:
    """Assert: exit status 2, nothing printed, and one line of error at the end that holds the words."""
    status, printed, lines = result
    assert status == 2, (printed, lines)
    assert printed == ""
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
    assert all(re.match(r"error: |Scanning: |\d+ images in \d+ classes: ", line) for line in lines), lines
    assert re.search(words, lines[-1]), lines[-1]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two classes of six images."""
    for number, label in enumerate(("green", "red")):
        (tmp_path / "data" / label).mkdir(parents=True)
        for index in range(6):
            made_up_image(10 * number + index, tint=number).save(tmp_path / "data" / label / f"{index}.png")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fti", "x"], "No such command 'fti'.*transfer --help"),
        (["fit", "x", "--bakcbone", "lenet"], "No such option"),
        (["fit", "x", "--set"], "requires an argument"),
        (["predict"], "Missing argument"),
        (["fit"], "DATA is missing"),
        (["fit", "x", "--set", "training.epochs"], "--set takes key=value.*'training.epochs'"),
        (["fit", "x", "--set", "training.epcohs=3"], "Did you mean 'training.epochs'"),
        (["fit", "x", "--set", "training.epochs=many"], "training.epochs.*Received training.epochs='many'"),
        (["fit", "x", "--set", "training.epochs=0"], "must be at least 1"),
        (["fit", "x", "--epochs", "5"], r"No such option: --epochs\. Use --set training\.epochs=5$"),
        (["check", "--batch-size=8", "x"], r"Use --set training\.batch_size=8$"),
        (["fit", "x", "--dense", "[256]"], r"Use --set head\.dense=\[256\]$"),
        (["fit", "--live", "x"], r"Use --set augment\.live=true$"),
        (["fit", "x", "--training.epoch", "5"], r"Use --set training\.epochs=5$"),
        (["fit", "x", "--seed"], r"Use --set seed=VALUE$"),
        (["compare", "x", "--learning-rate", "0.1"], r"Use --set common\.training\.learning_rate=0\.1$"),
        (["compare", "x", "--set", "training.epochs=3"], r"Did you mean 'common\.training\.epochs'"),
        (["predict", "x", "y", "--epochs", "5"], r"No such option: --epochs\. See: transfer --help"),
        (["fit", "x", "--set", "seed=0x10"], "'seed': must be a whole number. Received seed='0x10'"),
        (["fit", "x", "--set", "precision=fp16"], r"must be one of: .* \(did you mean 'float16'\?\)"),
        (["fit", "x", "--set", "head.dense=[1, 2"], "not YAML"),
        (["fit", "x", "--set", "unfreeze_from=block5_convl"], r"Did you mean 'block5_conv\d'"),
        (["fit", "x", "--backbone", "vgg_16"], "Did you mean 'vgg16'.*inception_v3.*lenet"),
        (["fit", "x", "--set", "truncate_at=block6_pool"], r"Did you mean 'block\d_pool'.*block1_pool.*auto"),
        (["fit", "x", "--backbone", "vgg16", "--set", "image_size=16"], "at least 32"),
        (["fit", "x", "--config", "none.yaml"], r"cannot be read: No such file.*none\.yaml"),
        (["weights", "lenet"], "trained from scratch"),
        (["weights", "vgg"], "Did you mean 'vgg"),
        (["predict", "none", "x.png"], "no such run"),
        (["store", "prune"], "Specify what to delete"),
        (["store", "prune", "--set", "0123"], "no such feature set.*'0123'"),
        (["store", "prune", "--older-than", "soon"], r"--older-than.*valid number.*\. See: transfer --help"),
        (["store", "empty"], "No such command 'empty'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_on_the_command_line_is_one_line(call: Call, arguments: list[str], words: str) -> None:
    require_one_error(call(*arguments), words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training: [unclosed", "is not YAML"),
        ("training:\n  epochs: 3\n  epcohs: 3\n", "Did you mean 'training.epochs'"),
        ("- a list\n", "holds `key: value` lines. Received list"),
        ("training: 3\n", "is a section"),
        ("head:\n  dropout: 1.5\n", "head.dropout.*less than 1"),
        (b"\xff\xfe\x00", "is not YAML"),
    ],
)
def test_a_mistake_in_the_configuration_file_is_one_line(call: Call, data: Path, tmp_path: Path, text: str | bytes, words: str) -> None:
    file = tmp_path / "my config.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    require_one_error(call("fit", data, "--config", file, "--output", tmp_path / "runs"), words)


def remove(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        path.unlink()


def only_text(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        path.write_text("no image")


SPOILED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no folder": (lambda data: data.rename(data.with_name("elsewhere")), "does not exist.*data'"),
    "empty folder": (lambda data: [remove(data, "*/*"), [path.rmdir() for path in data.iterdir()]], "is empty"),
    "empty class folders": (lambda data: remove(data, "*/*"), r"No readable image.*2 folder"),
    "one class": (lambda data: [remove(data, "red/*"), (data / "red").rmdir()], r"at least 2 classes.*Received 1 \(green 6\)"),
    "a class with a single image": (lambda data: remove(data, "red/[1-9].png"), r"Too few in: red\. Received green 6, red 1"),
    "an emptied class": (lambda data: remove(data, "red/*"), r"Too few in: red\. Received green 6, red 0"),
    "no readable image": (only_text, "No readable image.*12 not an image"),
    "files instead of folders": (
        lambda data: [path.rename(data / f"{path.parent.name}{path.name}") for path in data.glob("*/*")],
        "images lie in the folder itself.*can be read",
    ),
}


@pytest.mark.parametrize("case", SPOILED)
def test_a_folder_that_cannot_be_used_is_one_line(call: Call, data: Path, tmp_path: Path, case: str) -> None:
    spoil, words = SPOILED[case]
    spoil(data)
    require_one_error(call("fit", data, *LENET, "--output", tmp_path / "runs"), words)
    assert not (tmp_path / "runs").exists() or os.listdir(tmp_path / "runs") == []


def test_a_file_instead_of_a_folder_is_one_line(call: Call, data: Path) -> None:
    require_one_error(call("fit", data / "red" / "0.png", *LENET), "not a file")


@pytest.mark.parametrize("name", ["a/b", ".hidden", "..", "x" * 300])
def test_a_name_that_is_no_folder_name_is_one_line(call: Call, data: Path, tmp_path: Path, name: str) -> None:
    require_one_error(call("fit", data, *LENET, "--output", tmp_path, "--name", name), "--name must be a folder name")


def test_a_name_that_is_taken_is_one_line_and_the_run_is_kept(call: Call, data: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs" / "mine")
    require_one_error(call("fit", data, *LENET, "--output", tmp_path / "runs", "--name", "mine"), "--overwrite")
    assert run.metrics == Run(run.path).metrics


def test_a_folder_that_is_no_run_is_never_overwritten(call: Call, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    result = call("fit", data, *LENET, "--output", tmp_path, "--name", "mine", "--overwrite")
    require_one_error(result, "already exists.*a run, which --overwrite replaces")
    assert list((tmp_path / "mine").iterdir()) == []
    result = call("fit", data, *LENET, "--output", tmp_path, "--name", "data", "--overwrite")
    require_one_error(result, "where nothing is written")
    assert len(list(data.rglob("*.png"))) == 12


def test_weights_that_are_not_there_are_one_line(call: Call, data: Path, tmp_path: Path) -> None:
    settings = ["--set", f"weights={tmp_path / 'none.h5'}", "--set", "image_size=32", "--output", tmp_path / "runs"]
    require_one_error(call("fit", data, *settings), r"weights: expected imagenet, random, or a file.*none\.h5")


def test_a_run_that_is_none_is_one_line(call: Call, data: Path) -> None:
    require_one_error(call("predict", data, data), "not a run: it lacks config.yaml")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "run", export=True)


def test_a_image_that_is_not_there_is_one_line(call: Call, run: Run, data: Path) -> None:
    require_one_error(call("predict", run.path, data, data / "none.png"), "no such image")


def test_predictions_are_printed_as_a_table(call: Call, run: Run, data: Path) -> None:
    status, printed, _ = call("predict", run.path, data / "red" / "0.png", data / "green")
    head, *rows = printed.splitlines()
    assert status == 0
    assert head.split() == ["class", "probability", "path"]
    # The made-up classes are in the order of the channels: the fixture brightens the channels 0 and 1.
    assert [row.split()[0] for row in rows] == ["green", *["red"] * 6]
    assert rows[0].endswith(str(data / "red" / "0.png"))


def test_a_damaged_image_is_named_and_the_others_are_classified(call: Call, run: Run, data: Path) -> None:
    damaged = data / "red" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:100])
    status, printed, _ = call("predict", run.path, data)
    assert status == 1
    rows = printed.splitlines()[1:]
    assert len(rows) == 12
    (failed,) = [row for row in rows if str(damaged) in row]
    assert failed.split()[0] == "-"
    assert failed.endswith("(damaged: truncated or broken)")


def test_fit_prints_a_short_block_and_predict_takes_its_run(call: Call, data: Path, tmp_path: Path) -> None:
    settings = ["--set", "training.epochs=1", "--output", tmp_path / "runs", "--name", "my run"]
    status, printed, lines = call("fit", data, *LENET, *settings)
    assert status == 0
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"my run"}
    for words in ("Test accuracy", "95 %", "Worst classes", "Skipped        none", "Seconds", "transfer serve '", "SavedModel"):
        assert words in printed
    steps = [
        "Scanning", "12 images in 2 classes", "Extracting features", "Checking the data", "Training the network",
        "Choosing the training images that new images are compared with", "Exporting the model", "Testing the export",
        "Testing it on images of other data", "Writing the tables and the report",
    ]  # fmt: skip
    assert [line.split(":")[0] for line in lines] == steps
    assert call("predict", tmp_path / "runs" / "my run", data)[0] == 0


def test_a_misspelt_command_is_told_the_nearest_one(call: Call) -> None:
    require_one_error(call("fti", "data"), r"Did you mean .fit.\? See: transfer --help")


def test_version_and_help_are_printed(call: Call) -> None:
    assert call("--version") == (0, f"{transfer.__version__}\n", [])
    status, printed, _ = call("--help")
    assert status == 0
    for command in ("fit", "predict", "weights", "quickstart", "store"):
        assert command in printed


def test_no_command_at_all_prints_the_help(call: Call) -> None:
    status, printed, lines = call()
    assert status == 2
    assert "Usage: " in printed
    assert lines == []


def test_the_store_is_shown_and_pruned(call: Call, data: Path, cache_folder: Path) -> None:
    assert call("store", "show") == (0, "The feature store is empty.\n", [])
    (cache_folder / "features" / "0123").mkdir(parents=True)
    assert "0123" in call("store", "show")[1]
    assert call("store", "prune", "--set", "0123")[1].startswith("Deleted 1 feature set,")
    assert call("store", "prune", "--all")[1].startswith("Deleted 0 feature sets")
