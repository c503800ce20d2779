"""`transfer check` on the command line: every mistake is one clear line and exit status 2, as far as possible at once."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cli import test_app
from tests.cli.test_app import LENET, Call, require_one_error
from transfer.cli import terminal
from transfer.errors import TransferError
from transfer.quality import result_folder as folder
from transfer.workflows import fit
from transfer.workflows.requests import FitRequest

call, data = test_app.call, test_app.data


def table(place: Path, text: str, encoding: str = "utf-8") -> Path:
    place.write_bytes(text.encode(encoding))
    return place


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that comes as far as starting TensorFlow fails."""

    def start() -> None:
        raise AssertionError("TensorFlow would have been started")

    monkeypatch.setattr(terminal, "started", start)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("command", ["check", "fit"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "DATA is missing"),
        ([""], "DATA is missing"),
        (["none"], "data folder does not exist.*none'"),
        (["none.csv"], r"table does not exist.*none\.csv'"),
        (["none.xlsx"], r"does not exist.*none\.xlsx'"),
        (["data", "--min-per-class", "two"], "--min-per-class.*valid integer.*See: transfer --help"),
        (["data", "--min-per-class", "2"], "data.min_per_class.*must be at least 3.*Received data.min_per_class=2"),
        (["data", "--set", "check.max_leak=1"], r"Unknown .*'check\.max_leak'. Did you mean 'check\.max_leaks'"),
        (["data", "--set", "check.max_across=some"], r"check\.max_across.*Received check\.max_across='some'"),
        (["data", "--group-by", "(a"], r"not a regular expression: missing \).* at character 1.*Received '\(a'"),
        (["data", "--group-by", "plant"], "a plain word would put all images in one group.*Received 'plant'"),
        (["tfds:"], "named tfds:NAME"),
        (["tfds:two words"], "named tfds:NAME.*Received 'tfds:two words'"),
        (["tfds:mnist", "--tfds-data-dir", "none"], "does not exist.*above mnist/.*none'"),
        (["tfds:ImageFolder"], "needs its folder.*--tfds-data-dir ROOT"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_before_tensorflow_starts(
    call: Call, data: Path, monkeypatch: pytest.MonkeyPatch, command: str, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(data.parent)
    require_one_error(call(command, *arguments), words)
    assert sorted(path.name for path in data.parent.iterdir()) in (["data"], ["data", "data_checks"], ["data", "saved_models"])


TABLES = {
    "no column path": ("file,label\n", r"at least path and label. Missing: path\..*Received 'file', 'label'"),
    "a column misspelt": ("path,lable\n", "Missing: label.*Did you mean 'lable'"),
    "two columns of one name": ("path,label,label\n", "'label' more than once"),
    "empty": ("", "table is empty"),
    "an unknown column for groups": ("path,label,plant\n", "Did you mean 'plant'.*Received 'plnt'"),
}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("case", TABLES)
@pytest.mark.parametrize("command", ["check", "fit"])
def test_a_table_of_other_columns_is_one_line_before_tensorflow_starts(call: Call, tmp_path: Path, command: str, case: str) -> None:
    text, words = TABLES[case]
    require_one_error(call(command, table(tmp_path / "t.csv", text), *["--group-by", "plnt"] * ("groups" in case)), words)


@pytest.mark.usefixtures("at_once")
def test_a_root_or_an_encoding_that_cannot_be_is_one_line_before_tensorflow_starts(call: Call, tmp_path: Path) -> None:
    good = table(tmp_path / "t.csv", "path,label\n")
    require_one_error(call("check", good, "--root", tmp_path / "none"), r"existing folder \(data\.root\).*none'")
    require_one_error(call("check", table(tmp_path / "u.csv", "path,label\n", "utf-16")), "UTF-16.*Save it as CSV in UTF-8")


Make = Callable[[Path], object]
PLACES: dict[str, tuple[list[str], Make | None, str]] = {
    "output in the data": (["--output", "data/result"], None, "--output is inside .*data', where nothing is written"),
    "output is the data": (["--output", "data"], None, "--output is inside .*data', where nothing is written"),
    "output onto a file": (["--output", "there"], lambda top: (top / "there").touch(), "new folder, or an earlier result"),
    "output onto a folder": (["--output", "there"], lambda top: (top / "there").mkdir(), "new folder, or an earlier result"),
    "output below a file": (["--output", "there/result"], lambda top: (top / "there").touch(), "folder cannot be created"),
    "table in the data": (["--write-manifest", "data/t.csv"], None, "--write-manifest is inside .*data', where nothing is written"),
    "table of another kind": (["--write-manifest", "t.xlsx"], None, r"ends in \.csv"),
    "table onto another": (
        ["--write-manifest", "there.csv"],
        lambda top: table(top / "there.csv", "path,label\n"),
        "a table that it wrote",
    ),
    "table below a file": (["--write-manifest", "there/t.csv"], lambda top: (top / "there").touch(), "folder cannot be created"),
    "table in the result": (
        ["--output", "result", "--write-manifest", "result/t.csv"],
        None,
        "inside the folder of the result, which the next check replaces",
    ),
}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("case", PLACES)
def test_a_result_that_cannot_be_put_there_is_one_line_and_nothing_is_touched(
    call: Call, data: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    arguments, make, words = PLACES[case]
    monkeypatch.chdir(data.parent)
    if make:
        make(data.parent)
    before = sorted(data.parent.rglob("*"))
    require_one_error(call("check", "data", *arguments), words)
    assert [path for path in sorted(data.parent.rglob("*")) if path.name != "data_checks"] == before


@pytest.mark.usefixtures("at_once")
def test_a_result_with_other_files_in_it_is_not_replaced(call: Call, data: Path, tmp_path: Path) -> None:
    earlier = tmp_path / "result"
    earlier.mkdir()
    for name in (folder.REPORT, folder.FINDINGS, "my notes.txt"):
        (earlier / name).touch()
    require_one_error(call("check", data, "--output", earlier), "other files lie in it: my notes.txt")
    assert (earlier / "my notes.txt").exists()


ROWS = {
    "a missing file": ("green/0.png,green\ngreen/9.png,green\n", r"Row 3 .* does not exist \(data\.missing_files=skip"),
    "labels that look alike": (
        "green/0.png,Green\ngreen/1.png,green \n",
        "only by case or white space.*'Green' in row 2 .*'green ' in row 3",
    ),
    "a path outside": ("green/0.png,green\n../../etc/passwd,red\n", r"Row 3 .* leads out of.*Received '\.\./\.\./etc/passwd'"),
    "a row twice": ("green/0.png,green\nred/0.png,red\ngreen/0.png,red\n", "Row 4 .* is listed already, in row 2"),
    "another encoding": ("green/0.png,gr\u00fcn\n", "not UTF-8 text: row 2 holds the byte 0xFC"),
    "no rows": ("", "no rows below the names of its columns"),
}


@pytest.mark.parametrize("case", ROWS)
@pytest.mark.parametrize("command", ["check", "fit"])
def test_a_row_that_cannot_be_used_is_one_line_with_its_number(call: Call, data: Path, tmp_path: Path, command: str, case: str) -> None:
    rows, words = ROWS[case]
    listed = table(tmp_path / "t.csv", "path,label\n" + rows, "latin-1")
    require_one_error(call(command, listed, "--root", data, *LENET, "--output", tmp_path / "out" / "x"), words)
    assert list((tmp_path / "out").rglob("*")) in ([], [tmp_path / "out" / "x"])


@pytest.mark.parametrize("command", ["check", "fit"])
@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("data", ["--group-by", "plant([0-9]+)"], "finds no group in any path, for example in 'green/0.png'.*Received 'plant"),
        ("t.csv", ["--root", "data", "--group-by", "plant"], "column of data.group_by is empty for every used image"),
        ("tfds:no_such_set", ["--tfds-data-dir", "data"], "no TFDS data set of this name.*Received 'tfds:no_such_set'"),
        ("tfds:coco/2017", ["--tfds-data-dir", "data"], "not an image classification set: its images have no class"),
    ],
)
def test_a_group_or_set_that_is_not_there_is_one_line(
    call: Call, data: Path, monkeypatch: pytest.MonkeyPatch, command: str, source: str, options: list[str], words: str
) -> None:
    monkeypatch.chdir(data.parent)
    table(Path("t.csv"), "path,label,plant\ngreen/0.png,green,\nred/0.png,red,\n")
    require_one_error(call(command, source, *options, *LENET), words)


def test_the_options_of_a_source_reach_the_configuration(call: Call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"{label}/{number}.png,{label},{number}\n" for label in ("green", "red") for number in range(6)]
    listed = table(tmp_path / "t.csv", "path,label,plant\n" + "".join(rows))
    options = ["--root", data, "--group-by", "plant", "--min-per-class", 4, *LENET]
    assert call("check", listed, *options, "--files-only", "--output", tmp_path / "result")[0] == 0
    checked = yaml.safe_load((tmp_path / "result" / folder.CONFIG).read_text())["data"]
    assert (checked["root"], checked["group_by"], checked["min_per_class"]) == (str(data), "plant", 4)
    fitted = {}

    def run(request: FitRequest, progress: object) -> None:
        fitted.update(request.config.data.model_dump(mode="json"))
        raise TransferError("seen")

    monkeypatch.setattr(fit, "carry_out", run)
    require_one_error(call("fit", listed, *options, "--output", tmp_path / "runs"), "seen")
    assert fitted | {"value_range": "dtype"} == checked, "decided by the check"


def test_the_help_names_every_option_of_a_check(call: Call) -> None:
    status, printed, _ = call("check", "--help")
    assert status == 0
    for option in ("root", "tfds-data-dir", "group-by", "min-per-class", "output", "files-only", "write-manifest", "strict"):
        assert f"--{option}" in printed
    assert "nothing is changed" in " ".join(printed.split())
    assert "check" in call("--help")[1]
