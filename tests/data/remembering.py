"""What the tests of remembered scans share: a folder, a clock that can be set, and what is opened."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import made_up_image
from tests.data.decoding import encoders as e
from transfer.data import reading, scan_memory
from transfer.data import scan as scanning
from transfer.data.scan import Found, examined
from transfer.data.scan_memory import RACY_NS
from transfer.system.progress import Silent

JPEG, PNG, TIFF = (e.saved(made_up_image(number), format) for number, format in enumerate(("JPEG", "PNG", "TIFF")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of four files."""
    root = tmp_path / "data"
    root.mkdir()
    for name, data in {"a.jpg": JPEG, "b.png": PNG, "c.tif": TIFF, "d.txt": b"text"}.items():
        (root / name).write_bytes(data)
    return root


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """The clock of scans goes three seconds ahead, so that new files are old enough; it can be set otherwise."""
    really = scan_memory.now_ns

    def ahead(nanoseconds: int) -> None:
        for module in (scan_memory, reading, scanning):
            monkeypatch.setattr(module, "now_ns", lambda: really() + nanoseconds)

    ahead(RACY_NS + 1_000_000_000)
    return ahead


class Opened:
    """Names of the files that are opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        really = reading.content

        def content(file: str, max_megapixels: float) -> object:
            self.names.append(Path(file).name)
            return really(file, max_megapixels)

        monkeypatch.setattr(reading, "content", content)

    def since(self) -> list[str]:
        names, self.names = sorted(self.names), []
        return names


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    return Opened(monkeypatch)


ALL = ["a.jpg", "b.png", "c.tif", "d.txt"]


def scan(root: Path, decode: bool = False, limit: float = 100.0, names: list[str] | None = None) -> pd.DataFrame:
    chosen = sorted(path.name for path in root.iterdir()) if names is None else names
    return examined(root, [Found(name, "a", "") for name in chosen], limit, Silent(), decode)
