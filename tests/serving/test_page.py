"""The web page in a real browser, with the real server: what a user does with an image, and what the page shows."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.reports.made_up_run import reference
from tests.serving.browser import Watch, bars, choose, looks, require_accessible, settled, transfer_of
from tests.serving.running import Running, image, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def server(browser: "Browser", export: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with training images to compare with."""
    reference_file = tmp_path_factory.mktemp("run") / "ood_reference.npz"
    reference().write(reference_file)
    with served(export, reference_file) as running:
        yield running


def test_a_dropped_image_is_classified(page: "Page") -> None:
    page.dispatch_event("#frame", "drop", {"dataTransfer": transfer_of(page, image("green", kind="PNG"))})
    page.wait_for_selector("#result:visible")
    assert page.inner_text("#headline").startswith("green ")
    shown = bars(page)
    assert next(iter(shown)) == "green"
    assert list(shown.values()) == sorted(shown.values(), reverse=True)
    assert sum(shown.values()) == pytest.approx(100, abs=0.3)
    assert page.locator("#image").get_attribute("alt") == "Your image"
    assert page.locator("#heat").is_visible()


def test_a_pasted_image_is_classified(page: "Page") -> None:
    data = transfer_of(page, image("blue", kind="PNG"))
    page.evaluate("data => document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}))", data)
    page.wait_for_selector("#result:visible")
    assert page.inner_text("#headline").startswith("blue ")


def test_a_photo_from_the_camera_is_classified_and_the_camera_is_released(page: "Page") -> None:
    page.click("#camera")
    page.wait_for_selector("#camera-dialog[open]")
    page.locator("#video").evaluate("video => video.videoWidth || new Promise(done => video.addEventListener('loadeddata', done))")
    stream = page.locator("#video").evaluate_handle("video => video.srcObject.getTracks()[0]")
    page.click("#shoot")
    page.wait_for_selector("#result:visible")
    assert stream.evaluate("track => track.readyState") == "ended"
    assert not page.locator("#camera-dialog").is_visible()


def test_another_class_can_be_chosen_and_going_back_needs_no_request(page: "Page") -> None:
    choose(page, image("red"))
    watch = Watch(page)
    first = page.locator("#heat").get_attribute("src")
    page.locator(".class", has_text="blue").click()
    settled(page)
    assert page.locator("#heat").get_attribute("src") != first
    assert page.locator("#heat").get_attribute("alt") == "Heat map: where the network looked for blue"
    assert "no evidence for blue" in page.inner_text("#status")
    assert page.inner_text("#headline").startswith("red ")
    page.locator(".class", has_text="red").click()
    settled(page)
    assert page.locator("#heat").get_attribute("src") == first
    assert watch.asked("/explain") == 1


def test_the_heat_map_is_switched_off_and_made_weaker(page: "Page") -> None:
    choose(page, image("red"))
    page.locator("#strength").fill("30")
    assert page.locator("#heat").evaluate("image => image.style.opacity") == "0.3"
    page.locator("label.switch").click()
    assert not page.locator("#heat").is_visible()
    assert page.locator("#strength").is_disabled()
    page.locator(".class", has_text="green").click()
    settled(page)
    assert page.locator("#heat").is_visible()


def test_an_image_out_of_distribution_is_marked_and_no_other(page: "Page") -> None:
    choose(page, image("white"))
    assert page.locator("#is-ood").is_visible()
    assert "Out of distribution" in page.inner_text("#answer")
    assert "OOD score 2.5" in page.inner_text("#ood-score")
    choose(page, image("red"))
    assert not page.locator("#is-ood").is_visible()


def test_the_nearest_training_images_are_shown(page: "Page") -> None:
    choose(page, image("blue"))
    assert page.locator("#neighbours .name").all_inner_texts() == ["blue", "red", "green"]
    assert page.locator("#neighbours img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def test_after_a_file_that_is_not_an_image_nothing_of_the_last_answer_remains(page: "Page") -> None:
    choose(page, b"not an image", "notes.txt", "text/plain")
    assert page.inner_text("#problem") == "The file is not an image that the network can read."
    assert page.locator("#hint").is_visible()
    choose(page, image("red"))
    assert not page.locator("#error").is_visible()
    choose(page, b"not an image", "notes.txt", "text/plain")
    assert page.locator("#error").is_visible()
    for part in ("#result", "#near", "#image", "#heat"):
        assert not page.locator(part).is_visible(), part
    assert page.locator(".class").count() == page.locator("#neighbours li").count() == 0
    assert page.locator("#headline").text_content() == ""
    page.locator("#strip button").nth(1).click()  # and yet it is not lost
    assert page.inner_text("#headline").startswith("red ") and not page.locator("#error").is_visible()


def test_several_images_at_once_are_answered_in_turn_and_chosen_from_a_strip(page: "Page") -> None:
    files = [("red.png", image("red", kind="PNG")), ("notes.png", b"no image"), ("blue.png", image("blue", kind="PNG"))]
    page.set_input_files("#file", [{"name": name, "mimeType": "image/png", "buffer": content} for name, content in files])
    page.wait_for_function("() => ![...document.querySelectorAll('#strip .name')].some(one => one.textContent === 'waiting')")
    settled(page)
    assert page.locator("#strip .name").all_inner_texts() == ["red", "no answer", "blue"]
    assert page.inner_text("#headline").startswith("red "), "the first is shown"
    page.locator("#strip button").nth(2).click()
    assert page.inner_text("#headline").startswith("blue ")
    assert page.locator("#strip [aria-current=true]").get_attribute("title") == "blue.png"
    page.locator("#strip button").nth(1).click()
    assert page.inner_text("#problem") == "The file is not an image that the network can read."
    assert not page.locator("#result").is_visible()


def test_the_users_own_image_is_shown_and_the_heat_map_lies_on_what_the_network_saw(page: "Page") -> None:
    choose(page, image("red", size=(400, 200), kind="PNG"))
    page.wait_for_function("() => document.querySelector('#image').naturalWidth === 400")
    frame, heat = page.locator("#frame").bounding_box(), page.locator("#heat").bounding_box()
    assert frame and heat
    assert heat["width"] == pytest.approx(2 * heat["height"], abs=2), "stretched: all of the image"
    assert heat["y"] + heat["height"] / 2 == pytest.approx(frame["y"] + frame["height"] / 2, abs=2)
    assert not page.locator("#seen").is_visible()


@pytest.mark.parametrize("resize", ["crop", "pad"])
def test_of_an_image_that_was_cropped_or_padded_the_square_is_marked(page: "Page", resize: str) -> None:
    page.route("**/explain", lambda route: route.fulfill(response=(answer := route.fetch()), json=answer.json() | {"resize": resize}))
    choose(page, image("red", size=(400, 200), kind="PNG"))
    page.wait_for_function("() => document.querySelector('#image').naturalWidth === 400")
    frame, heat = page.locator("#frame").bounding_box(), page.locator("#heat").bounding_box()
    assert frame and heat
    side = frame["width"] / 2 if resize == "crop" else frame["width"]
    assert heat["width"] == pytest.approx(side, abs=3) and heat["height"] == pytest.approx(side, abs=3)
    assert page.locator("#seen").is_visible() == (resize == "crop")


def test_a_format_that_the_browser_cannot_show_is_shown_as_the_network_saw_it(page: "Page") -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), (220, 20, 20)).save(buffer, "TIFF")
    choose(page, buffer.getvalue(), "scan.tif", "image/tiff")
    page.wait_for_function("() => document.querySelector('#image').naturalWidth === 32")
    assert page.locator("#image").get_attribute("alt") == "The image as the network saw it"
    assert page.locator("#heat").is_visible()


def test_the_model_and_the_interface_for_programs_are_named(page: "Page", server: Running) -> None:
    page.wait_for_selector("#about:visible")
    assert page.inner_text("#model-name") == "tiny, version 1"
    page.locator("#about summary").click()
    assert page.inner_text("#model-labels") == "red, green, blue"
    page.locator("footer a").click()
    assert page.url == f"{server.url}/docs"
    assert "curl -F file=@one.jpg" in page.inner_text("main")


def test_the_page_and_the_documents_are_accessible(browser: "Browser", server: Running) -> None:
    with looks(browser) as pages:
        for page in pages:
            page.goto(server.url)
            page.wait_for_selector("#about:visible")
            require_accessible(page)
            choose(page, image("red"))
            choose(page, b"no image", "notes.txt", "text/plain")
            require_accessible(page)
            page.locator("#strip button").first.click()
            require_accessible(page)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.goto(f"{server.url}/docs")
            page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            require_accessible(page)


def test_an_empty_file_is_not_even_sent(page: "Page") -> None:
    watch = Watch(page)
    choose(page, b"")
    assert page.inner_text("#problem") == "The file is empty."
    assert watch.asked("/explain") == 0


def test_everything_can_be_done_from_the_keyboard(page: "Page") -> None:
    def focused() -> str:
        return str(page.evaluate("document.activeElement.id || document.activeElement.value"))

    page.on("filechooser", lambda chooser: None)  # from now on choosers are caught: begun with the key, it may come too late
    page.keyboard.press("Tab")
    assert focused() == "file"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files({"name": "x.jpg", "mimeType": "image/jpeg", "buffer": image("red")})
    page.wait_for_selector("#result:visible")
    order = []
    for _ in range(4):
        page.keyboard.press("Tab")
        order.append(focused())
    assert order == ["camera", "shown", "strength", "red"]
    assert page.locator(".class", has_text="red").evaluate("label => getComputedStyle(label).outlineStyle") == "solid"
    page.keyboard.press("ArrowDown")
    settled(page)
    second = list(bars(page))[1]
    assert focused() == second
    assert page.locator("#heat").get_attribute("alt") == f"Heat map: where the network looked for {second}"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert not page.locator("#heat").is_visible()


def test_nothing_is_loaded_from_another_host_and_the_console_is_empty(browser: "Browser", server: Running) -> None:
    context = browser.new_context()
    page = context.new_page()
    watch = Watch(page)
    page.goto(server.url)
    choose(page, image("red"))
    page.locator(".class", has_text="blue").click()
    settled(page)
    assert watch.asked("/explain") == 2
    assert [url for url in watch.requests if not url.startswith((server.url, "data:", "blob:"))] == []
    assert watch.complaints == []
    context.close()
