"""The page of a check: self-contained, everything escaped, the urgent first, long lists bounded."""

import re
from pathlib import Path

import pytest

from tests.reports.made_up_findings import HOSTILE, clean, filled, table
from tests.reports.made_up_run import write_run
from tests.reports.page import Page
from transfer.quality.findings import Findings
from transfer.reports import cards
from transfer.reports.check import page as check_page
from transfer.reports.findings import items
from transfer.reports.run import page as run_page

IMAGE = "data:image/png;base64,AAAA"
CASES = {
    "filled": filled(),
    "300 classes": filled(labels=[f"class {number}" for number in range(300)]),
    "hostile": filled(HOSTILE, HOSTILE),
    "clean": clean(),
    "empty": Findings(),
}


def rendered(findings: Findings, most: int = 48, **options: str) -> str:
    images = dict.fromkeys(cards.paths(findings, most), IMAGE)
    return check_page.render(findings, images, options.pop("title", "a check"), {"data": HOSTILE[1]}, most, **options)


@pytest.mark.parametrize("case", CASES)
def test_the_page_loads_nothing_and_is_whole(case: str) -> None:
    source = rendered(CASES[case])
    page = Page(source)
    assert page.open == []
    assert not {"script", "link", "iframe", "object", "embed", "audio", "video", "form", "b\n"} & set(page.tags)
    for name in ("src", "href", "srcset", "data", "action"):
        assert all(value.startswith(("#", "data:image/png;base64,")) for value in page.values(name))
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.search(r"@import|url\(", source)


@pytest.mark.parametrize("case", CASES)
def test_every_link_leads_to_a_section_and_no_name_is_used_twice(case: str) -> None:
    page = Page(rendered(CASES[case]))
    names = page.values("id")
    assert len(set(names)) == len(names)
    assert {value.removeprefix("#") for value in page.values("href")} <= set(names)


def test_hostile_names_are_shown_and_do_nothing(tmp_path: Path) -> None:
    findings, target = filled(HOSTILE, HOSTILE), tmp_path / "check.html"
    images = dict.fromkeys(cards.paths(findings, 48), IMAGE)
    target.write_text(check_page.render(findings, images, HOSTILE[0], {HOSTILE[1]: HOSTILE[2]}, data=HOSTILE[5]), encoding="utf-8")
    source = target.read_text(encoding="utf-8")
    assert "<script" not in source
    assert "onerror=" not in re.sub(r"&lt;.*?&gt;", "", source)
    shown = "\n".join([*Page(source).texts, *Page(source).values("title")])
    escaped = ("caf\\xe9.png", "two\\nlines\\r.png", "\\x1b[31mred", "\\u202egnp.exe")
    for name in (*HOSTILE[:2], *escaped, *HOSTILE[6:]):
        assert name in shown, name


def test_classes_come_first_and_then_the_urgent_sections() -> None:
    headings = Page(rendered(filled())).headings
    assert headings == [
        "Classes", "What was found", "Near duplicates across splits", "Contradictions", "Likely wrong labels", "Leaks", "Formats and sizes",
        "Near duplicates inside one split", "Outliers", "Files that are not used", "Exact duplicates", "Unusual files", "How this was made",
    ]  # fmt: skip


def test_sections_without_findings_are_absent_and_named_as_clean() -> None:
    page = Page(rendered(clean()))
    assert page.headings == ["Classes", "What was found", "Formats and sizes", "How this was made"]
    texts = " ".join(page.texts)
    assert "Nothing that must be fixed was found." in texts
    assert "None found: near duplicates across splits, contradictions" in texts
    noted = " ".join(Page(rendered(Findings(["Outliers were not looked for."]))).texts)
    assert "Outliers were not looked for." in noted
    assert "None found by the checks that ran" in noted


def test_pairs_stand_side_by_side_with_labels_splits_and_similarity() -> None:
    texts = Page(rendered(filled())).texts
    start = texts.index("similarity 0.999,")
    assert texts[start : start + 8] == [
        "similarity 0.999,", "labels differ", "cat", "train", "cat/1.png", "dog", "validation", "dog/2.png",
    ]  # fmt: skip


def test_a_wrong_label_says_what_it_is_and_what_it_looks_like() -> None:
    texts = Page(rendered(filled())).texts
    start = texts.index("is:")
    assert texts[start : start + 6] == ["is:", "cat", "0.01", "looks like:", "dog", "0.90"]


def test_leaks_are_distinguished_from_properties_that_are_none() -> None:
    texts = Page(rendered(filled())).texts
    row = texts.index("file size")
    assert texts[row + 1 : row + 5] == ["files larger than 12,345 bytes are mostly 'cat'", "91.0 %", "50.0 %", "▲ yes"]
    row = texts.index("format")
    assert texts[row + 3] == "no"


@pytest.mark.parametrize("most", [6, 20, 48])
def test_sections_are_bounded_and_say_how_many_more_there_are(most: int) -> None:
    rows = [(f"a/{number:04d}.png", "a", "test", "b", 0.1, 0.8) for number in range(1200)]
    findings = Findings(label_issues=table("label_issues", rows))
    assert cards.paths(findings, most) == [row[0] for row in rows[:most]]
    page = Page(rendered(findings, most))
    assert page.values("src") == [IMAGE] * most
    assert f"{1200 - most:,} more likely wrong labels" in page.texts
    assert f"{1200 - most - 500:,} more are not listed here" in " ".join(page.texts)


def test_a_large_set_does_not_crowd_out_the_others() -> None:
    burst = [(0, f"a/{n}.png", "a", "train", f"a/{n + 1}.png", "a", "test", 0.9999, True) for n in range(100)]
    pair = (1, "b/1.png", "b", "train", "b/2.png", "b", "test", 0.99, True)
    findings = Findings(near_duplicates=table("near_duplicates", [*burst, pair]))
    shown = cards.paths(findings, 20)
    assert {"b/1.png", "b/2.png"} <= set(shown)
    assert len(shown) < 10
    assert "97 more pairs of these and other sets" in Page(rendered(findings, 20)).texts


def test_an_image_without_thumbnail_is_an_empty_frame_with_the_reason() -> None:
    files = table("files", [("damaged", "a/1.png", "a", "", "not a whole PNG")])
    outliers = table("outliers", [("a/1.png", "a", "", 3.0), ("a/2.png", "a", "train", 2.0)])
    page = Page(check_page.render(Findings(files=files, outliers=outliers), {"a/2.png": IMAGE}, "check"))
    assert page.values("src") == [IMAGE]
    assert page.values("class").count("frame") == 1
    assert "not a whole PNG" in page.texts


def test_of_many_classes_the_smaller_ones_are_folded_away() -> None:
    page = Page(rendered(CASES["300 classes"]))
    assert "284 smaller classes" in page.texts
    bars = [float(value.removeprefix("width: ").removesuffix("%")) for value in page.values("style")]
    assert len(bars) == 300
    assert bars[0] == 100
    assert bars == sorted(bars, reverse=True)


def test_commands_name_the_data_of_the_user() -> None:
    assert "transfer fit 'my data' --group-by near-duplicates" in Page(rendered(filled(), data="my data")).texts


def test_a_run_shows_findings_of_its_data_exactly_where_it_has_them(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    assert "Data findings" not in run_page.render(run)
    findings = filled(HOSTILE)
    page = Page(run_page.render(run, findings, dict.fromkeys(cards.paths(findings, run_page.FINDINGS_SHOWN), IMAGE)))
    assert "Data findings" in page.headings
    assert set(page.values("src")) == {IMAGE}
    assert "Leak: the file size alone has an accuracy of 91.0 %" in " ".join(page.texts)
    assert not {"script", "link"} & set(page.tags)
    assert len(page.values("src")) <= 10 * run_page.FINDINGS_SHOWN


def test_what_most_images_are_is_told_with_their_sizes_and_is_no_finding() -> None:
    kinds = [("with transparency", 20, "used: on white"), ("tiny", 3, "used, enlarged"), ("CMYK", 2, "used: converted to RGB")]
    findings = Findings(classes=table("classes", [("cat", 20, 1.0, 20, 0, 0)]), kinds=table("kinds", kinds))
    page = Page(rendered(findings))
    assert "All 20 images: with transparency (used: on white)." in page.texts
    shown = [(item.key, item.count) for item in items(findings) if item.count]
    assert shown == [("quality", 3), ("kinds", 2)]
    kinds[0] = ("with transparency", 10, "used: on white")
    fewer = Findings(classes=findings.classes, kinds=table("kinds", kinds))
    assert {item.key: item.count for item in items(fewer)}["kinds"] == 12
