"""Data that changes while a run is made: nobody measures a model on images that it was not told of."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import made_up_image
from tests.end_to_end.common import QUICK
from transfer.errors import DataError
from transfer.workflows import fit


def replace(file: Path) -> None:
    """Put another image in place of one, of the same size in bytes and the same time, as a copy that keeps times may be."""
    before = file.stat()
    made_up_image(99, tint=1).save(file.with_suffix(".tiff"))
    file.with_suffix(".tiff").rename(file)
    with file.open("ab") as opened:
        opened.truncate(before.st_size)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_test_image_that_changes_during_the_training_is_named_and_nothing_is_published(
    image_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = image_folder(count=14)
    really, changed = fit.export, []

    def export(draft: object, classifier: object, trained: fit.Trained, ood: object) -> object:
        rows = trained.features.rows("test")
        file = data / rows["path"].iloc[0]
        changed.append(file.name)
        replace(file)
        return really(draft, classifier, trained, ood)  # type: ignore[arg-type]

    monkeypatch.setattr(fit, "export", export)
    with pytest.raises(DataError, match=r"1 of \d+ images are missing or have changed.*its content has changed") as error:
        fit.fit(data, QUICK, name="run", output=tmp_path / "runs")
    assert changed[0] in str(error.value)
    assert list((tmp_path / "runs").iterdir()) == []
