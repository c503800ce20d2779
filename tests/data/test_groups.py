"""Groups by a column of a table or by a regular expression, and what is neither."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer.config import DataConfig
from transfer.data import dataset as manifests
from transfer.data import sources
from transfer.data.groups import NEAR_DUPLICATES, column, grouped
from transfer.errors import DataError
from transfer.system.progress import Silent


class Listener(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def made(*paths: str, reason: str = "", group: str = "") -> pd.DataFrame:
    rows = [(path, "x", "", group, "used", reason, "", "", path, 1, "PNG", 1, 1, 0) for path in paths]
    return pd.DataFrame(rows, columns=manifests.COLUMNS, dtype=object)


def names(group_by: str, *paths: str) -> list[str]:
    return list(grouped(made(*paths), group_by, None, Silent())["group"])


@pytest.mark.parametrize(
    ("group_by", "path", "group"),
    [
        ("plant[0-9]+", "rose/plant7_1.png", "plant7"),
        ("plant([0-9]+)", "rose/plant7_1.png", "7"),
        ("^([^/]+)/plant([0-9]+)", "rose/plant7_1.png", "rose/7"),
        ("(a)?plant([0-9]+)", "rose/plant7_1.png", "/7"),
        ("(?:plant)", "rose/plant7_1.png", "plant"),
        ("^.", "\udce9/1.png", "\udce9"),
        ("plant([0-9]*)", "rose/plant.png", ""),
        ("(a)?(b)?plant", "rose/plant.png", ""),
    ],
)
def test_captures_name_the_group_or_else_the_whole_match(group_by: str, path: str, group: str) -> None:
    assert names(group_by, path, "zz/plant99.png", "abplant1_.png")[0] == group


def test_images_that_do_not_match_are_on_their_own_and_counted() -> None:
    listener = Listener()
    manifest = pd.concat([made("a1/x.png", "a1/y.png", "a2/x.png", "b/x.png", "b/"), made("c.txt", reason="text")], ignore_index=True)
    assert list(grouped(manifest, "a[0-9]", None, listener)["group"]) == ["a1", "a1", "a2", "", "", ""]
    assert listener.said == ["Groups: 3 images in 2 groups; 2 in no group."]


def test_rows_of_folders_are_in_no_group() -> None:
    assert names("^(.)", "a/", "a/1.png") == ["", "a"]


@pytest.mark.parametrize("group_by", [None, "", NEAR_DUPLICATES])
def test_other_settings_leave_the_manifest_alone(group_by: str | None) -> None:
    listener, manifest = Listener(), made("a.png", group="g")
    assert grouped(manifest, group_by, None, listener) is manifest
    assert listener.said == []


@pytest.mark.parametrize(
    ("group_by", "columns", "expected"),
    [
        ("plant", ["path", "label", "plant"], "plant"),
        ("(a)", ["path", "label", "(a)"], "(a)"),
        ("(?:plant)", ["path", "label", "plant"], None),
        (None, ["path", "label", "Group"], "Group"),
        (None, ["path", "label", "plant"], None),
        (None, None, None),
        ("([0-9])", ["path", "label", "group"], None),
        (NEAR_DUPLICATES, ["path", "label", "group", NEAR_DUPLICATES], None),
    ],
)
def test_a_name_of_a_column_comes_before_an_expression(group_by: str | None, columns: list[str] | None, expected: str | None) -> None:
    assert column(group_by, columns) == expected


@pytest.mark.parametrize(
    ("group_by", "columns", "expected"),
    [
        ("a(b", None, r"not a regular expression: missing \), unterminated subpattern at character 2. Received 'a\(b'"),
        ("*", ["path", "label"], "nothing to repeat at character 1"),
        ("x{99999999999999}", None, "not a regular expression: "),
        ("plants", ["path", "label", "plant"], "Did you mean 'plant'\\? Columns: path, label, plant. Received 'plants'"),
        ("near duplicates", None, "a plain word would put all images in one group. Received 'near duplicates'"),
        ("near_duplicates", ["path", "label"], "is a column of the table, near-duplicates, or"),
    ],
)
def test_what_is_neither_column_nor_expression_is_refused(group_by: str, columns: list[str] | None, expected: str) -> None:
    with pytest.raises(DataError, match=expected) as caught:
        column(group_by, columns)
    assert "\n" not in str(caught.value)


def test_an_expression_that_matches_nothing_is_refused_with_a_path() -> None:
    with pytest.raises(DataError, match=r"finds no group in any path, for example in 'a[.]png'[.] Received '\^b'"):
        names("^b", "a.png")
    with pytest.raises(DataError, match="finds no group"):
        names("(?=a)", "a.png")
    with pytest.raises(DataError, match=r"no such column \(it has path, label\)"):
        grouped(made("a.png"), "^b", ["path", "label"], Silent())


def test_a_column_that_is_empty_everywhere_is_refused_only_where_it_was_asked_for() -> None:
    with pytest.raises(DataError, match=r"is empty for every used image[.] Received 'plant'"):
        grouped(made("a.png"), "plant", ["plant"], Silent())
    assert list(grouped(made("a.png"), None, ["group"], Silent())["group"]) == [""]


@pytest.mark.parametrize(("group_by", "fault"), [("(", "not a regular expression"), ("plant", "plain word")])
def test_a_bad_setting_is_seen_before_the_images_are_read(tmp_path: Path, group_by: str, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        sources.require(DataConfig(source=str(tmp_path), group_by=group_by))


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=6), st.sampled_from(["(.)", "^(.*)$", "[a-z]+", "(a)|(b)", "."]))
@settings(max_examples=60, deadline=None)
def test_the_group_depends_on_the_path_alone(paths: list[str], group_by: str) -> None:
    together = ["ab.png", *paths]
    alone = {path: names(group_by, path, "ab.png")[0] for path in together}
    assert names(group_by, *together) == [alone[path] for path in together]
