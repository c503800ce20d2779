"""An export that does not agree with the trained model is not published."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import made_up_image
from tests.reports.made_up_run import COLOURS, SIZE, classifier, reference, write_models
from transfer.config import ExportConfig
from transfer.data.pipeline import ImageSpec
from transfer.drafts import drafting
from transfer.errors import ExportError
from transfer.exporters import saved_model, verify
from transfer.exporters.served import Served
from transfer.system.progress import Silent

TOLERANCE = 1e-3
_NONE = np.empty(0, np.float32)
COUNT = 19  # more than are classified one at a time, and not a multiple of the batch size


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_models(folder, COLOURS)
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("images")
    for index in range(COUNT):
        made_up_image(index, (20 + index, 30), tint=index).save(folder / f"{index:02d}.png")
    return [os.fsencode(folder / name) for name in sorted(os.listdir(folder))]


served = functools.cache(Served)
"""Loading an export costs a second or two."""


@pytest.fixture(scope="module")
def stored(models: Path, files: list[bytes]) -> np.ndarray:
    """Probabilities as if computed from stored features."""
    return served(models / "export" / "1").probabilities([Path(os.fsdecode(file)).read_bytes() for file in files])


def check(
    models: Path,
    files: Sequence[bytes],
    stored: np.ndarray,
    keras_file: Path | None = None,
    ood_score: np.ndarray = _NONE,
) -> verify.Verified:
    return verify.verify(
        served(models / "export" / "1"), keras_file or models / "model.keras", files, [600] * len(files), stored,
        ood_score, ImageSpec(SIZE), ExportConfig(batch_size=8, tolerance_float32=TOLERANCE), False, Silent(),
    )  # fmt: skip


def test_if_all_paths_agree_the_probabilities_of_the_export_are_returned(models: Path, files: list[bytes], stored: np.ndarray) -> None:
    verified = check(models, files, stored)
    np.testing.assert_allclose(verified.answers.probabilities, stored, atol=1e-6)
    assert verified.answers.probabilities.argmax(1).tolist() == [index % 3 for index in range(COUNT)]
    assert set(verified.differences) == {"stored", "keras", "batch_1", "ood_score"}
    assert all(difference <= 1e-5 for difference in verified.differences.values())


@pytest.mark.parametrize("row", [0, COUNT - 1])
def test_any_test_image_on_which_the_stored_features_disagree_is_found(
    models: Path, files: list[bytes], stored: np.ndarray, row: int
) -> None:
    tampered = stored.copy()
    tampered[row, 0] += 2 * TOLERANCE
    with pytest.raises(ExportError, match=r"\(stored\).*Expected at most 0.001. The run was not published"):
        check(models, files, tampered)


def test_a_probability_that_is_nan_does_not_pass(models: Path, files: list[bytes], stored: np.ndarray) -> None:
    tampered = stored.copy()
    tampered[3] = np.nan
    with pytest.raises(ExportError, match="does not agree"):
        check(models, files, tampered)


def test_a_keras_file_that_disagrees_is_found(models: Path, files: list[bytes], stored: np.ndarray, tmp_path: Path) -> None:
    classifier(sharpness=1 / 20).save(tmp_path / "model.keras")
    with pytest.raises(ExportError, match=r"\(keras\)"):
        check(models, files, stored, tmp_path / "model.keras")


def test_ood_scores_that_disagree_are_found(models: Path, files: list[bytes], stored: np.ndarray) -> None:
    expected = served(models / "export" / "1").answer([Path(os.fsdecode(file)).read_bytes() for file in files[:4]]).ood_score
    assert check(models, files, stored, ood_score=expected).differences["ood_score"] <= 1e-5
    with pytest.raises(ExportError, match=r"\(ood_score\): the OOD score differs by 0.1"):
        check(models, files, stored, ood_score=expected + np.float32(0.1))


def test_an_export_that_depends_on_the_batch_size_is_found(
    models: Path, files: list[bytes], stored: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Served.probabilities

    def batch_dependent(export: Served, images: Sequence[bytes]) -> np.ndarray:
        return honest(export, images) + (0.1 if len(images) == 1 else 0.0)

    monkeypatch.setattr(Served, "probabilities", batch_dependent)
    with pytest.raises(ExportError, match=r"\(batch_1\)"):
        check(models, files, stored)


def test_a_tampered_export_is_not_published(models: Path, files: list[bytes], stored: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ExportError), drafting(tmp_path, "run") as draft:
        saved_model.write(classifier(sharpness=1 / 20), list(COLOURS), ImageSpec(SIZE), reference(), draft.path / "export" / "1")
        check(draft.path, files, stored, models / "model.keras")
    assert list(tmp_path.iterdir()) == []


@given(
    sizes=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40)), max_size=30),
    batch_size=st.integers(1, 8),
    most_pixels=st.integers(1, 60),
)
@settings(max_examples=100, deadline=None)
def test_batches_hold_each_file_once_in_order_and_stay_small(sizes: list[tuple[int, int]], batch_size: int, most_pixels: int) -> None:
    files = [bytes([number]) for number in range(len(sizes))]
    pixels = [area for _, area in sizes]
    seen = []
    for positions, data in verify.batched(files, batch_size, lambda file: file * sizes[file[0]][0], pixels, most_pixels):
        assert [bytes([position]) * sizes[position][0] for position in positions] == data
        assert len(positions) <= batch_size
        assert len(positions) == 1 or sum(pixels[position] for position in positions) <= most_pixels
        seen += positions
    assert seen == list(range(len(sizes)))


def test_batches_of_large_files_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer.exporters.verify._LARGE_BYTES", 10)
    files = [b"a", b"b", b"c"]
    assert [positions for positions, _ in verify.batched(files, 8, lambda file: file * 6)] == [[0], [1], [2]]
    assert [positions for positions, _ in verify.batched(files, 8, lambda file: file * 5)] == [[0, 1], [2]]
