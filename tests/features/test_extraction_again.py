"""Feature extraction with augmented views, and after an interruption: always the same bytes."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.features.passes import BATCH, FeatureExtractor, Interrupting, a_set, damage, decode_quickly, run, scan, stored
from transfer.config import AugmentConfig
from transfer.data import pipeline
from transfer.features.store import Store, key, open_store
from transfer.features.tasks import ONLY_PLAIN, PLAIN, Views

Folder = Callable[..., Path]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    decode_quickly(monkeypatch)


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store(a_set("one")) as opened_store:
        yield opened_store


AUGMENTATION = AugmentConfig(views=2)


def test_views_are_stored_beside_the_plain_image_and_differ_from_it(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=2)
    rows = scan(root)
    run(rows, root, store)
    views = Views(2, AUGMENTATION, 0)
    _, extractor = run(rows, root, store, views=views)
    assert sum(extractor.batches) == 2 * len(rows) and store.records() == 3 * len(rows) * len(FeatureExtractor.outputs)
    of_all = [stored(store, rows, tag=tag) for tag in (PLAIN, *views.tags())]
    for a in range(3):
        for b in range(a):
            assert (np.abs(of_all[a] - of_all[b]).max(1) > 0).all()


def test_views_are_the_same_in_every_pass(image_folder: Folder, store: Store) -> None:
    root = image_folder(count=3)
    rows, views = scan(root), Views(2, AUGMENTATION, 3)
    run(rows, root, store, views=views)
    with open_store(a_set("two")) as other:
        # In other batches: a view depends on nothing but image, number, seed and settings.
        run(rows.iloc[4:], root, other, views=views)
        run(rows.iloc[3::-1], root, other, views=views)
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
    assert sum(run(scan(root), root, store, views=views)[1].batches) == computed


@pytest.mark.parametrize("views", [ONLY_PLAIN, Views(2, AUGMENTATION, 0)], ids=["plain", "views"])
def test_damaged_records_are_computed_again_and_no_others(image_folder: Folder, store: Store, views: Views) -> None:
    root = image_folder(count=3)
    rows = scan(root)
    run(rows, root, store, views=views)
    tag, digest = views.tags()[-1], rows["digest"].iloc[2]
    before = stored(store, rows, tag=tag, output="means")
    with store._env.begin(write=True) as transaction:  # as a disk would
        name = key(digest, tag, "means")
        transaction.put(name, bytes(8) + transaction.get(name)[8:])
    _, extractor = run(rows, root, store, views=views)
    assert extractor.batches == [1]
    assert np.allclose(stored(store, rows, tag=tag, output="means"), before, rtol=1e-6)


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
        run(rows, root, store, FeatureExtractor(interrupt_at=batches) if before else None, views, None if before else Interrupting(batches))
    assert store.records() == batches * BATCH * len(FeatureExtractor.outputs), "what was computed is kept"
    resumed, rest = run(rows, root, store, views=views)
    with open_store(a_set("undisturbed")) as other:
        undisturbed, whole_pass = run(rows, root, other, views=views)
        whole = rows.drop(index=list(undisturbed))
        for tag in views.tags() if views else [PLAIN]:
            for output in FeatureExtractor.outputs:
                assert stored(store, whole, output, tag).tobytes() == stored(other, whole, output, tag).tobytes()
    assert resumed == undisturbed and len(resumed) == 1
    assert sum(rest.batches) + batches * BATCH == sum(whole_pass.batches)


@pytest.mark.parametrize("views", [ONLY_PLAIN, Views(2, AUGMENTATION, 3)])
def test_images_whose_names_are_made_in_parts_fall_into_the_same_batches(
    image_folder: Folder, store: Store, monkeypatch: pytest.MonkeyPatch, views: Views
) -> None:
    root = image_folder(count=7)
    damage(root / "green" / "003.png")
    rows = scan(root)
    with open_store(a_set("in parts")) as other:
        whole, extractor = run(rows, root, store, views=views)
        monkeypatch.setattr(pipeline, "_TOGETHER", 3)
        parts, in_parts = run(rows, root, other, views=views)
        good = rows.drop(index=list(whole))
        assert (parts, in_parts.batches) == (whole, extractor.batches) and len(whole) == 1
        for tag in views.tags():
            for output in extractor.outputs:
                assert np.array_equal(stored(store, good, output, tag), stored(other, good, output, tag))
