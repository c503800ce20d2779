"""A folder of object storage is taken for the same as a local one."""

from pathlib import Path

import pytest

from tests.buckets import Bucket
from transfer.config import DataConfig
from transfer.data import sources
from transfer.data.scan import Found
from transfer.data.sources import folder
from transfer.data.storage import RemotePath
from transfer.errors import DataError
from transfer.system.progress import Silent

TREES = {
    "classes": ["cats/1.jpg", "cats/2.jpg", "dogs/1.jpg", "dogs/deep/er/2.jpg", "readme.txt"],
    "splits": ["train/cats/1.jpg", "train/dogs/1.jpg", "test/cats/1.jpg", "test/dogs/2.jpg", "docs/a.txt"],
    "left out": ["cats/1.jpg", "cats/.hidden.jpg", "cats/Thumbs.db", ".git/config", ".git/objects/1", "dogs/@eaDir/1.jpg", "dogs/1.jpg"],
    "names": ["Café/ä ö.jpg", "a+b/%20 #?.jpg", "a+b/x&y.jpg", "日本/1.jpg"],
    "order": ["a/1.jpg", "a-b/1.jpg", "a b/1.jpg", "B/1.jpg", "a/b/1.jpg", "a/b-c.jpg"],
}


class Told(Silent):
    def __init__(self) -> None:
        self.told: list[str] = []

    def say(self, text: str) -> None:
        self.told.append(text)


def both(bucket: Bucket, tmp_path: Path, keys: list[str], **settings: object) -> tuple[tuple[list[Found], bool, list[str]], ...]:
    """Return what is found in a local folder and in a bucket with the same files."""
    config = DataConfig.model_validate(settings)
    root = tmp_path / "data"
    for key in keys:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(b"x")
    url = bucket.put_folder(root, "data")
    found = []
    for place in (root, RemotePath(url)):
        told = Told()
        files, splits = folder.listing(place, config, told)
        assert all((item.identity is not None) == (isinstance(place, RemotePath) and not item.path.endswith("/")) for item in files)
        found.append(([item._replace(identity=None) for item in files], splits, told.told))
    return tuple(found)


@pytest.mark.parametrize("name", TREES)
def test_a_bucket_is_a_folder(bucket: Bucket, tmp_path: Path, name: str) -> None:
    local, remote = both(bucket, tmp_path, TREES[name])
    assert remote == local and len(local[0]) >= len(TREES[name]) - 1


@pytest.mark.parametrize("exclude", [["dogs"], ["*.txt"], ["cats/1*"], ["nothing", "dog"], ["deep", "cats/*"]])
def test_the_same_is_left_out(bucket: Bucket, tmp_path: Path, exclude: list[str]) -> None:
    local, remote = both(bucket, tmp_path, TREES["classes"], exclude=exclude)
    assert remote == local


def test_ready_made_splits_are_named(bucket: Bucket, tmp_path: Path) -> None:
    local, remote = both(bucket, tmp_path, TREES["splits"], split_folders={"train": "train", "test": "test"})
    assert remote == local and remote[1]


def test_the_same_layouts_are_refused(bucket: Bucket, tmp_path: Path) -> None:
    for keys in (["one/cats/1.jpg", "one/dogs/1.jpg"], ["a/x/1.jpg", "a/y/1.jpg", "b/x/1.jpg", "b/y/1.jpg"]):
        (tmp_path / keys[0][0]).mkdir()
        texts = []
        for place in (0, 1):
            with pytest.raises(DataError) as caught:
                root = tmp_path / keys[0][0] / "data"
                if not place:
                    for key in keys:
                        (root / key).parent.mkdir(parents=True, exist_ok=True)
                        (root / key).write_bytes(b"x")
                    folder.listing(root, DataConfig(), Silent())
                else:
                    url = bucket.put_folder(root, keys[0][0])
                    folder.listing(RemotePath(url), DataConfig(), Silent())
            texts.append(str(caught.value).replace(str(root), "DATA").replace(f"s3://images/{keys[0][0]}", "DATA"))
        assert texts[0] == texts[1]


def test_folders_that_are_objects(bucket: Bucket) -> None:
    for key in ("d/", "d/cats/", "d/cats/1.jpg", "d/dogs/1.jpg", "d/empty/", "d/empty2/deep/", "d/.hidden/"):
        bucket.put(key)
    found, _ = folder.listing(RemotePath("s3://images/d"), DataConfig(), Silent())
    assert [(item.path, item.label, item.reason) for item in found] == [
        (".hidden/", "", "hidden folder"), ("cats/1.jpg", "cats", ""), ("dogs/1.jpg", "dogs", ""), ("empty/", "empty", "folder: empty"),
    ]  # fmt: skip


def test_keys_that_are_no_paths_are_rows_with_a_reason(bucket: Bucket) -> None:
    for key in ("d/cats/1.jpg", "d/cats//2.jpg", "d//3.jpg", "d/cats/../4.jpg", "d/dogs/./5.jpg"):
        bucket.put(key)
    found, _ = folder.listing(RemotePath("s3://images/d"), DataConfig(), Silent())
    assert {item.path: item.reason[:24] for item in found if item.reason} == dict.fromkeys(
        ("cats//2.jpg", "/3.jpg", "cats/../4.jpg", "dogs/./5.jpg"), "not the name of a file: "
    )


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("s3://images/nothing", "does not exist: no object's name begins with it"),
        ("s3://images/flo", "does not exist"),  # the beginning of a name is no folder
        ("s3://images/flowers/cats/1.jpg", "DATA must be a folder"),
        ("s3://nobody/flowers", "bucket does not exist"),
        ("s3://images/flowers/labels.csv", "path and label|table is empty|does not exist"),
        ("s3://images/none.csv", "table does not exist"),
    ],
)
def test_sources_that_cannot_be_used(bucket: Bucket, source: str, words: str) -> None:
    bucket.put("flowers/cats/1.jpg", b"x")
    bucket.put("flowers/labels.csv", b"")
    with pytest.raises(DataError, match=words):
        sources.require(DataConfig(source=source))


def test_an_empty_bucket(bucket: Bucket) -> None:
    with pytest.raises(DataError, match="bucket is empty"):
        sources.require(DataConfig(source="s3://images"))


def test_a_bucket_that_may_not_be_listed(bucket: Bucket) -> None:
    bucket.server.refuse = lambda method, path: "AccessDenied"
    with pytest.raises(DataError, match=r"may not be listed: access denied.*s3:ListBucket"):
        sources.require(DataConfig(source="s3://images/x"))


def test_images_in_no_folder_are_told(bucket: Bucket, image_folder: object) -> None:
    local = image_folder(("red",), 3)  # type: ignore[operator]
    for file in sorted(local.rglob("*.png")):
        bucket.put(f"flat/{file.name}", file.read_bytes())
    with pytest.raises(DataError, match=r"lie in the folder itself.*can be read \(3 of the first 3 files\)"):
        folder.listing(RemotePath("s3://images/flat"), DataConfig(), Silent())


def test_files_to_predict(bucket: Bucket) -> None:
    for key in ("d/a.jpg", "d/.hidden", "d/b/c.jpg", "d/b/Thumbs.db", "d/.git/x"):
        bucket.put(key, b"x")
    assert list(sources.objects(RemotePath("s3://images/d"))) == ["s3://images/d/a.jpg", "s3://images/d/b/c.jpg"]
    assert list(sources.objects(RemotePath("s3://images/d/a.jpg"))) == ["s3://images/d/a.jpg"]
    for missing in ("s3://images/d/none", "s3://images/d/a"):
        with pytest.raises(DataError, match="no such image or folder"):
            sources.objects(RemotePath(missing))


def test_places_of_the_user_are_local_ones(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("d/cats/1.jpg")
    table = tmp_path / "t.csv"
    table.write_text("path,label\ns3://images/d/cats/1.jpg,cats\n")
    assert sources.own(DataConfig(source="s3://images/d")) == []
    assert sources.own(DataConfig(source=str(table))) == [table]
    assert sources.own(DataConfig(source=str(table), root="s3://images/d")) == [table]
