"""Every report forbids scripts and everything from elsewhere, and a browser that obeys still shows all of it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.reports.made_up_findings import HOSTILE, filled
from tests.reports.made_up_run import COLOURS, write_run
from tests.reports.page import Page
from tests.serving.browser import Watch, chromium, looks, require_accessible
from transfer.quality.findings import Findings
from transfer.reports import cards, templates, thumbnails
from transfer.reports.check import page as check_page
from transfer.reports.run import gallery
from transfer.reports.run import page as run_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
TEMPLATES = sorted(Path(templates.__file__).parent.rglob("*.jinja"))
BASE = Path(templates.__file__).parent / "page.html.jinja"
PAGES = [file for file in TEMPLATES if file.read_text(encoding="utf-8").startswith('{% extends "page.html.jinja" %}')]


def images(findings: Findings) -> dict[str, str]:
    return dict.fromkeys(cards.paths(findings, 48), thumbnails.uri_of(Image.new("RGB", (8, 8), (200, 0, 0))))


def of_run(folder: Path) -> str:
    run, findings = write_run(folder / "run", COLOURS), filled()
    chosen = gallery.choose(run)
    small = images(findings)
    shown = dict.fromkeys([one.path for one in (*chosen.mistakes, *chosen.plain())], next(iter(small.values())))
    return run_page.render(run, findings, small | shown, run_page.Images(chosen, shown, {}))


def of_check(folder: Path) -> str:
    findings = filled(HOSTILE, HOSTILE)
    return check_page.render(findings, images(findings), "a check", {"data": HOSTILE[1]}, 48)


def of_comparison(folder: Path) -> str:
    from tests.reports.comparison.test_page import tables
    from transfer.reports.comparison.page import render

    return render("clip art", *tables(energy="estimate"), config="methods: {}", facts={"data": "/images"})


MADE: dict[str, Callable[[Path], str]] = {"run": of_run, "check": of_check, "comparison": of_comparison}


def test_every_page_that_there_is_a_template_for_is_tested_here() -> None:
    assert {file.parent.name for file in PAGES} == set(MADE)


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_no_template_brings_scripts_or_a_policy_of_its_own(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    assert not re.search(r"<script|\son\w+=|javascript:|http-equiv|<iframe|<form|<base\b", source)
    assert source.count("{{ policy }}") == (file == BASE) == source.count("<html")


@pytest.mark.parametrize("kind", MADE)
def test_the_policy_stands_before_everything_that_it_is_for(kind: str, tmp_path: Path) -> None:
    source = MADE[kind](tmp_path)
    assert source.count(f'content="{POLICY}"') == 1
    before = source.partition("Content-Security-Policy")[0]
    assert not re.search(r"<(title|style|script|img|svg|body)", before) and 'loading="lazy"' not in source
    assert Page(source).open in ([], ["html"])


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as started:
        yield started


@pytest.mark.parametrize("kind", MADE)
def test_the_page_is_accessible_and_fits_on_a_phone_and_in_the_dark(kind: str, tmp_path: Path, browser: "Browser") -> None:
    file = tmp_path / "report.html"
    file.write_text(MADE[kind](tmp_path), encoding="utf-8")
    with looks(browser) as pages:
        for page in pages:
            page.goto(file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.evaluate("document.querySelectorAll('details:not(.zoom)').forEach(one => one.open = true)")
            require_accessible(page)


def test_an_image_is_enlarged_by_a_click_and_by_a_key_and_print_shows_what_is_folded(tmp_path: Path, browser: "Browser") -> None:
    file = tmp_path / "report.html"
    file.write_text(of_run(tmp_path), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.goto(file.as_uri())
    image = page.locator(".faces img").first
    small = image.bounding_box()
    image.click()
    large = image.bounding_box()
    assert small and large and large["width"] > 2 * small["width"]
    page.keyboard.press("Enter")
    again = image.bounding_box()
    assert again and again["width"] == small["width"]
    settings = page.locator("pre").first
    assert not settings.is_visible()
    page.emulate_media(media="print")
    box = settings.bounding_box()
    assert box and box["height"] > 100 and not page.locator("nav").is_visible()
    page.close()


@pytest.mark.parametrize("kind", MADE)
def test_a_browser_shows_the_whole_page_and_runs_nothing(kind: str, tmp_path: Path, browser: "Browser") -> None:
    source = MADE[kind](tmp_path)
    file = tmp_path / "report.html"
    file.write_text(source, encoding="utf-8")
    page = browser.new_page()
    watch, failed = Watch(page), list[tuple[str, str | None]]()
    page.on("requestfailed", lambda request: failed.append((request.url, request.failure)))
    page.goto(file.as_uri())
    assert watch.complaints == [] and {url for url in watch.requests if not url.startswith("data:")} == {file.as_uri()}
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.wait_for_function("[...document.images].every(one => one.complete)")
    broken = page.evaluate("[...document.images].filter(one => !one.naturalWidth).length")
    drawn = page.evaluate("[...document.querySelectorAll('svg')].map(one => one.getBoundingClientRect().width)")
    assert broken == 0 and all(width > 0 for width in drawn)
    assert page.evaluate("document.images.length") == source.count("<img")
    assert (page.evaluate("document.images.length") > 0) == (kind != "comparison") and (len(drawn) > 0) == (kind != "check")
    assert "system-ui" in page.evaluate("getComputedStyle(document.body).fontFamily"), "its style holds"
    # A script that got into the page all the same does not run, and nothing is sent.
    file.write_text(
        source.replace("</body>", "<script>document.title = 'struck'</script><img src=https://example.invalid/x></body>"),
        encoding="utf-8",
    )
    page.goto(file.as_uri())
    assert page.title() != "struck" and len(watch.complaints) >= 2
    assert all("Content Security Policy" in complaint for complaint in watch.complaints)
    assert failed == [("https://example.invalid/x", "csp")]
