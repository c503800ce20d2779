"""The frozen pass over a manifest: each picture once, nothing under a wrong name, the same after an interruption."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tests.conftest import picture
from transfer.config import AugmentConfig
from transfer.data import sources
from transfer.data.pipeline import Pictures
from transfer.features.extract import PLAIN, Extraction, Views, extract
from transfer.features.store import FeatureSet, Store, key, opened
from transfer.progress import Advance, Silent

SIZE, BATCH = 16, 4
Folder = Callable[..., Path]


class Front:
    """Stands for a network: means of the pixels, and of the whole batch, so that a batch made otherwise would show."""

    outputs = ("means", "batch")

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.batches: list[int] = []
        self.interrupt_at = interrupt_at

    def __call__(self, images: tf.Tensor) -> list[np.ndarray]:
        if self.interrupt_at == len(self.batches):
            raise KeyboardInterrupt
        pixels = images.numpy().astype(np.float32)
        self.batches.append(len(pixels))
        of_each = pixels.mean((1, 2))
        return [of_each, np.repeat(of_each.mean(0, keepdims=True), len(pixels), 0)]


class Interrupting(Silent):
    """Ctrl-C after so many batches were stored."""

    def __init__(self, after: int) -> None:
        self.after = after

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += 1
            if done == self.after:
                raise KeyboardInterrupt

        yield advance


def scan(root: Path) -> pd.DataFrame:
    manifest = sources.scan(root, 100.0, Silent()).manifest
    return manifest[manifest["reason"] == ""]


def run(
    rows: pd.DataFrame, root: Path, store: Store, front: Front | None = None, views: Views | None = None, progress: Silent | None = None
) -> tuple[Extraction, Front]:
    front = front or Front()
    options = {} if views is None else {"views": views}
    done = extract(rows, root, Pictures(SIZE), front.outputs, front, BATCH, store, progress or Silent(), **options)
    return done, front


@pytest.fixture
def store() -> Iterator[Store]:
    with opened(a_set("one")) as opened_store:
        yield opened_store


def a_set(network: str) -> FeatureSet:
    return FeatureSet(network, "", SIZE, "stretch", "1", "float32")


def stored(store: Store, rows: pd.DataFrame, output: str = "means", tag: str = PLAIN) -> np.ndarray:
    return store.get([key(digest, tag, output) for digest in rows["digest"]], np.dtype(np.float32))


def damage(file: Path) -> None:
    """Cut a picture short: its header is whole, so that a scan finds nothing wrong."""
    file.write_bytes(file.read_bytes()[:-60])


def test_features_lie_under_the_digest_of_their_picture(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=3, size=(SIZE, SIZE))
    rows = scan(root)
    done, front = run(rows, root, store)
    expected = [np.asarray(picture(1000 * number + i, (SIZE, SIZE), number)).mean((0, 1)) for number in (0, 1) for i in range(3)]
    np.testing.assert_allclose(stored(store, rows), expected, rtol=1e-5)
    assert done == Extraction(6, {}) and front.batches == [4, 2]


def test_a_second_pass_computes_nothing(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=3)
    run(scan(root), root, store)
    done, front = run(scan(root), root, store)
    assert done == Extraction(0, {}) and front.batches == []


@pytest.mark.parametrize("added", [1, 5])
def test_adding_k_pictures_computes_k(image_folder: Folder, store: Store, added: int) -> None:
    root = image_folder(count=4)
    run(scan(root), root, store)
    before = stored(store, scan(root))
    for number in range(added):
        picture(7000 + number).save(root / "green" / f"a new one {number}.png")
    done, front = run(scan(root), root, store)
    assert done.computed == sum(front.batches) == added
    known = ~scan(root)["path"].str.contains("a new one")
    assert np.array_equal(stored(store, scan(root)[known]), before)


def test_copies_are_computed_once(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=3)
    shutil.copy(root / "red" / "001.png", root / "green" / "copy.png")
    rows = scan(root)
    done, front = run(rows, root, store)
    assert done.computed == sum(front.batches) == 6 and len(stored(store, rows)) == 7


def test_renaming_or_moving_pictures_computes_nothing(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=3)
    run(scan(root), root, store)
    (root / "red").rename(root / "ein anderer Name")
    assert run(scan(root), root, store)[0].computed == 0


def test_an_output_that_is_missing_is_computed_for_the_pictures_that_lack_it(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=3)
    rows = scan(root)
    store.put({key(digest, PLAIN, "means"): b"" for digest in rows["digest"]})
    store.put({key(rows["digest"].iloc[0], PLAIN, "batch"): b""})
    assert run(rows, root, store)[0].computed == 5


def test_undecodable_pictures_are_reported_with_the_reason_and_remembered(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=4)
    damage(root / "green" / "001.png")
    shutil.copy(root / "green" / "001.png", root / "red" / "copy.png")
    rows = scan(root)
    done, front = run(rows, root, store)
    failed = rows.loc[list(done.failures), "path"]
    assert sorted(failed) == ["green/001.png", "red/copy.png"], "the copy fails as well"
    assert set(done.failures.values()) == {"damaged: not a whole PNG (truncated or broken)"}
    assert done.computed == 7 and front.batches == [4, 3]
    again, front = run(scan(root), root, store)
    assert again.failures == done.failures and front.batches == []
    picture(1).save(root / "green" / "001.png")
    mended, _ = run(scan(root), root, store)
    assert mended.computed == 1, "another content is another picture"


@pytest.mark.parametrize("becomes", ["another picture", "a damaged one"])
def test_a_picture_that_changes_after_the_scan_is_reported_and_not_stored(image_folder: Folder, store: Store, becomes: str) -> None:
    root = image_folder(count=3)
    rows = scan(root)
    file = root / "green" / "001.png"
    original = file.read_bytes()
    picture(4711, (50, 50)).save(file)
    if becomes == "a damaged one":
        damage(file)
    done, _ = run(rows, root, store)
    (index,) = done.failures
    assert (rows.at[index, "path"], done.failures[index]) == ("green/001.png", "changed while it was read")
    assert store.has([key(rows.at[index, "digest"], PLAIN, "means")]) == [False]
    file.write_bytes(original)
    again, _ = run(scan(root), root, store)
    assert again == Extraction(1, {}), "what was digested first was never at fault"


def test_a_picture_that_vanishes_after_the_scan_is_reported(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=3)
    rows = scan(root)
    original = (root / "red" / "002.png").read_bytes()
    (root / "red" / "002.png").unlink()
    done, _ = run(rows, root, store)
    (index,) = done.failures
    assert (rows.at[index, "path"], done.failures[index]) == ("red/002.png", "vanished while the folder was read")
    assert done.computed == 5
    (root / "red" / "002.png").write_bytes(original)
    assert run(scan(root), root, store)[0] == Extraction(1, {}), "it is not remembered as damaged"


AUGMENTATION = AugmentConfig(views=2)


def test_views_are_stored_beside_the_plain_picture_and_differ_from_it(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=2)
    rows = scan(root)
    run(rows, root, store)
    views = Views(2, AUGMENTATION, 0)
    done, _ = run(rows, root, store, views=views)
    assert done.computed == 2 * len(rows) and store.records() == 3 * len(rows) * len(Front.outputs)
    of_all = [stored(store, rows, tag=tag) for tag in (PLAIN, *views.tags())]
    for a in range(3):
        for b in range(a):
            assert (np.abs(of_all[a] - of_all[b]).max(1) > 0).all()


def test_views_are_the_same_in_every_pass(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=3)
    rows, views = scan(root), Views(2, AUGMENTATION, 3)
    run(rows, root, store, views=views)
    with opened(a_set("two")) as other:
        # In another order, and one by one: a view depends on nothing but picture, number, seed and settings.
        for number in range(len(rows) - 1, -1, -1):
            run(rows.iloc[[number]], root, other, views=views)
        for tag in views.tags():
            assert np.array_equal(stored(store, rows, tag=tag), stored(other, rows, tag=tag))


@pytest.mark.parametrize(
    ("views", "computed"),
    [
        (Views(2, AUGMENTATION, 0), 0),
        (Views(5, AugmentConfig(views=5), 0), 3 * 4),
        (Views(2, AUGMENTATION, 1), 2 * 4),
        (Views(2, AugmentConfig(views=2, rotation=3.0), 0), 2 * 4),
        (Views(2, AugmentConfig(views=2, flip=False), 0), 2 * 4),
    ],
    ids=["the same", "more views", "another seed", "another rotation", "no mirroring"],
)
def test_only_views_that_were_never_made_are_computed(image_folder: Folder, store: Store, views: Views, computed: int) -> None:
    root = image_folder(count=2)
    run(scan(root), root, store, views=Views(2, AUGMENTATION, 0))
    assert run(scan(root), root, store, views=views)[0].computed == computed


@pytest.mark.parametrize("batches", [1, 2, 4])
@pytest.mark.parametrize("moment", ["before it is stored", "after it was stored"])
@pytest.mark.parametrize("views", [None, Views(2, AUGMENTATION, 0)], ids=["plain", "views"])
def test_a_pass_that_was_interrupted_ends_with_the_bytes_of_an_undisturbed_one(
    image_folder: Folder, store: Store, batches: int, moment: str, views: Views | None
) -> None:
    root = image_folder(count=9)
    damage(root / "green" / "002.png")
    shutil.copy(root / "green" / "003.png", root / "green" / "copy.png")
    rows = scan(root)
    before = moment == "before it is stored"
    with pytest.raises(KeyboardInterrupt):
        run(rows, root, store, Front(interrupt_at=batches) if before else None, views, None if before else Interrupting(batches))
    assert store.records() == batches * BATCH * len(Front.outputs), "what was computed is kept"
    resumed, _ = run(rows, root, store, views=views)
    with opened(a_set("undisturbed")) as other:
        undisturbed, _ = run(rows, root, other, views=views)
        whole = rows.drop(index=list(undisturbed.failures))
        for tag in views.tags() if views else [PLAIN]:
            for output in Front.outputs:
                assert stored(store, whole, output, tag).tobytes() == stored(other, whole, output, tag).tobytes()
    assert resumed.failures == undisturbed.failures and len(resumed.failures) == 1
    assert resumed.computed + batches * BATCH == undisturbed.computed
