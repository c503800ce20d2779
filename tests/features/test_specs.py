"""How many images are read and computed together."""

import pytest

from transfer.config import Config
from transfer.features.specs import batch_size


@pytest.mark.parametrize(("size", "expected"), [(1000, 1), (299, 8), (224, 16), (96, 87), (32, 256), (8, 256)])
def test_smaller_images_come_in_larger_batches(size: int, expected: int) -> None:
    assert batch_size(Config(), size) == expected


def test_a_number_that_is_configured_counts() -> None:
    assert batch_size(Config().updated(features__batch_size=3), 32) == 3
