"""The commands on images in a bucket: the same results as on the local folder, and one line for what goes wrong."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import transfer
from tests.buckets import Bucket, Server, served
from tests.conftest import made_up_image
from tests.end_to_end.common import QUICK
from transfer.cli import main
from transfer.errors import DataError
from transfer.runs import Run

OPTIONS = [argument for key, value in QUICK.items() for argument in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patched:
        yield patched


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def cache_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One feature store for all tests of this file."""
    monkeypatch.setenv("TRANSFER_HOME", str(home))
    return home


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "flowers"
    for number, label in enumerate(("cats", "dogs")):
        (root / label).mkdir(parents=True)
        for index in range(16):
            made_up_image(1000 * number + index, (40, 40), number).save(root / label / f"{index:03d}.png")
    made_up_image(77, (40, 40), 1).save(root / "dogs" / "converted.tif")
    (root / "dogs" / "cut.png").write_bytes((root / "dogs" / "000.png").read_bytes()[:1000])
    return root


@pytest.fixture(scope="module")
def images(s3_server: Server, flowers: Path, patch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """The same folder in a bucket."""
    with served(s3_server, patch) as made:
        made.put_folder(flowers, "flowers")
        yield made


@pytest.fixture(scope="module")
def runs(images: Bucket, flowers: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A run of the bucket, then one of the folder, each with features of its own."""
    output, found = tmp_path_factory.mktemp("runs"), {}
    for name, data in {"remote": f"{images.url}/flowers", "local": str(flowers)}.items():
        with pytest.MonkeyPatch.context() as own:
            own.setenv("TRANSFER_HOME", str(home / name))
            found[name] = transfer.fit(data, QUICK, name=name, output=output)
    return found


def test_a_fit_of_the_bucket_equals_that_of_the_folder(runs: dict[str, Run], images: Bucket) -> None:
    for table in ("predictions", "manifest", "history"):
        found, expected = (getattr(runs[name], table).drop(columns="seconds", errors="ignore") for name in ("remote", "local"))
        pd.testing.assert_frame_equal(found, expected)
    figures = [{part: run.metrics[part] for part in ("validation", "test", "ood")} for run in runs.values()]
    assert json.dumps(figures[0], sort_keys=True) == json.dumps(figures[1], sort_keys=True)
    assert runs["remote"].config["data.source"] == "s3://images/flowers"
    assert set(runs["remote"].manifest["status"]) == {"used", "transcoded", "skipped"}


def test_no_run_keeps_credentials_and_the_bucket_is_only_read(runs: dict[str, Run], images: Bucket, home: Path) -> None:
    secret = os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    assert secret == b"kept-nowhere"
    for folder in (runs["remote"].path, home):
        assert not [file for file in folder.rglob("*") if file.is_file() and secret in file.read_bytes()]
    assert set(images.server.requests) <= {"LIST", "GET", "HEAD", "PUT", "POST"}
    assert len(images.keys()) == 34


def test_the_other_commands_take_it_too(runs: dict[str, Run], images: Bucket, tmp_path: Path) -> None:
    run, url = runs["remote"], f"{images.url}/flowers"
    images.server.requests.clear()
    remote = transfer.predict(run, [url + "/cats", url + "/dogs/001.png"])
    local = transfer.predict(run, [Path(str(runs["local"].config["data.source"])) / "cats"])
    assert remote["path"].iloc[0] == url + "/cats/000.png" and len(remote) == 17 and (remote["error"] == "").all()
    pd.testing.assert_frame_equal(remote.iloc[:16].drop(columns="path"), local.drop(columns="path"))
    for arguments in (
        ["report", str(run.path), "--other", url + "/dogs"],
        ["explain", str(run.path), url + "/cats/001.png", "--output", str(tmp_path / "explained")],
        ["export", str(run.path), "--to", "savedmodel", "--output", str(tmp_path / "again")],
        ["predict", str(run.path), url + "/cats", "--output", str(tmp_path / "p.csv")],
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert not ended.value.code
    assert Run(run.path).metrics["ood"]["others"]["dogs"]["images"] == 17
    assert {file.name for file in tmp_path.iterdir()} >= {"explained", "again", "p.csv"}
    checked = transfer.check(url, QUICK, output=tmp_path / "check", write_manifest=tmp_path / "sheet.csv")
    assert str(checked.root) == url and (tmp_path / "check" / "report.html").exists()
    assert not {"PUT", "POST", "DELETE"} & set(images.server.requests)


def test_a_table_of_urls_gives_the_same_run(runs: dict[str, Run], images: Bucket, tmp_path: Path) -> None:
    manifest = runs["local"].manifest
    rows = [f"{images.url}/flowers/{path},{label}\n" for path, label in zip(manifest["path"], manifest["label"], strict=True)]
    (tmp_path / "labels.csv").write_text("path,label\n" + "".join(reversed(rows)))
    run = transfer.fit(tmp_path / "labels.csv", QUICK, name="table", output=tmp_path)
    found, expected = run.predictions, runs["local"].predictions
    assert list(found["path"]) == [f"flowers/{path}" for path in expected["path"]]
    pd.testing.assert_frame_equal(found.drop(columns="path"), expected.drop(columns="path"))


def test_an_object_that_changes_meanwhile_is_no_feature_of_the_old_one(images: Bucket, tmp_path: Path) -> None:
    for number in range(8):
        for label in ("a", "b"):
            made_up_image(number, (40, 40), label == "b").save(tmp_path / "x.png")
            images.put(f"moving/{label}/{number}.png", (tmp_path / "x.png").read_bytes() + label.encode() * number)
    asked: dict[str, int] = {}

    def change(method: str, path: str) -> str:
        if method == "GET" and path.endswith("/a/3.png"):
            asked[path] = asked.get(path, 0) + 1
            if asked[path] == 2:  # between the scan and the extraction
                images.put("moving/a/3.png", (tmp_path / "x.png").read_bytes() + b"new")
        return ""

    images.server.refuse = change
    run = transfer.fit(f"{images.url}/moving", QUICK | {"data.cache_gb": 0, "data.test": 0.2}, name="moving", output=tmp_path)
    images.server.refuse = lambda method, path: ""
    table = run.manifest.set_index("path")
    assert table.at["a/3.png", "reason"] == "changed while it was read" and (table["reason"] != "").sum() == 1


@pytest.mark.parametrize("command", ["fit", "check"])
@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("s3://images/nothing", "does not exist"),
        ("s3://nobody/flowers", "bucket does not exist"),
        ("s3://key:kept-nowhere@images/flowers", "must not hold credentials"),
        ("gs://bucket/flowers", 'pip install "keras-transfer[cloud]"'),
        ("ftp://host/flowers", "s3://, gs://, az://, hdfs://, file://"),
    ],
)
def test_mistakes_are_one_line(
    images: Bucket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, data: str, words: str
) -> None:
    from transfer.data.storage import connections

    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    if data.startswith("gs:"):
        monkeypatch.setattr(connections.importlib, "import_module", missing)
    with pytest.raises(SystemExit) as ended:
        main([command, data, *OPTIONS])
    told = capsys.readouterr()
    assert ended.value.code == 2 and words in told.err and told.err.count("\n") == 1 and "kept-nowhere" not in told.err


def test_an_expired_token_ends_a_fit_that_can_be_continued(images: Bucket, flowers: Path, tmp_path: Path) -> None:
    images.put_folder(flowers, "expiring")
    read: list[str] = []

    def refuse(method: str, path: str) -> str:
        read.append(path) if method == "GET" and path.endswith(".png") else None
        return "ExpiredToken" if len(read) > 20 else ""

    images.server.refuse = refuse
    with pytest.raises(DataError, match="credentials have expired"):
        transfer.fit(f"{images.url}/expiring", QUICK, name="expiring", output=tmp_path)
    images.server.refuse = lambda method, path: ""
    assert transfer.fit(f"{images.url}/expiring", QUICK, name="expiring", output=tmp_path).path.exists()


def test_file_urls_are_the_local_folder(runs: dict[str, Run], flowers: Path, tmp_path: Path, home: Path) -> None:
    run = transfer.fit(flowers.as_uri(), QUICK, name="file", output=tmp_path)
    assert run.config["data.source"] == str(flowers)
    pd.testing.assert_frame_equal(run.predictions, runs["local"].predictions)


def test_the_help_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    assert "s3://" in capsys.readouterr().out
