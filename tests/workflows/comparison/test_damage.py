"""Files of a comparison that a disk has damaged: a trial is repeated, tables are refused by name; nothing else is ever read."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.damage import damaged
from transfer.errors import RunError
from transfer.system.checksums import checksum_of_file
from transfer.system.sealed import read_json, write_json
from transfer.workflows.comparison import costs, folder, records

RECORD = records.Record(
    4, 2, 3, 0.75, 0.5, 0.1, 0.25, 0.5, 1, 2, "top", 10, 100, 0.5, 1.5, None, None, "", [0, 1, 1]
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_record_damaged_at_random_is_no_record_or_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    place = tmp_path_factory.getbasetemp()
    records.write(place, "name", RECORD, {"method": "é", "size": "all", "seed": 0})
    file = records.place(place, "name")
    assert records.read(place, "name") == RECORD
    assert records.read(place, "other") is None
    file.write_bytes(damaged(data, file.read_bytes()))
    assert records.read(place, "name") in (None, RECORD)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_a_rate_damaged_at_random_is_measured_again_or_the_same(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    place, known, measured = tmp_path_factory.getbasetemp(), costs.Rate(0.125, 0.5, None), costs.Rate(9.0)
    method: Any = SimpleNamespace(extractor=SimpleNamespace(feature_set=SimpleNamespace(id="x"), outputs=["top"]))
    meter: Any = SimpleNamespace(source="estimate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "machine", lambda: {"processor": "x"})
        patch.setattr(costs, "_measured", lambda *_: known)
        (place / folder.RATES).unlink(missing_ok=True)
        assert costs.rate(method, None, place, meter) == known  # type: ignore[arg-type]
        patch.setattr(costs, "_measured", lambda *_: measured)
        assert costs.rate(method, None, place, meter) == known  # type: ignore[arg-type]
        file = place / folder.RATES
        file.write_bytes(damaged(data, file.read_bytes()))
        same = read_json(file) is not None  # a space more or less
        assert costs.rate(method, None, place, meter) == (known if same else measured)  # type: ignore[arg-type]


def finished(place: Path) -> Path:
    """Write the files of a finished comparison, but for its records."""
    place.mkdir(exist_ok=True)
    for name in folder.TABLES:
        (place / name).write_text(f"run,accuracy\n{name},0.5\n")
    checksums = {name: checksum_of_file(place / name) for name in folder.TABLES}
    write_json(place / folder.FACTS, {"paragraph": "words", "failures": [], folder.CHECKSUMS: checksums}, indent=2)
    return place


@settings(deadline=None, max_examples=200)
@given(st.sampled_from([folder.FACTS, *folder.TABLES]), st.data())
def test_a_comparison_damaged_at_random_is_refused_by_name_or_the_same(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    place = finished(tmp_path_factory.getbasetemp() / "finished")
    expected = folder.Comparison(place)
    facts, runs = expected.facts, expected.runs
    (place / name).write_bytes(damaged(data, (place / name).read_bytes()))
    try:
        found = folder.Comparison(place)
    except RunError as error:
        assert name in str(error) and "Run the same comparison again" in str(error) and "\n" not in str(error)
    else:
        assert found.facts == facts == {"paragraph": "words", "failures": []}
        pd.testing.assert_frame_equal(found.runs, runs)


def test_a_comparison_of_an_earlier_version_is_refused_in_one_line(tmp_path: Path) -> None:
    place = finished(tmp_path / "old")
    (place / folder.FACTS).write_text('{"paragraph": "words", "failures": []}')
    with pytest.raises(RunError, match=r"of an earlier version\. Run the same comparison again"):
        folder.Comparison(place)
