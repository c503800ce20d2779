"""TFDS data sets become files as they are encoded, once, and feed a run to its end."""

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

import transfer
from tests.data.sources.tfds.tfds_sets import CLASSES, features, images, prepare, shards
from transfer.config import DataConfig, read_yaml
from transfer.data import dataset as manifests
from transfer.data.dataset import Dataset
from transfer.data.sources import read
from transfer.data.sources.tfds import listing as tfds_listing
from transfer.errors import DataError
from transfer.system.files import beside
from transfer.system.progress import Silent


class Told(Silent):
    """Keeps what was said, and the steps with their totals and what was counted."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.steps: dict[str, list[int | None]] = {}

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Callable[[int], None]]:
        self.steps[title] = [total, 0]

        def advance(count: int) -> None:
            self.steps[title][1] = (self.steps[title][1] or 0) + count

        yield advance

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    (tmp_path / "sets").mkdir()
    return tmp_path / "sets"


def opened(data_dir: Path, source: str = "tfds:pets", progress: Silent | None = None) -> Dataset:
    return read(DataConfig(source=source, tfds_data_dir=str(data_dir)), progress or Silent())


def rows(source: Dataset, *names: str) -> set[tuple[str, ...]]:
    return set(source.table[list(names)].itertuples(index=False, name=None))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(("format", "ending"), [("PNG", ".png"), ("JPEG", ".jpg")])
@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_images_are_files_of_the_bytes_that_the_set_holds(data_dir: Path, format: str, ending: str, file_format: str) -> None:
    splits = {"train": images(6, 0, format), "test": images(4, 10, format)}
    prepare(data_dir, splits, file_format=file_format)
    source = opened(data_dir)
    expected = {(digest(x["image"]), CLASSES[x["label"]], split) for split, examples in splits.items() for x in examples}
    assert rows(source, "digest", "label", "split") == expected
    assert source.ready_made
    paths = {f"{split}/{position:08d}{ending}" for split, examples in splits.items() for position in range(len(examples))}
    assert {path for (path,) in rows(source, "path")} == paths
    assert {digest((source.root / path).read_bytes()) for path in paths} == {one for one, *_ in expected}


def test_nothing_is_decoded_on_the_way(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = tfds.features.Image(shape=(None, None, 3))
    examples = [x | {"mask": x["image"]} for x in images(3)]
    prepare(data_dir, {"train": examples}, features(mask=mask))

    def refuse(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(tfds.features.Image, "decode_example", refuse)
    assert len(opened(data_dir).table) == 3


def test_examples_of_several_files_keep_their_place(data_dir: Path) -> None:
    prepare(data_dir, {"train": images(9)}, shards=3)
    stored = tfds.builder_from_directory(data_dir / "pets" / "1.0.0")
    order = tfds.ReadConfig(interleave_cycle_length=1)
    dataset = stored.as_dataset(split="train", decoders={"image": tfds.decode.SkipDecoding()}, read_config=order)
    assert len(shards(data_dir)) == 3
    assert list(opened(data_dir).table["digest"]) == [digest(x["image"]) for x in dataset.as_numpy_iterator()]


def test_a_version_and_a_configuration_are_read_by_name(data_dir: Path) -> None:
    prepare(data_dir, {"train": images(2)}, config="small")
    prepare(data_dir, {"train": images(3)}, config="large", version="1.0.0")
    prepare(data_dir, {"train": images(4)}, config="large", version="1.2.0")
    names = ("tfds:pets/small", "tfds:pets/large:1.0.0", "tfds:pets/large", "tfds:pets/large:1.2.*")
    assert [len(opened(data_dir, name).table) for name in names] == [2, 3, 4, 4]


def test_the_second_reading_does_not_read_the_set(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(data_dir, {"train": images(4), "test": images(2, 10, label=-1)})
    first, told = opened(data_dir), Told()
    monkeypatch.setattr(tfds_listing, "_raw", lambda *_: pytest.fail("read again"))
    second = opened(data_dir, progress=told)
    columns = [name for name in first.table if name != "ctime_ns"]
    assert second.table[columns].equals(first.table[columns])
    assert second.ready_made == first.ready_made
    assert "Reading pets" not in told.steps


@pytest.mark.parametrize("harm", ["deleted", "one missing", "one cut short", "index broken"])
def test_a_cache_that_is_not_whole_is_filled_again_with_the_same_paths(data_dir: Path, harm: str) -> None:
    prepare(data_dir, {"train": images(4)})
    before = opened(data_dir)
    first = before.root / str(before.table["path"][0])
    if harm == "deleted":
        subprocess.run(["rm", "-r", before.root], check=True)
    elif harm == "one missing":
        first.unlink()
    elif harm == "one cut short":
        first.write_bytes(first.read_bytes()[:-1])
    else:
        (before.root / "index.json").write_text('{"fingerprint": ')
    after = opened(data_dir)
    assert after.root == before.root
    assert rows(after, "path", "digest", "label") == rows(before, "path", "digest", "label")


def test_an_image_that_was_damaged_in_the_cache_is_never_taken_for_one_of_the_set(data_dir: Path) -> None:
    prepare(data_dir, {"train": images(4)})
    before = opened(data_dir)
    first = before.root / str(before.table["path"][0])
    content = first.read_bytes()
    first.write_bytes(content[:-30] + bytes([content[-30] ^ 1]) + content[-29:])
    told = Told()
    after = opened(data_dir, progress=told)
    assert rows(after, "path", "digest", "label") == rows(before, "path", "digest", "label")
    assert "Images of the data set were damaged in the cache (1): it is read again." in told.said
    assert first.read_bytes() == content


def test_a_set_that_was_prepared_again_is_read_again(data_dir: Path) -> None:
    prepare(data_dir, {"train": images(4)})
    before = opened(data_dir)
    subprocess.run(["rm", "-r", data_dir / "pets"], check=True)
    prepare(data_dir, {"train": images(4, 50)})
    after = opened(data_dir)
    assert after.root == before.root
    assert rows(after, "digest") == {(digest(x["image"]),) for x in images(4, 50)}


def test_an_interrupted_reading_leaves_nothing_and_is_done_again(data_dir: Path, cache_folder: Path) -> None:
    class Interrupted(Silent):
        @contextmanager
        def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Callable[[int], None]]:
            def advance(count: int) -> None:
                raise KeyboardInterrupt

            yield advance

    prepare(data_dir, {"train": images(4)})
    with pytest.raises(KeyboardInterrupt):
        opened(data_dir, progress=Interrupted())
    assert list((cache_folder / "tfds").iterdir()) == []
    assert len(opened(data_dir).table) == 4


def test_what_a_killed_process_has_left_is_cleared_up(data_dir: Path, cache_folder: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    prepare(data_dir, {"train": images(4)})
    left = beside(cache_folder / "tfds" / "pets-1.0.0", "partial")
    left = left.with_name(left.name.replace(f"-{os.getpid()}", f"-{dead.pid}"))
    (left / "train").mkdir(parents=True)
    (left / "train" / "00000000.png").touch()
    source = opened(data_dir)
    assert list((cache_folder / "tfds").iterdir()) == [source.root]
    assert len(source.table) == 4


def test_unlabelled_images_are_listed_with_the_reason(data_dir: Path) -> None:
    prepare(data_dir, {"train": images(4), "test": images(2, 10, label=-1)})
    source = opened(data_dir)
    skipped = source.table[source.table["reason"] != ""]
    assert list(skipped["path"]) == ["test/00000000.png", "test/00000001.png"]
    assert list(skipped["status"]) == ["skipped"] * 2
    assert manifests.reason_counts(source.table) == {"unlabelled": 2}


def test_classes_without_names_are_called_by_their_numbers(data_dir: Path) -> None:
    kinds = features(label=tfds.features.ClassLabel(num_classes=2))
    prepare(data_dir, {"train": images(4)}, kinds)
    assert rows(opened(data_dir), "label") == {("0",), ("1",)}


def test_the_terminal_shows_progress_and_nothing_else(data_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    prepare(data_dir, {"train": images(4), "test": images(2, 10), "extra": images(3, 20)})
    capfd.readouterr()
    told = Told()
    opened(data_dir, progress=told)
    assert told.steps["Reading pets"] == [6, 6]
    assert told.said == ["Splits left out because they are not train, validation or test: extra (3 images)."]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("harm", ["missing", "cut short", "fewer examples", "other bytes"])
def test_broken_shards_are_one_clear_line_and_leave_no_cache(data_dir: Path, cache_folder: Path, harm: str) -> None:
    prepare(data_dir, {"train": images(6), "test": images(2, 10)})
    (shard,) = shards(data_dir)
    if harm == "missing":
        shard.unlink()
    elif harm == "fewer examples":
        shard.write_bytes(shards(data_dir, "test")[0].read_bytes())
    else:
        data = shard.read_bytes()
        shard.write_bytes(data[:-30] if harm == "cut short" else data[:40] + bytes(40) + data[80:])
    with pytest.raises(DataError, match=r"The split train of the TFDS data set pets/1\.0\.0 is broken or incomplete: ") as error:
        opened(data_dir)
    assert "\n" not in str(error.value) and repr(str(data_dir / "pets" / "1.0.0")) in str(error.value)
    assert not [path for path in cache_folder.rglob("*") if path.is_file()]


def test_a_set_feeds_a_run_that_its_configuration_gives_again_by_name(data_dir: Path, tmp_path: Path) -> None:
    builder = prepare(data_dir, {"train": images(16), "test": images(6, 50)})
    first = transfer.fit(builder, backbone="lenet", image_size=16, training={"epochs": 1}, name="first", output=tmp_path / "runs")
    saved = read_yaml(first.path / "config.yaml")
    assert (saved["data.source"], saved["data.tfds_data_dir"]) == ("tfds:pets:1.0.0", str(data_dir))
    again = transfer.fit(config=saved, name="again", output=tmp_path / "runs")
    assert first.metrics["images"]["test"] == 6
    assert (again.path / "predictions.csv").read_bytes() == (first.path / "predictions.csv").read_bytes()
