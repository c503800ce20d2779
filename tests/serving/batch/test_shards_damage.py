"""Answers kept on disk, damaged at random: they are as they were computed, or are computed again."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.damage import damaged
from transfer.serving.batch.outputs import Output
from transfer.serving.batch.shards import Shards, identities_of
from transfer.serving.batch.tables import ARRAYS, Rows

SEGMENT, FILES = 2, 6
FACTS = {"export": "e"}


def rows(first: int, paths: list[str]) -> Rows:
    numbers = np.arange(first, first + SEGMENT, dtype=np.float32)
    return Rows(
        ["", "damaged: é"],
        np.stack([numbers, -numbers], 1),
        numbers / 3,
        np.array([True, False]),
        identities_of(paths[first : first + SEGMENT]),
    )


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("data")
    for number in range(FILES):
        (folder / str(number)).write_bytes(b"x")
    return [str(folder / str(number)) for number in range(FILES)]


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2), st.data())
def test_damaged_answers_are_as_they_were_or_computed_again(paths: list[str], number: int, data: st.DataObject) -> None:
    shards = Shards(Output.of(Path(paths[0]).with_name("out.csv")))
    firsts = list(range(0, FILES, SEGMENT))
    with shards.locked():
        assert shards.resume(FACTS, paths, SEGMENT) == (firsts, 0)
        for first in data.draw(st.permutations(firsts)):
            shards.add(first, rows(first, paths))
        file = shards.folder / f"{number * SEGMENT:012}.npz"
        content = file.read_bytes()
        file.write_bytes(spoiled := damaged(data, content))
        missing = [number * SEGMENT] if spoiled != content else []
        assert shards.resume(FACTS, paths, SEGMENT) == (missing, len(missing))
        for first, found in zip([first for first in firsts if first not in missing], shards.read(), strict=True):
            expected = rows(first, paths)
            assert found.errors == expected.errors
            for name in ARRAYS:
                np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        shards.delete()


def test_answers_of_an_earlier_version_are_computed_again(paths: list[str]) -> None:
    shards = Shards(Output.of(Path(paths[0]).with_name("old.csv")))
    with shards.locked():
        shards.resume(FACTS, paths, SEGMENT)
        shards.add(0, rows(0, paths))
        file = shards.folder / f"{0:012}.npz"
        with np.load(file) as arrays:
            np.savez(file, **dict(arrays))  # without a checksum
        assert shards.resume(FACTS, paths, SEGMENT) == ([0, 2, 4], 1)
        assert not file.exists()
