"""Segments are whole, whatever parts an engine returned and in whatever order; what another machine needs travels as a value."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import made_up_image
from tests.reports.made_up_run import write_run
from transfer.engines import LOCAL, Lost
from transfer.exporters.compute import choice
from transfer.exporters.compute.facts import Preference
from transfer.models import openvino_engine
from transfer.runs import Run
from transfer.serving.batch.answering import Predictor
from transfer.serving.batch.shards import identities_of
from transfer.serving.batch.tables import ARRAYS, Rows
from transfer.serving.batch.workers import Packed, _whole, answered, in_order

CLASSES = 2


def rows(positions: np.ndarray) -> Rows:
    """Rows that tell their positions."""
    numbers = positions.astype(np.float32)
    probabilities = np.stack([numbers, -numbers], 1)
    return Rows([""] * len(numbers), probabilities, numbers, numbers % 2 == 0, identities_of([str(number) for number in positions]))


def same(found: Rows, expected: Rows) -> bool:
    arrays = all(getattr(found, name).tobytes() == getattr(expected, name).tobytes() for name in ARRAYS)
    return found.errors == expected.errors and arrays


@settings(deadline=None, max_examples=150)
@given(st.data(), st.integers(1, 30), st.integers(1, 7))
def test_any_parts_in_any_order_make_whole_segments(data: st.DataObject, count: int, segment: int) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, count - 1))) if count > 1 else [])
    parts = [np.arange(start, end) for start, end in zip([0, *cuts], [*cuts, count], strict=True)]
    lost = data.draw(st.sets(st.integers(0, len(parts) - 1)))
    found = [(part, Lost("ended its worker") if number in lost else rows(part)) for number, part in enumerate(parts)]
    told: list[int] = []
    files = [str(number) for number in range(count)]
    whole = list(_whole(data.draw(st.permutations(found)), files, segment, CLASSES, told.append))
    assert sum(told) == count
    assert sorted(first for first, _ in whole) == list(range(0, count, segment))
    assert all(len(part) == min(segment, count - first) for first, part in whole)
    lost_files = np.isin(np.arange(count), np.concatenate([np.empty(0, int), *(parts[number] for number in lost)]))
    joined = Rows.joined(list(in_order(whole)))
    assert joined.errors == ["ended its worker" if one else "" for one in lost_files]
    assert same(joined.taken(np.flatnonzero(~lost_files)), rows(np.flatnonzero(~lost_files)))
    assert np.isnan(joined.probabilities[lost_files]).all()
    assert joined.identities.tobytes() == identities_of(files).tobytes()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "run", export=True)


class Elsewhere:
    """An engine that sends everything as another machine would get it, gives the last batch first, and loses one image."""

    lost = 3

    def stream(self, make_worker: Any, items: Any, batch_size: int) -> Iterator[tuple[np.ndarray, Any]]:
        worker = pickle.loads(pickle.dumps(make_worker))()
        for start in reversed(range(0, len(items), batch_size)):
            if start == 0:
                yield np.array([self.lost]), Lost("ended the worker that read it, 3 times")
            places = np.delete(np.arange(start, min(start + batch_size, len(items))), [self.lost] if start == 0 else [])
            for positions, result in worker([items[place] for place in places]):
                yield places[positions], result


@pytest.mark.parametrize("compute", ["tensorflow", "openvino"])
def test_another_machine_answers_as_this_one_does(run: Run, compute: str, tmp_path: Path) -> None:
    if compute == "openvino" and openvino_engine.version() is None:
        pytest.skip("needs: pip install -e '.[openvino]'")
    files = [str(tmp_path / f"{number}.png") for number in range(9)]
    for number, file in enumerate(files):
        made_up_image(number, tint=number).save(file)
    Path(files[7]).write_text("not an image")
    predictor = Predictor.of(run, choice.load(run.export, Preference.of(run, compute), lambda text: None), 2)
    predictor = Predictor(predictor.classifier, predictor.decoder, 2)
    here = Rows.joined(list(in_order(answered(LOCAL, predictor, run, files, lambda count: None))))
    assert Packed.of(predictor, run, 1).precision == ("float32" if compute == "openvino" else None)
    told: list[int] = []
    engine: Any = Elsewhere()
    there = Rows.joined(list(in_order(answered(engine, predictor, run, files, told.append))))
    assert sum(told) == len(files)
    assert there.errors == [*[""] * 3, "ended the worker that read it, 3 times", *[""] * 3, "not an image", ""]
    kept = np.delete(np.arange(len(files)), Elsewhere.lost)
    np.testing.assert_allclose(there.taken(kept).probabilities, here.taken(kept).probabilities, atol=1e-6)
    assert there.identities.tobytes() == here.identities.tobytes()
    assert there.taken(kept).errors == here.taken(kept).errors
