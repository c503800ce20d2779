"""One tiny export, and one server on it, for all tests of a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.serving import tiny_export
from tests.serving.browser import chromium
from tests.serving.running import Running, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of versions with version 1; not to be changed."""
    folder = tmp_path_factory.mktemp("tiny") / "export"
    tiny_export.write(folder / "1")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: "Browser", server: Running) -> Iterator["Page"]:
    """The page of the file's own server, in a wide window."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    opened.goto(server.url)
    yield opened
    context.close()


@pytest.fixture(scope="module")
def server(export: Path) -> Iterator[Running]:
    """A server with the usual limits."""
    with served(export) as running:
        yield running
