"""One tiny export, and one server on it, for all tests of a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import tiny_export
from tests.serving.running import Running, served


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of versions with version 1; not to be changed."""
    folder = tmp_path_factory.mktemp("tiny") / "export"
    tiny_export.write(folder / "1")
    return folder


@pytest.fixture(scope="module")
def server(export: Path) -> Iterator[Running]:
    """A server with the usual limits."""
    with served(export) as running:
        yield running
