"""`transfer check` on data that was made dirty on purpose: what was planted is what is reported."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import pandas as pd
import pytest

import transfer
from tests.end_to_end.common import OTHERS, contents, count_passes
from tests.quality.dirty import Planted, make
from transfer import Checked
from transfer.errors import WeightsError
from transfer.models import weights
from transfer.quality.findings import Findings
from transfer.runs import FINDINGS, Run

SETTINGS = {"backbone": "vgg16", "image_size": 32, "precision": "float32", "compute": "tensorflow"}
"""Five blocks of VGG16, whose weights are a file of random ones: enough to tell digits apart, and quick."""


@dataclass(frozen=True)
class Case:
    planted: Planted
    checked: Checked
    before: dict[str, tuple[int, int, bytes]]
    home: Path

    @property
    def findings(self) -> Findings:
        return self.checked.findings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("check")
    planted = make(folder / "dirty", per_class=100, wrong_labels=30, near_duplicates=80)
    before = contents(planted.root)
    keras.utils.set_random_seed(0)
    keras.applications.VGG16(weights=None, include_top=False).save_weights(folder / "vgg16.weights.h5")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SETTINGS, "weights", str(folder / "vgg16.weights.h5"))
        patch.setenv("TRANSFER_HOME", str(folder / "home"))
        yield Case(planted, transfer.check(planted.root, SETTINGS, output=folder / "result"), before, folder / "home")


@pytest.fixture
def case(made: Case, monkeypatch: pytest.MonkeyPatch) -> Case:
    """The dirty data and what was found, with the store that the check filled."""
    monkeypatch.setenv("TRANSFER_HOME", str(made.home))
    return made


def sets(table: pd.DataFrame) -> set[frozenset[str]]:
    return {frozenset(rows["path"]) for _, rows in table.groupby("set")}


def test_the_data_is_only_read(case: Case) -> None:
    assert contents(case.planted.root) == case.before


def test_every_exact_duplicate_and_every_contradiction_is_reported(case: Case) -> None:
    table = case.findings.duplicates
    between = table["contradiction"].astype(bool)
    assert sets(table[~between]) == {frozenset(pair) for pair in case.planted.duplicates}
    assert sets(table[between]) == {frozenset(pair) for pair in case.planted.contradictions}


def test_near_duplicates_are_found_and_little_else_is_called_one(case: Case) -> None:
    planted = {frozenset((original, copy)) for original, copy, _ in case.planted.near_duplicates}
    found = {frozenset(pair) for pair in case.findings.near_duplicates[["path", "other_path"]].to_numpy().tolist()}
    assert len(planted & found) >= 0.95 * len(planted)
    assert len(planted & found) >= 0.95 * len(found)


def test_near_duplicates_across_splits_are_marked(case: Case) -> None:
    split = dict(zip(case.checked.manifest["path"], case.checked.manifest["split"], strict=True))
    marked = {frozenset(pair) for pair in case.findings.across[["path", "other_path"]].to_numpy().tolist()}
    apart = {frozenset((original, copy)) for original, copy, _ in case.planted.near_duplicates if split[original] != split[copy]}
    assert len(apart) >= 40
    assert len(marked & apart) >= 0.95 * len(apart)
    assert all(len({split[path] for path in pair}) == 2 for pair in marked)


def test_wrong_labels_are_among_the_first_suggestions(case: Case) -> None:
    wrong = case.planted.wrong_labels
    first = case.findings.label_issues.head(round(1.5 * len(wrong)))
    right = [row.path for row in first.itertuples() if row.path in wrong]
    assert len(right) >= 0.8 * len(wrong)
    true = [row.suggested == wrong[row.path] for row in first.itertuples() if row.path in wrong]
    assert sum(true) >= 0.8 * len(true)


@pytest.mark.parametrize(
    ("planted", "kind"),
    [
        ("truncated", "truncated or broken"), ("text", "not an image"), ("wrong extension", "mislabelled type"), ("blank", "blank"),
        ("tiny", "tiny"), ("CMYK", "CMYK"), ("16-bit", "uint16 samples"), ("animated", "animated"), ("alpha", "with transparency"),
        ("EXIF-rotated", "EXIF-rotated"),
    ],
)  # fmt: skip
def test_every_odd_file_is_listed_under_its_kind(case: Case, planted: str, kind: str) -> None:
    files = case.findings.files
    assert set(files.loc[files["kind"] == kind, "path"]) == {path for path, what in case.planted.odd.items() if what == planted}


def test_the_result_can_be_read_again(case: Case) -> None:
    read = Findings.read(case.checked.path / "findings.json")
    pd.testing.assert_frame_equal(read.label_issues, case.findings.label_issues, check_dtype=False)
    assert read.contradictions == case.findings.contradictions
    page = case.checked.report.read_text(encoding="utf-8")
    assert page.count("data:image/") > 100
    assert {path.name for path in case.checked.path.iterdir()} == {"report.html", "findings.json", "manifest.csv", "config.yaml"}


def test_a_second_check_computes_nothing_and_finds_the_same(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = count_passes(monkeypatch)
    again = transfer.check(case.planted.root, SETTINGS, output=tmp_path / "again")
    assert passed() == 0
    for name in ("findings.json", "manifest.csv"):
        assert (again.path / name).read_bytes() == (case.checked.path / name).read_bytes()


def test_a_fit_makes_the_same_checks_and_keeps_them(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = count_passes(monkeypatch)
    quick = {"training.epochs": 1, "head.dense": []}
    run = transfer.fit(case.planted.root, SETTINGS | quick, name="run", output=tmp_path)
    assert passed() == 2 * OTHERS  # what the check computed serves the fit
    kept = Findings.read(run.path / FINDINGS)
    for name in ("kinds", "duplicates", "near_duplicates"):
        assert getattr(kept, name).to_numpy().tolist() == getattr(case.findings, name).to_numpy().tolist()
    assert "Data findings" in Run(run.path).report.read_text(encoding="utf-8")


def test_near_duplicates_that_are_grouped_lie_in_one_split(case: Case, tmp_path: Path) -> None:
    grouped = transfer.check(case.planted.root, SETTINGS, output=tmp_path / "grouped", **{"data.group_by": "near-duplicates"})
    assert len(grouped.findings.near_duplicates) == len(case.findings.near_duplicates)
    assert grouped.findings.across.empty


def test_an_edited_table_given_back_is_the_data(case: Case, tmp_path: Path) -> None:
    table = tmp_path / "edited.csv"
    transfer.check(case.planted.root, SETTINGS, output=tmp_path / "result", write_manifest=table)
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    wrong = rows["path"].isin(case.planted.wrong_labels)
    rows.loc[wrong, "label"] = [case.planted.wrong_labels[path] for path in rows.loc[wrong, "path"]]
    duplicates = rows["path"].isin([duplicate for _, duplicate, _ in case.planted.near_duplicates])
    rows.loc[duplicates, "exclude"] = "yes"
    rows.to_csv(table, index=False)
    corrected = transfer.check(table, SETTINGS, output=tmp_path / "corrected", **{"data.root": str(case.planted.root)})
    used = corrected.manifest[corrected.manifest["reason"] == ""]
    labels = dict(zip(used["path"], used["label"], strict=True))
    assert {path: labels[path] for path in case.planted.wrong_labels} == case.planted.wrong_labels
    assert corrected.findings.near_duplicates.empty
    assert not set(corrected.findings.label_issues.head(15)["path"]) & set(case.planted.wrong_labels)
    before = dict(zip(case.checked.manifest["path"], case.checked.manifest["split"], strict=True))
    assert list(used["split"]) == [before[path] for path in used["path"]]


def test_without_weights_files_are_checked_and_the_rest_is_reported(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise WeightsError("The weights could not be downloaded.")

    monkeypatch.setattr(weights, "load", fail)
    checked = transfer.check(case.planted.root, SETTINGS, output=tmp_path / "result")
    assert checked.findings.contradictions == len(case.planted.contradictions)
    assert any("The weights could not be downloaded." in note for note in checked.findings.notes)
    assert any("The weights could not be downloaded." in sentence for sentence in checked.exceeded)  # --strict must not pass
