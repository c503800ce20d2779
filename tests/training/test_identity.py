"""The identity of a result: the digest of one JSON text, however it is computed; checkpoints of earlier versions keep their names."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest

from transfer.config import Config
from transfer.data.dataset import COLUMNS, Dataset
from transfer.training import identity
from transfer.training.identity import result_identity

ROWS = [("ab" * 32, "cats", "train"), ("cd" * 32, 'd"ogs', "validation"), ("ef" * 32, "\udce9", "test"), ("01" * 32, "ü", "train")]


def dataset(count: int) -> Dataset:
    table = pd.DataFrame(dict.fromkeys(COLUMNS, ""), index=range(count), dtype=object)
    for place, name in enumerate(("digest", "label", "split")):
        table[name] = pd.Series([row[place] for row in ROWS[:count]], dtype=object)
    return Dataset(Path("/none"), table, False, table)


@pytest.mark.parametrize("together", [1, 2, 4096])
@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_the_identity_is_that_of_one_text(count: int, together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_TOGETHER", together)
    made, seen = dataset(count), []
    monkeypatch.setattr(identity, "_bytes", lambda facts, bytes_of=identity._bytes: seen.append(facts) or bytes_of(facts))
    found = result_identity(Config(), "a set", made)
    facts = json.dumps([*seen[0], [list(row) for row in ROWS[:count]]])
    assert found == hashlib.sha256(facts.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    assert seen[0][2:] == ["a set", made.classes]


def test_another_row_is_another_identity() -> None:
    assert len({result_identity(Config(), "a set", dataset(count)) for count in range(5)}) == 5
