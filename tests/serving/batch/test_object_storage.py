"""Images in object storage, and tables written there: an object whole or not at all, a folder complete with `_SUCCESS`."""

import functools
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.buckets import Bucket
from tests.conftest import made_up_image
from tests.reports.made_up_run import write_run
from transfer.errors import DataError, OutputError, TransferError
from transfer.exporters.compute import choice
from transfer.exporters.served import Served
from transfer.reports.predicted import Summary
from transfer.runs import Run
from transfer.serving.batch import answering, prediction, tables
from transfer.serving.batch.request import predict_request
from transfer.system.progress import Silent

FILES, SEGMENT, PART = 10, 4, 4


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "run", export=True)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "_SEGMENT", SEGMENT)
    monkeypatch.setattr(prediction, "_SECONDS", 0.0)
    monkeypatch.setattr(tables, "_PART", PART)


@pytest.fixture(scope="module", autouse=True)
def each_export_is_loaded_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "Served", functools.cache(Served))
        yield


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "a").mkdir(parents=True)
    for number in range(FILES):
        made_up_image(number, tint=number).save(tmp_path / "data" / "a" / f"{number:02}.png")
    (tmp_path / "data" / "a" / "07.png").write_text("not an image")
    return tmp_path / "data"


Predict = Callable[..., Summary]


@pytest.fixture
def predict(run: Run) -> Predict:
    def carry_out(paths: list[str], output: str, overwrite: bool = False) -> Summary:
        return prediction.carry_out(predict_request(run, paths, output, 2, overwrite, compute="tensorflow"), Silent())

    return carry_out


def content(bucket: Bucket, key: str) -> bytes:
    data: bytes = bucket.client.get_object(Bucket="images", Key=key)["Body"].read()
    return data


def tables_below(bucket: Bucket, prefix: str) -> pd.DataFrame:
    keys = filter(re.compile(rf"{prefix}.*\.parquet").fullmatch, bucket.keys())
    return pd.concat([pd.read_parquet(io.BytesIO(content(bucket, key))) for key in keys], ignore_index=True)


def test_objects_give_the_answers_of_files(bucket: Bucket, predict: Predict, data: Path, tmp_path: Path) -> None:
    url = bucket.put_folder(data, "flowers")
    bucket.put("flowers/.hidden/x.png", b"x")
    predict([str(data)], str(tmp_path / "local.csv"))
    summary = predict([url], str(tmp_path / "remote.csv"))
    assert (summary.files, summary.failed) == (FILES, 1)
    local, remote = ((tmp_path / name).read_text() for name in ("local.csv", "remote.csv"))
    assert remote == local.replace(str(data), url)
    predict([f"{url}/a/03.png", str(data / "a" / "00.png"), f"{url}/a/05.png"], str(tmp_path / "some.csv"))
    assert list(pd.read_csv(tmp_path / "some.csv")["label"]) == ["red", "red", "blue"]


@pytest.mark.parametrize("name", ["out.csv", "deep/out.parquet"])
def test_a_table_is_one_object(bucket: Bucket, predict: Predict, data: Path, tmp_path: Path, cache_folder: Path, name: str) -> None:
    predict([str(data)], f"{bucket.url}/{name}")
    predict([str(data)], str(tmp_path / Path(name).name))
    assert content(bucket, name) == (tmp_path / Path(name).name).read_bytes()
    assert not list((cache_folder / "unfinished").iterdir())
    with pytest.raises(OutputError, match=r"already exists.*--overwrite"):
        predict([str(data)], f"{bucket.url}/{name}")
    predict([str(data)], f"{bucket.url}/{name}", overwrite=True)


def test_a_folder_is_complete_with_success(bucket: Bucket, predict: Predict, data: Path, tmp_path: Path) -> None:
    put: list[str] = []
    bucket.server.refuse = lambda method, path: put.append(path) or "" if method == "PUT" else ""
    predict([str(data)], f"{bucket.url}/predicted/")
    assert [path.rpartition("/")[2] for path in put] == ["part-000000.parquet", "part-000001.parquet", "part-000002.parquet", "_SUCCESS"]
    predict([str(data)], f"{tmp_path}/out/")
    for part in (tmp_path / "out").iterdir():
        assert content(bucket, f"predicted/{part.name}") == part.read_bytes()


def test_an_upload_that_was_interrupted_is_finished_by_the_same_command(
    bucket: Bucket, predict: Predict, data: Path, asked: list[int]
) -> None:
    bucket.server.refuse = lambda method, path: "AccessDenied" if method == "PUT" and "000001" in path else ""
    with pytest.raises(OutputError, match=r"access denied.*run the same command again"):
        predict([str(data)], f"{bucket.url}/predicted/")
    assert bucket.keys() == ["predicted/part-000000.parquet"]
    bucket.server.refuse = lambda method, path: ""
    asked.clear()
    predict([str(data)], f"{bucket.url}/predicted/")
    assert asked == []
    assert len(tables_below(bucket, "predicted/")) == FILES
    assert bucket.keys()[0] == "predicted/_SUCCESS"
    with pytest.raises(OutputError, match=r"already exists.*--overwrite"):
        predict([str(data)], f"{bucket.url}/predicted/")


def test_an_earlier_table_goes_with_its_success_first_and_nothing_else_is_deleted(bucket: Bucket, predict: Predict, data: Path) -> None:
    predict([str(data)], f"{bucket.url}/predicted/")
    bucket.put("predicted/part-000009.parquet", b"of an earlier, longer table")
    deleted: list[str] = []
    bucket.server.refuse = lambda method, path: deleted.append(path.rpartition("/")[2]) or "" if method == "DELETE" else ""
    predict([str(data / "a" / "00.png")], f"{bucket.url}/predicted/", overwrite=True)
    assert deleted[0] == "_SUCCESS"
    assert bucket.keys() == ["predicted/_SUCCESS", "predicted/part-000000.parquet"]
    bucket.put("predicted/mine.txt", b"mine")
    with pytest.raises(OutputError, match="holds nothing but an earlier table"):
        predict([str(data)], f"{bucket.url}/predicted/", overwrite=True)


def test_answers_for_an_object_that_was_changed_are_computed_again(
    bucket: Bucket, predict: Predict, data: Path, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = bucket.put_folder(data, "flowers")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tables, "writing", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt()))
        predict([url], f"{bucket.url}/out.csv")
    bucket.put("flowers/a/05.png", (data / "a" / "06.png").read_bytes())
    asked.clear()
    predict([url], f"{bucket.url}/out.csv")
    assert sum(asked) == SEGMENT - 1, "its segment, in which one file is no image"
    table = pd.read_csv(io.BytesIO(content(bucket, "out.csv")))
    assert table["label"][5] == table["label"][6]


REFUSED: dict[str, tuple[str, str, str]] = {
    "no such bucket": ("{data}", "s3://nowhere/out.csv", "bucket does not exist"),
    "no such bucket for a folder": ("{data}", "s3://nowhere/out/", "bucket does not exist"),
    "among the images": ("{url}", "{url}/out.csv", "where nothing is written"),
    "a folder among the images": ("{url}/a", "{url}/a/out/", "where nothing is written"),
    "a folder that holds the images": ("{url}/a", "{url}/", "holds nothing but an earlier table"),
    "another ending": ("{data}", "s3://images/out", "ends in .csv or .parquet, or in /"),
    "a whole bucket": ("{data}", "s3://images/", "ends in .csv or .parquet, or in /"),
    "credentials": ("{data}", "s3://key:secret@images/out.csv", "must not hold credentials"),
    "no such folder": ("{url}/none", "{tmp}/out.csv", "no such image or folder"),
    "another scheme": ("{data}", "http://images/out.csv", "s3://"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_every_mistake_is_told_before_any_work(bucket: Bucket, run: Run, data: Path, tmp_path: Path, case: str) -> None:
    url = bucket.put_folder(data, "flowers")
    path, output, said = REFUSED[case]
    with pytest.raises(TransferError) as raised:
        predict_request(run, [path.format(data=data, url=url)], output.format(url=url, tmp=tmp_path))
    assert said in str(raised.value)
    assert "secret" not in str(raised.value)


def test_storage_that_refuses_everything_is_an_error_not_a_table_of_errors(
    bucket: Bucket, predict: Predict, data: Path, tmp_path: Path
) -> None:
    url = bucket.put_folder(data, "flowers")
    bucket.server.refuse = lambda method, path: "ExpiredToken" if path.endswith("06.png") else ""
    with pytest.raises(DataError, match="credentials have expired"):
        predict([url], str(tmp_path / "out.csv"))
    bucket.server.refuse = lambda method, path: ""
    predict([url], str(tmp_path / "out.csv"))
    assert list(pd.read_csv(tmp_path / "out.csv")["error"].fillna("")).count("") == FILES - 1
