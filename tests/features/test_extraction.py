"""Feature extraction from a dataset: each image once, and nothing under a wrong name."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import made_up_image
from tests.features.passes import BATCH, SIZE, FeatureExtractor, a_set, damage, decode_quickly, run, scan, stored
from transfer.config import DataConfig
from transfer.data import sources
from transfer.data.pipeline import ImageSpec
from transfer.engines import Lost
from transfer.engines.local import Local
from transfer.features.extraction import compute_missing
from transfer.features.store import Store, key, open_store
from transfer.features.tasks import PLAIN
from transfer.system.progress import Silent

Folder = Callable[..., Path]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    decode_quickly(monkeypatch)


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store(a_set("one")) as opened_store:
        yield opened_store


def test_features_lie_under_the_digest_of_their_image(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=3, size=(SIZE, SIZE))
    rows = scan(root)
    failures, extractor = run(rows, root, store)
    expected = [np.asarray(made_up_image(1000 * number + i, (SIZE, SIZE), number)).mean((0, 1)) for number in (0, 1) for i in range(3)]
    np.testing.assert_allclose(stored(store, rows), expected, rtol=1e-5)
    assert failures == {} and extractor.batches == [4, 2]


def test_a_second_pass_computes_nothing(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=3)
    run(scan(root), root, store)
    failures, extractor = run(scan(root), root, store)
    assert failures == {} and extractor.batches == []


@pytest.mark.parametrize("added", [1, 5])
def test_adding_k_images_computes_k(image_folder: Folder, store: Store, added: int) -> None:
    root = image_folder(count=4)
    run(scan(root), root, store)
    before = stored(store, scan(root))
    for number in range(added):
        made_up_image(7000 + number).save(root / "green" / f"a new one {number}.png")
    _, extractor = run(scan(root), root, store)
    assert sum(extractor.batches) == added
    earlier = ~scan(root)["path"].str.contains("a new one")
    assert np.array_equal(stored(store, scan(root)[earlier]), before)


def test_exact_duplicates_are_computed_once(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=3)
    shutil.copy(root / "red" / "001.png", root / "green" / "copy.png")
    rows = scan(root)
    _, extractor = run(rows, root, store)
    assert sum(extractor.batches) == 6 and len(stored(store, rows)) == 7


def test_renaming_or_moving_images_computes_nothing(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=3)
    run(scan(root), root, store)
    (root / "red").rename(root / "ein anderer Name")
    assert run(scan(root), root, store)[1].batches == []


def test_an_output_that_is_missing_is_computed_for_the_images_that_lack_it(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=3)
    rows = scan(root)
    store.put({key(digest, PLAIN, "means"): b"" for digest in rows["digest"]})
    store.put({key(rows["digest"].iloc[0], PLAIN, "batch"): b""})
    assert sum(run(rows, root, store)[1].batches) == 5


def test_undecodable_images_are_reported_with_the_reason_and_remembered(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=4)
    damage(root / "green" / "001.png")
    shutil.copy(root / "green" / "001.png", root / "red" / "copy.png")
    rows = scan(root)
    failures, extractor = run(rows, root, store)
    failed = rows.loc[list(failures), "path"]
    assert sorted(failed) == ["green/001.png", "red/copy.png"], "the copy fails as well"
    assert set(failures.values()) == {"damaged: not a whole PNG (truncated or broken)"}
    assert extractor.batches == [4, 3]
    again, extractor = run(scan(root), root, store)
    assert again == failures and extractor.batches == []
    made_up_image(1).save(root / "green" / "001.png")
    _, extractor = run(scan(root), root, store)
    assert sum(extractor.batches) == 1, "another content is another image"


@pytest.mark.parametrize("how", ["written over", "renamed to its place"])
def test_another_image_of_the_same_size_and_time_is_noticed(image_folder: Folder, store: Store, how: str) -> None:
    """As copies are that keep times, and as images are that a program touches up and dates back."""
    root = image_folder(count=3)
    rows = scan(root)
    file, before = root / "green" / "001.png", (root / "green" / "001.png").stat()
    Image.new("RGB", (40, 30), "red").save(root.parent / "other.png")
    content = (root.parent / "other.png").read_bytes().ljust(before.st_size, b"\0")
    if how == "written over":
        file.write_bytes(content)
    else:
        (root / "new").write_bytes(content)
        (root / "new").rename(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    failures, _ = run(rows, root, store)
    (index,) = failures
    assert (rows.at[index, "path"], failures[index]) == ("green/001.png", "changed while it was read")
    assert not store.has([key(rows.at[index, "digest"], PLAIN, "means")])[0]


@pytest.mark.parametrize("how", ["permissions", "link", "copied back"])
def test_an_image_that_was_only_touched_is_used(image_folder: Folder, store: Store, how: str) -> None:
    root = image_folder(count=3)
    rows = scan(root)
    file = root / "green" / "001.png"
    if how == "permissions":
        file.chmod(0o600)
    elif how == "link":
        (root / "link").hardlink_to(file)
    else:
        shutil.copy2(file, root / "copy")
        (root / "copy").rename(file)
    failures, extractor = run(rows, root, store)
    assert failures == {} and sum(extractor.batches) == len(rows)


@pytest.mark.parametrize("becomes", ["another image", "a damaged one"])
def test_a_image_that_changes_after_the_scan_is_reported_and_not_stored(image_folder: Folder, store: Store, becomes: str) -> None:
    root = image_folder(count=3)
    rows = scan(root)
    file = root / "green" / "001.png"
    original = file.read_bytes()
    made_up_image(4711, (50, 50)).save(file)
    if becomes == "a damaged one":
        damage(file)
    failures, _ = run(rows, root, store)
    (index,) = failures
    assert (rows.at[index, "path"], failures[index]) == ("green/001.png", "changed while it was read")
    assert store.has([key(rows.at[index, "digest"], PLAIN, "means")]) == [False]
    file.write_bytes(original)
    again, extractor = run(scan(root), root, store)
    assert (again, extractor.batches) == ({}, [1]), "what was digested first was never at fault"


def test_a_image_that_vanishes_after_the_scan_is_reported(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=3)
    rows = scan(root)
    original = (root / "red" / "002.png").read_bytes()
    (root / "red" / "002.png").unlink()
    failures, extractor = run(rows, root, store)
    (index,) = failures
    assert (rows.at[index, "path"], failures[index]) == ("red/002.png", "vanished while the folder was read")
    assert sum(extractor.batches) == 5
    (root / "red" / "002.png").write_bytes(original)
    again, extractor = run(scan(root), root, store)
    assert (again, extractor.batches) == ({}, [1]), "it is not remembered as damaged"


def test_images_whose_worker_ended_are_named_and_the_others_stored(image_folder: Folder, store: Store) -> None:
    class Losing(Local):
        """Ends a worker with the third image."""

        def stream(self, make_worker: Any, items: Any, batch_size: int) -> Iterator[Any]:
            yield from make_worker()(items[:2])
            yield np.array([2]), Lost("ended the worker that had it, 3 times")
            yield from ((positions + 3, result) for positions, result in make_worker()(items[3:]))

    root = image_folder(count=4, size=(SIZE, SIZE))
    rows, extractor = scan(root), FeatureExtractor()
    outputs, image_spec = extractor.outputs, ImageSpec(SIZE)
    failures = compute_missing(rows, root, image_spec, outputs, extractor, BATCH, store, Silent(), engine=Losing())
    assert failures == {int(rows.index[2]): "ended the worker that had it, 3 times"}
    assert store.has([key(digest, PLAIN, "means") for digest in rows["digest"]]) == [number != 2 for number in range(8)]


def test_a_file_whose_worker_ended_is_skipped_with_the_reason(image_folder: Folder) -> None:
    class Losing(Local):
        def stream(self, make_worker: Any, items: Any, batch_size: int) -> Iterator[Any]:
            yield np.array([0]), Lost("ended the worker that had it, 3 times")
            yield from ((positions + 1, result) for positions, result in make_worker()(items[1:]))

    table = sources.read(DataConfig(source=str(image_folder(count=4))), Silent(), engine=Losing()).table
    assert table["reason"].tolist() == ["ended the worker that had it, 3 times", *[""] * 7]
    assert table["digest"].tolist()[0] == "" and all(table["digest"].tolist()[1:])
