"""The cost of feature extraction is measured on real images, or the comparison says why it cannot be."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from transfer.config import Config, DataConfig
from transfer.data import sources
from transfer.data.pipeline import ImageSpec
from transfer.errors import DataError
from transfer.system.energy import Meter
from transfer.system.progress import Silent
from transfer.workflows.comparison import costs


def method() -> Any:
    """Return what stands for a method: it takes any time to see an image."""

    def see(images: Any) -> list[Any]:
        return []

    extractor: Any = see
    extractor.feature_set, extractor.outputs, extractor.image_spec = SimpleNamespace(id="0123"), ["x"], ImageSpec(16)
    return SimpleNamespace(config=Config().updated(features__batch_size=2), extractor=extractor)


@pytest.mark.parametrize("left", [0, 1])
def test_images_that_were_deleted_meanwhile_are_one_line(image_folder: Callable[..., Path], tmp_path: Path, left: int) -> None:
    root = image_folder(count=70)
    dataset = sources.read(DataConfig(source=str(root)), Silent())
    files = sorted(root.rglob("*.png"))
    for file in files[left:]:
        file.unlink()
    with pytest.raises(DataError, match=r"cannot be read any more.*Expected unchanged files"):
        costs.rate(method(), dataset, tmp_path, Meter(False, None))
    assert list(tmp_path.glob("*.json")) == []


def test_few_images_are_seen_several_times(image_folder: Callable[..., Path], tmp_path: Path) -> None:
    dataset = sources.read(DataConfig(source=str(image_folder(count=2))), Silent())
    found = costs.rate(method(), dataset, tmp_path, Meter(False, None))
    assert found.seconds > 0 and costs.rate(method(), dataset, tmp_path, Meter(False, None)) == found
