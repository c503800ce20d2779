"""The command line of `transfer anatomy`: readable tables, CSV, the arithmetic of one convolution, one clear line for a mistake."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from transfer import cli
from transfer.models.anatomy.layer_table import anatomy
from transfer.models.registry import names
from transfer.reports import anatomy_text

Result = tuple[int, str, str]
Call = Callable[..., Result]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Return a function that runs `transfer anatomy ...` in this process: exit status, output, errors."""

    def run(*arguments: object) -> Result:
        with pytest.raises(SystemExit) as done:
            cli.main(["anatomy", *(str(argument) for argument in arguments)])
        captured = capsys.readouterr()
        return int(done.value.code or 0), captured.out, captured.err

    return run


def test_a_short_network_is_shown_layer_by_layer_with_totals(call: Call) -> None:
    status, printed, errors = call("vgg16", "--classes", 1000)
    assert (status, errors) == (0, "")
    lines = printed.splitlines()
    assert lines[0] == "vgg16, 224x224x3, with its classifier for 1000 classes: 23 layers"
    assert lines[2].split() == ["layer", "kind", "output", "parameters", "mult-adds", "field", "stride", "start", "memory"]
    rows = {line.split()[0]: line for line in lines[3:27]}
    assert rows["block5_pool"].split()[-7:] == ["0", "0", "212", "32", "-90", "100.4", "kB"]
    assert rows["fc1"].split()[-8:] == ["102,764,544", "102.8", "M", "all", "-", "-", "16.38", "kB"]
    assert rows["total"].split() == ["total", "138,357,544", "15.47", "G", "61.05", "MB"]


def test_a_long_network_is_shown_by_blocks_unless_all_layers_are_asked_for(call: Call) -> None:
    _, printed, _ = call("mobilenet_v2")
    table = printed.split("\n\n")[1].splitlines()
    assert [line.split()[0] for line in table] == [
        "block", "block_2_add", "block_5_add", "block_9_add", "block_12_add", "block_15_add", "out_relu", "total",
    ]  # fmt: skip
    _, printed, _ = call("mobilenet_v2", "--layers")
    assert len(printed.split("\n\n")[1].splitlines()) == len(anatomy("mobilenet_v2")) + 2


def test_blocks_add_up() -> None:
    table = anatomy("efficientnet_v2_b0", classes=7)
    shown = anatomy_text.blocks(table)
    assert len(shown) == 8
    for column in ("parameters", "multiply_adds", "activation_bytes"):
        assert shown[column].sum() == table[column].sum()
    assert shown["what"].astype(int).sum() == len(table)
    assert shown["output"].iloc[-1] == "7"


@pytest.mark.parametrize("network", names())
def test_names_are_whole_and_lines_have_at_most_120_columns(network: str) -> None:
    table = anatomy(network, classes=1000)
    for every_layer in (False, True):
        text = anatomy_text.block(table, network, "title", every_layer)
        assert max(len(line) for line in text.splitlines()) <= 120
        assert "Not counted" not in text
        beginnings = [line[:80] for line in text.split("\n\n")[1].splitlines()[1:-1]]
        names = (table["layer"].str.removeprefix(f"{network}_") + " ") if every_layer or len(table) <= 40 else table["block"].unique()
        assert all(line.startswith(name) for line, name in zip(beginnings, names, strict=True))


def test_kinds_that_are_not_known_are_named() -> None:
    table = anatomy("cifar")
    table.loc[2, ["kind", "multiply_adds", "field_height", "field_width"]] = ["Mystery", pd.NA, pd.NA, pd.NA]
    text = anatomy_text.block(table, "cifar", "title")
    assert "Not counted, because this kind of layer is not known: Mystery." in text
    assert next(line for line in text.splitlines() if "Mystery" in line).split()[4:6] == ["?", "?"]


def test_fields_that_differ_in_height_and_width_are_both_shown(call: Call) -> None:
    _, printed, _ = call("inception_v3", "--layers")
    fields = re.findall(r"conv 1x7 .* (\d+)x(\d+) +16 ", printed)
    assert fields and all(int(width) > int(height) for height, width in fields)


def test_the_csv_holds_the_whole_table(call: Call, tmp_path: Path) -> None:
    status, printed, _ = call("lenet", "--classes", 10, "--csv", tmp_path / "new" / "lenet.csv")
    assert (status, printed) == (0, f"15 layers: {tmp_path / 'new' / 'lenet.csv'}\n")
    read = pd.read_csv(tmp_path / "new" / "lenet.csv", keep_default_na=False)
    expected = anatomy("lenet", classes=10)
    assert list(read.columns) == list(expected.columns)
    assert read.astype(str).equals(expected.astype(str))


def test_size_and_channels_are_passed_on(call: Call) -> None:
    _, printed, _ = call("resnet50_v2", "--size", 64, "--channels", 1)
    assert printed.startswith("resnet50_v2, 64x64x1, without its classifier (--classes K adds it): 190 layers\n")
    assert "2x2x2048" in printed


def test_one_convolution_is_worked_out(call: Call) -> None:
    status, printed, _ = call("--conv", 3, "--stride", 2, "--padding", 1, "--size", 32, "--channels", 3, "--filters", 64)
    assert status == 0
    assert printed.startswith("convolution 3x3, stride 2, padding 1: 32x32x3 -> 16x16x64\n")
    assert "= 1,792" in printed and "= 442,368" in printed
    assert max(len(line) for line in printed.splitlines()) <= 100
    assert call("--conv", 3, "--size", 5, "--filters", 1)[1].startswith("convolution 3x3, stride 1, padding 0: 5x5x3 -> 3x3x1\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "Name a network .* or one convolution .*Received neither"),
        ("vgg16 --conv 3", "Received both"),
        ("vgg61", "Did you mean 'vgg1"),
        ("vgg16 --size 8", "vgg16 needs images of at least 32 pixels"),
        ("lenet --channels 1", "lenet takes RGB"),
        ("vgg16 --classes 0", "classes is a whole number from 1 on"),
        ("vgg16 --stride 2", "--stride requires --conv.*Received --stride 2"),
        ("vgg16 --padding same", "--padding requires --conv"),
        ("--conv 3 --size 8 --filters 1 --classes 3", "--classes applies to networks.*Received --classes 3"),
        ("--conv 3 --size 8 --filters 1 --layers", "--layers applies to networks.*Received --layers"),
        ("--conv 3", "--conv needs the side of its input and the number of filters"),
        ("--conv 9 --size 8 --filters 1", "larger than the padded image"),
        ("--conv 3 --size 8 --filters 1 --padding full", "same, valid, or a whole number"),
        ("--conv x", "Invalid value for '--conv'"),
    ],
)
def test_mistakes_are_one_clear_line(call: Call, arguments: str, words: str) -> None:
    status, printed, errors = call(*arguments.split())
    assert (status, printed) == (2, "")
    assert len(errors.splitlines()) == 1
    assert re.match(f"error: .*{words}", errors), errors


@pytest.mark.parametrize("arguments", [["--help"], ["vgg16", "--size", "8"], ["--conv", "3", "--size", "8", "--filters", "2"]])
def test_help_mistakes_and_convolutions_need_no_tensorflow(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom transfer.cli import main\n"
        "try:\n    main(['anatomy', *sys.argv[1:]])\nexcept SystemExit:\n    assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_tensorflow_starts_quietly() -> None:
    command = [sys.executable, "-m", "transfer", "anatomy", "lenet"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 "), (999, "999 "), (1000, "1.000 k"), (999_960, "1.000 M"), (15_470_264_320, "15.47 G"), (2e12, "2.000 T")]
)
def test_large_numbers_are_short(number: float, text: str) -> None:
    assert anatomy_text.short(number) == text
