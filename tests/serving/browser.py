"""Headless Chromium for the tests of the page, and what they do with it."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
)  # fmt: skip


@contextlib.contextmanager
def chromium() -> Iterator["Browser"]:
    """Start the system's Chromium, with a fake camera; skip the test if there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=list(_SWITCHES))
        yield browser
        browser.close()


@contextlib.contextmanager
def looks(browser: "Browser") -> Iterator[Iterator["Page"]]:
    """Give pages, not yet opened, one for each way to look at them: a phone and a wide screen, light and dark."""
    ways: list[tuple[int, Any]] = [(width, scheme) for width in (400, 1200) for scheme in ("light", "dark")]
    contexts = [browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) for width, scheme in ways]
    yield (context.new_page() for context in contexts)
    for context in contexts:
        context.close()


def require_accessible(page: "Page") -> None:
    """Fail with what axe finds on a page as it is shown: contrast, names, roles, order of headings, what cannot be scrolled by keys."""
    module = pytest.importorskip("axe_playwright_python.base", reason="the package axe-playwright-python is not installed")
    page.evaluate(module.AXE_FILE_PATH.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert len(found["passes"]) > 10, "axe looked at the page"
    assert [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found["violations"]] == []


class Watch:
    """What a page asked for and complained about.

    Attributes:
        requests: addresses, in order.
        complaints: errors in the console and of scripts.
    """

    def __init__(self, page: "Page") -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def asked(self, end: str) -> int:
        """Return the number of requests to URLs with this ending."""
        return sum(url.endswith(end) for url in self.requests)


def choose(page: "Page", content: bytes, name: str = "image.png", kind: str = "image/png") -> None:
    """Choose a file by the button and wait until it is answered."""
    page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": content})
    settled(page)


def settled(page: "Page") -> None:
    """Wait until the page waits for nothing."""
    page.wait_for_selector("body:not(.busy)")


def transfer_of(page: "Page", content: bytes, name: str = "image.png") -> Any:
    """Return a handle of what a browser gives with a drop or a paste of one file."""
    program = """([bytes, name]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
        return data;
    }"""
    return page.evaluate_handle(program, [list(content), name])


def bars(page: "Page") -> dict[str, float]:
    """Return the classes shown and their shares in percent, from top to bottom."""
    names, shares = page.locator(".class .name").all_inner_texts(), page.locator(".class .share").all_inner_texts()
    return {name: float(share.removesuffix(" %").strip("<> ")) for name, share in zip(names, shares, strict=True)}
