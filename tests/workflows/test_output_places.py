"""No command writes among the user's images, or replaces a folder that holds them: all ask `require_place` before TensorFlow starts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reports.made_up_run import write_run
from transfer.config import Config, DataConfig
from transfer.data import sources
from transfer.errors import OutputError, StoreError, TransferError
from transfer.runs import Run
from transfer.serving.batch.request import predict_request
from transfer.workflows.requests import check_request, compare_request, fit_request
from transfer.workflows.run_requests import explain_request, export_request, require_report

REFUSED = r"(--output|--write-manifest|RUN) is (inside|a folder that holds) .*, where nothing is written. Choose another path. Received"
LENET = [{"backbone": "lenet"}]
PAIR = [{"methods.a.backbone": "lenet", "methods.b.backbone": "tiny_vgg"}]


@pytest.fixture
def data(image_folder: Callable[..., Path]) -> Path:
    return image_folder(count=1)


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Run:
    made = write_run(tmp_path / "saved" / "run")
    config = Config().updated(backbone="lenet", data__source=str(data))
    (made.path / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    return Run(made.path)


def of_data(data: Path, place: Path) -> dict[str, Callable[[], object]]:
    """Return the requests of the commands that read a data set, with their results in a place."""
    return {
        "fit": lambda: fit_request(data, LENET, place.name, place.parent, overwrite=True),
        "compare": lambda: compare_request(data, PAIR, place.name, place.parent),
        "check": lambda: check_request(data, LENET, place),
        "check, table": lambda: check_request(data, LENET, place.parents[1] / "result", write_manifest=place / "t.csv"),
    }


def of_run(run: Run, data: Path, place: Path) -> dict[str, Callable[[], object]]:
    """The same of the commands that read a run."""
    return {
        "predict": lambda: predict_request(run, [data], place / "t.csv", overwrite=True),
        "predict another image": lambda: predict_request(run, [run.report], place / "t.csv"),
        "explain": lambda: explain_request(run, [data], place),
        "explain another image": lambda: explain_request(run, [run.report], place),
        "export": lambda: export_request(run, "savedmodel", output=place / "new"),
    }


PLACES = ["data/new", "data/red/new", "link/new", "data/../data/new", "away/new"]


@pytest.mark.parametrize("place", PLACES)
def test_no_command_writes_among_the_images(data: Path, run: Run, tmp_path: Path, place: str) -> None:
    (tmp_path / "link").symlink_to("data")
    (tmp_path / "away").mkdir()
    (data / "blue").symlink_to(tmp_path / "away")  # a class that lies elsewhere
    for command in (*of_data(data, tmp_path / place).values(), *of_run(run, data, tmp_path / place).values()):
        with pytest.raises(OutputError, match=REFUSED):
            command()
    assert sorted(path.name for path in data.iterdir()) == ["blue", "green", "red"]


def test_no_command_replaces_a_folder_that_holds_the_images(tmp_path: Path, image_folder: Callable[..., Path], run: Run) -> None:
    made = image_folder(count=1)
    holder = tmp_path / "result"
    holder.mkdir()
    for name in ("config.yaml", "metrics.json", "findings.json", "report.html"):  # as if it were an earlier result
        (holder / name).touch()
    (holder / "runs").mkdir()
    made.rename(holder / "data")
    (made.parent / "data").symlink_to(holder / "data")
    for name, command in of_data(holder / "data", holder).items():
        if name != "check, table":
            with pytest.raises(OutputError, match=r"--output is a folder that holds .*data"):
                command()
    with pytest.raises(OutputError, match="a folder that holds"):
        explain_request(run, [holder / "data"], holder)


def test_a_run_among_the_images_is_not_written_either(tmp_path: Path, image_folder: Callable[..., Path], run: Run) -> None:
    data = image_folder(count=1)
    run.path.rename(data / "run")
    moved = Run(data / "run")
    for command in (lambda: require_report(moved), lambda: export_request(moved, "savedmodel")):
        with pytest.raises(OutputError, match=r"RUN is inside .*data', where nothing is written"):
            command()
    (tmp_path / "others").mkdir()
    again = Run((data / "run").rename(tmp_path / "others" / "run"))
    require_report(again)
    with pytest.raises(OutputError, match=r"RUN is inside .*others"):
        require_report(again, tmp_path / "others")


def test_results_beside_the_images_are_taken(data: Path, run: Run, tmp_path: Path) -> None:
    for place in ("data2", "results/new", "dat"):
        for name, command in (of_data(data, tmp_path / place) | of_run(run, data, tmp_path / place)).items():
            try:
                command()
            except TransferError as error:
                assert "where nothing is written" not in str(error), name
    require_report(run, data)


def test_images_of_a_table_are_protected_wherever_they_are(tmp_path: Path, data: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("path,label\ndata/red/000.png,red\ndata/green/000.png,green\nloose.png,red\n", encoding="utf-8")
    elsewhere = tmp_path / "lists" / "t.csv"
    elsewhere.parent.mkdir()
    elsewhere.write_text("path,label\nred/000.png,red\ngreen/000.png,green\n", encoding="utf-8")
    for root, source in ((None, table), (str(data), elsewhere)):
        layer = [{"backbone": "lenet", "data.root": root}]
        for place in (data / "x", data / "red", source):
            with pytest.raises(OutputError, match="where nothing is written"):
                check_request(source, layer, place)
        check_request(source, layer, tmp_path / "checks")
        fit_request(source, layer, "run", tmp_path / "saved_models")


def test_a_table_that_cannot_be_read_protects_itself_and_is_reported_later(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'path,label\n"a/b.png,c')
    assert sources.own(DataConfig(source=str(tmp_path / "t.csv"))) == [tmp_path / "t.csv"]
    assert sources.own(DataConfig(source=str(tmp_path / "gone.csv"))) == [tmp_path / "gone.csv"]


def test_the_folder_of_tfds_is_protected_also_where_it_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "sets"))
    (tmp_path / "named").mkdir()
    for place, named in ((tmp_path / "sets" / "x", None), (tmp_path / "named" / "x", str(tmp_path / "named"))):
        with pytest.raises(OutputError, match="where nothing is written"):
            fit_request("tfds:mnist", [{"backbone": "lenet", "data.tfds_data_dir": named}], "run", place)


def test_the_cache_is_not_kept_among_the_images(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFER_HOME", str(data / ".cache"))
    with pytest.raises(StoreError, match=r"cache folder is inside .*data', where nothing is written. Set TRANSFER_HOME"):
        check_request(data, LENET, data.parent / "result")
    monkeypatch.setenv("TRANSFER_HOME", str(data.parent))
    check_request(data, LENET, data.parent / "result")
