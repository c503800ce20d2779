"""The web page where something is unusual: keys, busy servers, odd names, many classes, phones, other addresses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.serving.browser import Watch, choose
from tests.serving.running import Running, image, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

KEY = "correct horse"
_PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def server(browser: "Browser", export: Path) -> Iterator[Running]:
    """A server that requires a key."""
    with served(export, api_key=KEY) as running:
        yield running


def told(page: "Page", content: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> None:
    """Fake the server's answer."""

    def fulfil(route: "Route") -> None:
        route.fulfill(status=status, body=json.dumps(content), headers={"Content-Type": "application/json", **(headers or {})})

    page.route("**/explain", fulfil)


def answer(names: list[str]) -> dict[str, Any]:
    classes = [{"name": name, "probability": 1 / len(names)} for name in names]
    neighbours = [{"label": names[0], "distance": 0.5, "thumbnail": ""}]
    return {
        "label": names[0], "score": 1 / len(names), "is_ood": False, "ood_score": 0.4, "explained": names[0], "classes": classes,
        "image": _PIXEL, "heat": _PIXEL, "resize": "stretch", "neighbours": neighbours,
    }  # fmt: skip


def test_a_key_is_asked_for_kept_for_the_tab_and_asked_for_again_if_wrong(page: "Page") -> None:
    choose(page, image("red"))
    assert page.locator("#key-dialog").is_visible()
    assert not page.locator("#key-wrong").is_visible()
    page.fill("#key", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("#key-wrong:visible")
    page.fill("#key", KEY)
    page.keyboard.press("Enter")
    page.wait_for_selector("#result:visible")
    assert page.inner_text("#headline").startswith("red ")
    page.reload()
    choose(page, image("green"))
    assert page.inner_text("#headline").startswith("green ")
    assert page.evaluate("Object.keys(localStorage).length + document.cookie.length") == 0


@pytest.mark.parametrize(
    ("status", "words", "again"),
    [
        (429, "The server is busy. Try again in 7 seconds.", True),
        (413, "The image is too large for this server.", False),
        (415, "The file is not an image that the network can read.", False),
        (504, "The server took too long. Try again in a moment.", True),
        (500, "The server could not answer.", True),
    ],
)
def test_each_refusal_has_plain_words(page: "Page", status: int, words: str, again: bool) -> None:
    told(page, {"error": "<b>detail</b>"}, status, {"Retry-After": "7"})
    choose(page, image("red"))
    assert page.inner_text("#problem") == words
    assert page.inner_text("#detail") == "<b>detail</b>"
    assert page.locator("#again").is_visible() == again


def test_a_server_that_cannot_be_reached_is_said_and_tried_again(page: "Page") -> None:
    page.route("**/explain", lambda route: route.abort())
    choose(page, image("red"))
    assert page.inner_text("#problem") == "The server cannot be reached."
    page.unroute("**/explain")
    told(page, answer(["red", "blue"]))
    page.click("#again")
    page.wait_for_selector("#result:visible")
    assert not page.locator("#error").is_visible()


def test_names_are_shown_as_text_and_never_run(page: "Page") -> None:
    name = "<img src=x onerror=\"document.title='run'\">"
    watch = Watch(page)
    told(page, answer([name, "b"]))
    choose(page, image("red"))
    assert page.inner_text("#headline").startswith(name)
    assert page.locator(".class .name").first.inner_text() == name
    assert page.locator("#neighbours .name").inner_text() == name
    assert page.title() == "tiny: what is in the image?"
    assert watch.complaints == []


def test_of_many_classes_ten_are_shown_and_then_all(page: "Page") -> None:
    told(page, answer([f"class {number}" for number in range(300)]))
    choose(page, image("red"))
    assert page.locator(".class").count() == 10
    assert page.inner_text("#all") == "Show all 300 classes"
    page.click("#all")
    assert page.locator(".class").count() == 300
    assert not page.locator("#all").is_visible()
    assert page.evaluate("document.activeElement.value") == "class 0"


@pytest.mark.parametrize("width", [360, 768, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_and_fingers_find_their_targets(browser: "Browser", server: Running, width: int, scheme: Any) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 740}, color_scheme=scheme, has_touch=width < 400, is_mobile=width < 400
    )
    page = context.new_page()
    page.goto(server.url)
    told(page, answer(["Pneumonoultramicroscopicsilicovolcanoconiosis" * 3, *(f"class {number}" for number in range(12))]))
    for _ in range(2):  # empty, and with an answer
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        for target in page.locator(".button:visible, .class:visible, .switch:visible, .strength:visible").all():
            box = target.bounding_box()
            assert box is not None
            assert box["height"] >= 44
            assert box["x"] + box["width"] <= width
        choose(page, image("red"))
    assert page.locator("#capture").is_visible() == (width < 400)
    context.close()


def test_text_can_be_read_in_both_schemes(browser: "Browser", server: Running) -> None:
    """Contrast of at least 4.5 between each kind of text and what lies behind it (WCAG 2.2, 1.4.3)."""

    def luminance(colour: str) -> float:
        values = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(server.url)
        read = "name => getComputedStyle(document.documentElement).getPropertyValue(name).trim()"
        for front, back in [
            ("text", "back"),
            ("soft", "back"),
            ("soft", "code"),
            ("link", "back"),
            ("on-link", "link"),
            ("warning", "code"),
        ]:
            pair = [page.evaluate(read, f"--{name}") for name in (front, back)]
            full = ["#" + "".join(letter * 2 for letter in colour[1:]) if len(colour) == 4 else colour for colour in pair]
            low, high = sorted(luminance(colour) for colour in full)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (scheme, front, back)
        context.close()


def test_the_page_works_below_any_address(browser: "Browser", server: Running) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.route("**/deep/down/**", lambda route: route.continue_(url=route.request.url.replace("/deep/down", "")))
    page.goto(f"{server.url}/deep/down/")
    told(page, answer(["red", "b"]))
    watch = Watch(page)
    choose(page, image("red"))
    assert page.inner_text("#headline").startswith("red ")
    assert [url for url in watch.requests if url.endswith("explain")] == [f"{server.url}/deep/down/explain"]
    context.close()


def test_motion_is_left_out_for_those_who_want_none(browser: "Browser", server: Running) -> None:
    for motion, expected in (("reduce", "none"), ("no-preference", "pass")):
        context = browser.new_context(reduced_motion=motion)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(server.url)
        assert page.locator("#working").evaluate("bar => getComputedStyle(bar).animationName") == expected
        context.close()
