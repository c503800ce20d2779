"""The study: the same trials however often it is cut off; journals of other searches and damaged ones are refused."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest

from tests.workflows.tuning.made_up import SPACE, score, search, table
from transfer.config.search_space import Choices, Parameter, Space
from transfer.errors import RunError
from transfer.workflows.tuning import journal
from transfer.workflows.tuning.proposals import Proposal, propose
from transfer.workflows.tuning.study import Finished, Score


def test_a_search_finds_the_best_of_a_formula(tmp_path: Path) -> None:
    found = search(tmp_path / "study.journal", 60)
    assert len(found.trials) == 60
    assert [one.number for one in found.trials] == list(range(60))
    assert found.best.score.value > 0.74  # of 0.75
    assert found.best.settings["head.kind"] == "dense"
    assert any(one.score.pruned for one in found.trials)
    assert not found.best.score.pruned


def test_the_first_trial_is_the_known_one_and_settings_of_another_kind_are_absent(tmp_path: Path) -> None:
    found = search(tmp_path / "study.journal", 20)
    assert found.trials[0].settings.items() >= dict(SPACE.first[0]).items()
    for one in found.trials:
        assert ("head.dropout" in one.settings) == (one.settings["head.kind"] == "dense")
        assert ("head.inverse_penalty" in one.settings) == (one.settings["head.kind"] == "linear")


@pytest.mark.parametrize("budgets", [(30,), (1, 30), (5, 8, 13, 30), (29, 30)])
def test_a_search_that_goes_on_with_a_larger_budget_is_the_search_with_the_larger_budget(tmp_path: Path, budgets: tuple[int, ...]) -> None:
    whole = search(tmp_path / "whole.journal", 30)
    for budget in budgets:
        parts = search(tmp_path / "parts.journal", budget)
        assert len(parts.trials) == budget
    assert table(parts) == table(whole)


@pytest.mark.parametrize("last", [0, 3, 8, 9, 21])
def test_a_search_that_was_cut_off_in_a_batch_goes_on_to_the_same_end(tmp_path: Path, last: int) -> None:
    def cut_off(batch: Sequence[Proposal], before: Sequence[Finished]) -> Iterator[Score]:
        for proposal, found in zip(batch, score(batch, before), strict=True):
            if proposal.number == last:
                raise KeyboardInterrupt
            yield found

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "study.journal", 30, cut_off)
    found = search(tmp_path / "study.journal", 30)
    assert found.earlier == last
    assert table(found) == table(search(tmp_path / "whole.journal", 30))


_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.workflows.tuning.made_up import score, search
def killed(batch, before):
    for proposal, found in zip(batch, score(batch, before)):
        if proposal.number == 11:
            os.kill(os.getpid(), signal.SIGKILL)
        yield found
search(Path(sys.argv[1]), 24, killed)
"""


def test_a_killed_search_goes_on_to_the_same_end(tmp_path: Path) -> None:
    file = tmp_path / "study.journal"
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(file)], cwd=Path(__file__).parents[3], env=dict(os.environ))
    assert ended.returncode == -signal.SIGKILL
    found = search(file, 24)
    assert found.earlier == 11
    assert table(found) == table(search(tmp_path / "whole.journal", 24))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.journal", "whole.journal"]  # no lock is left behind


@pytest.mark.parametrize("cut", [1, 2, 40, 500])
def test_a_last_line_that_was_torn_is_cut_away(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "study.journal"
    search(file, 12)
    size = file.stat().st_size
    with file.open("rb+") as opened:
        opened.truncate(size - cut)  # as a full disk leaves it
    found = search(file, 20)
    assert found.earlier == 11
    assert table(found) == table(search(tmp_path / "whole.journal", 20))
    assert all(json.loads(line) for line in file.read_bytes().splitlines())


_FULL = """
import resource, sys
from pathlib import Path
from tests.workflows.tuning.made_up import search
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
try:
    search(Path(sys.argv[1]), 24)
except OSError as error:
    sys.exit(7)
"""


def test_a_search_whose_disk_was_full_goes_on_to_the_same_end(tmp_path: Path) -> None:
    file = tmp_path / "study.journal"
    ended = subprocess.run([sys.executable, "-c", _FULL, str(file)], cwd=Path(__file__).parents[3], env=dict(os.environ))
    assert ended.returncode == 7
    found = search(file, 24)
    assert 0 < found.earlier < 24
    assert table(found) == table(search(tmp_path / "whole.journal", 24))


def test_zeros_that_a_power_failure_leaves_at_the_end_are_cut_away(tmp_path: Path) -> None:
    file = tmp_path / "study.journal"
    search(file, 12)
    with file.open("ab") as opened:
        opened.write(b"\0" * 300 + b"\n" + b"\0" * 100)
    assert search(file, 12).earlier == 12


def test_an_empty_journal_is_a_new_one(tmp_path: Path) -> None:
    file = tmp_path / "study.journal"
    for content in (b"", b'{"op_co'):
        file.write_bytes(content)
        assert search(file, 3).earlier == 0
        file.unlink()


def test_damage_in_the_middle_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "study.journal"
    search(file, 12)
    lines = file.read_bytes().splitlines(keepends=True)
    lines[5] = b"{" + lines[5][30:]
    file.write_bytes(b"".join(lines))
    with pytest.raises(RunError, match="damaged in line 6"):
        search(file, 20)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"identity": {"images": "13"}}, "images: 12 there, 13 now"),
        ({"identity": {"images": "12", "folds": 3}}, "folds: nothing there, 3 now"),
        ({"seed": 1}, "seed: 0 there, 1 now"),
        ({"batch": 9}, "batch: 8 there, 9 now"),
        ({"random_trials": 11}, "random trials: 10 there, 11 now"),
        ({"space": Space(SPACE.parameters[:1])}, "space, head.kind: dense, linear there, nothing now"),
    ],
)
def test_a_journal_of_another_search_is_refused_with_what_differs(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    file = tmp_path / "study.journal"
    search(file, 3)
    before = file.read_bytes()
    with pytest.raises(RunError) as caught:
        search(file, 5, **changes)
    assert words in str(caught.value)
    assert "--overwrite" in str(caught.value)
    assert file.read_bytes() == before


def test_anew_forgets_another_search_and_goes_on_with_the_same(tmp_path: Path) -> None:
    file = tmp_path / "study.journal"
    search(file, 5)
    assert search(file, 12, anew=True).earlier == 5  # which is what it would find again
    assert search(file, 5, anew=True, seed=1).earlier == 0
    file.write_bytes(b"no journal\n" + file.read_bytes())
    with pytest.raises(RunError, match="damaged in line 1"):
        search(file, 5, seed=1)
    assert search(file, 5, anew=True, seed=1).earlier == 0


def test_the_time_ends_a_search_after_its_batch(tmp_path: Path) -> None:
    found = search(tmp_path / "study.journal", 100, seconds=1e-9)
    assert len(found.trials) == 8
    assert found.out_of_time
    assert not search(tmp_path / "study.journal", 8, seconds=1e-9).out_of_time
    assert table(search(tmp_path / "study.journal", 16)) == table(search(tmp_path / "whole.journal", 16))


def test_a_journal_can_be_opened_with_optuna_itself(tmp_path: Path) -> None:
    found = search(tmp_path / "study.journal", 10)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(tmp_path / "study.journal")))
    study = optuna.load_study(study_name=journal.NAME, storage=storage)
    assert study.best_value == found.best.score.value
    assert len(study.trials) == 10


def test_proposals_depend_on_nothing_but_the_seed_and_finished_trials(tmp_path: Path) -> None:
    first, second = propose(SPACE, [], 8, seed=3, random_trials=4), propose(SPACE, [], 8, seed=3, random_trials=4)
    assert first == second
    assert propose(SPACE, [], 3, seed=3, random_trials=4) == first[:3]
    assert propose(SPACE, [], 8, seed=4, random_trials=4) != first


def test_a_space_with_one_point_is_searched(tmp_path: Path) -> None:
    space = Space((Parameter("truncate_at", Choices(("block5_pool",))), Parameter("head.kind", Choices(("linear",))),
                   Parameter("head.inverse_penalty", Choices((0.01,)), ("head.kind", "linear"))))  # fmt: skip
    found = search(tmp_path / "study.journal", 20, space=space)
    assert [one.score.value for one in found.trials] == pytest.approx([0.7] * 20)
