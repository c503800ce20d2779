"""Names of objects."""

import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.data.storage import RemotePath, absolute, is_remote, is_url, located, name_with_digest, shown
from transfer.data.storage.paths import parts
from transfer.errors import DataError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("s3://bucket/flowers", "s3://bucket/flowers"),
        ("s3://bucket/flowers/", "s3://bucket/flowers"),
        ("S3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/a b/ä#1", "s3://bucket/a b/ä#1"),
        (os.fspath(Path("s3://bucket/flowers")), "s3://bucket/flowers"),  # pathlib takes one slash away
        ("gs://bucket/x", "gs://bucket/x"),
        ("az://container/x", "az://container/x"),
        ("abfss://container@account.dfs.core.windows.net/x", "abfss://container@account.dfs.core.windows.net/x"),
        ("hdfs://host:8020/data/x", "hdfs://host:8020/data/x"),
    ],
)
def test_a_url_has_one_form(given: str, expected: str) -> None:
    assert absolute(given) == expected == str(located(given))
    assert absolute(absolute(given)) == expected
    assert is_remote(expected) and is_url(given)


@pytest.mark.parametrize("given", ["file:///data/flowers", "file://localhost/data/flowers", "FILE:///data/flowers", "file:/data/flowers"])
def test_file_urls_are_local_folders(given: str) -> None:
    assert located(given) == Path("/data/flowers")
    assert located("file:///a%20b") == Path("/a b")


@pytest.mark.parametrize("given", ["flowers", "/data/flowers", "./s3/bucket", "a:b/c", "s3:x", "tfds:mnist", "C:\\x", "2024:/x", ""])
def test_paths_of_the_system_are_no_urls(given: str) -> None:
    assert not is_url(given)


@pytest.mark.parametrize(
    "given",
    [
        "s3://key:secret@bucket/x",
        "https://user:secret@host/x",
        "s3://bucket/x?X-Amz-Signature=secret",
        "az://container/x?sv=2020&sig=secret",
        "gs://bucket/x?X-Goog-Signature=secret",
    ],
)
def test_credentials_in_a_url_are_refused_and_not_shown(given: str) -> None:
    with pytest.raises(DataError, match="must not hold credentials") as caught:
        absolute(given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("ftps://host/x", r"s3://, gs://, az://, hdfs://, file://\."),
        ("http://host/x", r"Download it first .* then give the file"),
        ("s4://bucket/x", "Did you mean s3://"),
        ("s3:///x", "names no bucket"),
        ("s3://", "names no bucket"),
        ("file://host/x", "three slashes"),
    ],
)
def test_other_urls_are_refused(given: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        located(given)


def test_a_remote_path_stands_where_a_local_one_does() -> None:
    root = located("s3://bucket/flowers", 8, 1.5)
    assert isinstance(root, RemotePath)
    file = root / "cats/1.jpg"
    assert os.fspath(file) == "s3://bucket/flowers/cats/1.jpg" == f"{root}/cats/1.jpg"
    assert (file.bucket, file.key, file.name, file.suffix, file.connections, file.cache_gb) == (
        "bucket", "flowers/cats/1.jpg", "1.jpg", ".jpg", 8, 1.5,
    )  # fmt: skip
    assert str(file.parent) == "s3://bucket/flowers/cats" and str(RemotePath("s3://bucket").parent) == "s3://bucket"
    assert pickle.loads(pickle.dumps(root)) == root


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_a_name_with_a_digest_gives_back_both(key: str) -> None:
    url, digest = f"s3://bucket/{key}", "0f" * 32
    name = name_with_digest(os.fsencode(url), digest)
    assert parts(name) == (url, digest) and shown(name) == url and is_remote(name)
    assert parts(url) == (url, "")
