"""A run whose files a disk has damaged: each is refused by name, and none is read with another content."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.damage import damaged
from tests.reports.made_up_run import reference, write_run
from transfer.drafts import drafting
from transfer.errors import RunError
from transfer.evaluation.ood import Reference
from transfer.exporters.formats import table
from transfer.runs import CONFIG, ENVIRONMENT, HISTORY, MANIFEST, METRICS, MODEL, OOD_REFERENCE, PREDICTIONS, REPORT, Run
from transfer.system.sealed import LIST

READ: dict[str, Callable[[Run], Any]] = {
    CONFIG: lambda run: run.config,
    ENVIRONMENT: lambda run: run.environment,
    HISTORY: lambda run: run.history,
    METRICS: lambda run: run.metrics,
    MANIFEST: lambda run: run.manifest,
    PREDICTIONS: lambda run: run.predictions,
    OOD_REFERENCE: lambda run: Reference.read(run.ood_reference).embeddings,
    MODEL: lambda run: run.model.read_bytes(),
}


def publish(folder: Path) -> Run:
    """Publish a made-up run, whose model is some bytes."""
    made = write_run(folder / "made")
    (made.path / MODEL).write_bytes(bytes(range(256)) * 40)
    reference().write(made.path / OOD_REFERENCE)
    (made.path / REPORT).write_text("<html>")
    with drafting(folder, "run") as draft:
        shutil.copytree(made.path, draft.path, dirs_exist_ok=True)
    return Run(folder / "run")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return publish(tmp_path_factory.mktemp("runs"))


def test_a_run_lists_all_its_files_but_the_report(published: Run) -> None:
    listed = set(json.loads((published.path / LIST).read_text())) - {"checksum"}
    assert listed == set(READ)
    assert all(read(published) is not None for read in READ.values())


@settings(deadline=None, max_examples=250)
@given(st.sampled_from(list(READ)), st.booleans(), st.data())
def test_a_file_damaged_at_random_is_refused_by_name_or_read_as_it_was(
    published: Run, name: str, in_the_list: bool, data: st.DataObject
) -> None:
    expected = READ[name](Run(published.path))
    file = published.path / (LIST if in_the_list else name)
    content = file.read_bytes()
    file.write_bytes(damaged(data, content))
    try:
        found = READ[name](Run(published.path))
    except RunError as error:
        assert str(file) in str(error) and "\n" not in str(error)
    else:
        if isinstance(found, pd.DataFrame):
            pd.testing.assert_frame_equal(found, expected)
        else:
            assert np.all(found == expected)
    finally:
        file.write_bytes(content)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from([name for name in READ if name != MODEL]), st.data())
def test_without_checksums_damage_is_an_error_in_one_line_where_it_is_noticed(published: Run, name: str, data: st.DataObject) -> None:
    folder = published.path.with_name("old")
    shutil.copytree(published.path, folder, dirs_exist_ok=True)
    (folder / LIST).unlink()
    (folder / name).write_bytes(damaged(data, (folder / name).read_bytes()))
    try:
        READ[name](Run(folder))
    except Exception as error:
        assert type(error).__module__ == "transfer.errors" and "\n" not in str(error)


def test_metrics_that_are_written_again_and_a_table_of_exports_are_whole(tmp_path: Path) -> None:
    run = publish(tmp_path)
    run.rewrite(METRICS, run.metrics | {"more": "é\udce9"})
    assert Run(run.path).metrics["more"] == "é\udce9"
    entry = {"format": "litert", "quantization": "none", "bytes": 5}
    assert table.add(run, [entry]) == table.read(run) == [entry]
    exports = run.path / "exports.json"
    exports.write_text(exports.read_text().replace("5", "6"))
    assert table.read(run) == []
    assert table.add(run, [entry]) == table.read(Run(run.path)) == [entry]


def test_training_images_that_were_taken_out_are_no_damage(tmp_path: Path) -> None:
    run = publish(tmp_path)
    run.ood_reference.unlink()
    assert not run.ood_reference.exists()


def test_a_file_that_was_changed_on_purpose_is_read_without_the_list(tmp_path: Path) -> None:
    run = publish(tmp_path)
    (run.path / CONFIG).write_text((run.path / CONFIG).read_text().replace("seed: 0", "seed: 1"))
    with pytest.raises(RunError, match=r"If it was changed on purpose, delete .*checksums\.json"):
        _ = run.config
    (run.path / LIST).unlink()
    assert run.config["seed"] == 1


@pytest.mark.parametrize("content", ["[" * 5000 + "]" * 5000, "[]", "null", "{}", '{"test": 1}'])
def test_metrics_that_somebody_else_wrote_are_one_line(tmp_path: Path, content: str) -> None:
    run = publish(tmp_path)
    (run.path / LIST).unlink()
    (run.path / METRICS).write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=r"cannot be read.*metrics\.json") as caught:
        Run(run.path).labels  # noqa: B018
    assert "\n" not in str(caught.value)


def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    run = publish(tmp_path)
    (run.path / CONFIG).unlink()
    os.mkfifo(run.path / CONFIG)
    with pytest.raises(RunError, match="regular file"):
        Run(run.path).config  # noqa: B018
