"""Scanning: columns, the decode test, and folders that change while they are read."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import made_up_image
from tests.data.decoding import encoders as e
from tests.data.decoding.drawings import DRAWINGS
from transfer.data import dataset as manifests
from transfer.data import reading
from transfer.data import scan as scanning
from transfer.data.scan import Found, examined
from transfer.system.progress import Advance, Silent

PNG, JPEG = e.saved(made_up_image(0), "PNG"), e.saved(made_up_image(0), "JPEG")
TIFF = e.saved(made_up_image(0), "TIFF")


def write(root: Path, **content: bytes) -> list[Found]:
    """Write files of these names (`_` for `.`) and list them."""
    for name, data in content.items():
        (root / name.replace("_", ".")).write_bytes(data)
    return [Found(name.replace("_", "."), "a", "train", "", "g") for name in sorted(content)]


TEXTS = ("path", "label", "split", "group", "status", "reason", "traits", "value_range", "digest", "format")


def scan(root: Path, found: list[Found], decode_test: bool = False, limit: float = 100.0) -> pd.DataFrame:
    return examined(root, found, limit, Silent(), decode_test)


def reasons(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["path"], table["reason"], strict=True))


def test_the_table_has_its_columns_in_order_and_their_types(tmp_path: Path) -> None:
    table = scan(tmp_path, write(tmp_path, a_jpg=JPEG, b_tif=TIFF, c_txt=b"text"))
    assert list(table.columns) == manifests.COLUMNS
    assert {name: str(table[name].dtype) for name in manifests.COLUMNS} == {
        name: "object" if name in TEXTS else "int64" for name in manifests.COLUMNS
    }
    assert list(table["status"]) == ["used", "transcoded", "skipped"]
    assert list(table["split"]) == ["train", "train", ""]
    assert list(table["group"]) == ["g"] * 3
    assert list(table["digest"]) == [hashlib.sha256(data).hexdigest() for data in (JPEG, TIFF, b"text")]
    assert list(table["size"]) == [len(JPEG), len(TIFF), 4]
    assert list(table["ctime_ns"]) == [(tmp_path / name).stat().st_ctime_ns for name in table["path"]]


def test_no_program_is_started_for_any_file(tmp_path: Path, gs: Path) -> None:
    found = write(tmp_path, **{f"{number}_{ending}": data for number, data in enumerate(DRAWINGS.values()) for ending in ("eps", "jpg")})
    assert set(scan(tmp_path, found, decode_test=True)["status"]) == {"skipped"}
    assert not gs.exists()


def test_files_that_the_source_passes_over_are_listed_and_not_opened(tmp_path: Path) -> None:
    found = [Found("b/", "b", "", "folder: empty"), *write(tmp_path, a_png=PNG), Found(".c", "", "", "hidden file")]
    table = scan(tmp_path, found)
    assert list(table["reason"]) == ["folder: empty", "", "hidden file"]
    assert list(table["status"]) == ["skipped", "used", "skipped"]
    assert [bool(digest) for digest in table["digest"]] == [False, True, False]
    assert list(table["width"]) == [0, 40, 0]


def test_nothing_listed_gives_an_empty_table(tmp_path: Path) -> None:
    table = scan(tmp_path, [], decode_test=True)
    assert (len(table), list(table.columns)) == (0, manifests.COLUMNS)


def test_order_and_content_survive_many_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "_TOGETHER", 3)
    files = {f"f{number:03d}_png": e.saved(made_up_image(number, (8, 8)), "PNG") for number in range(50)}
    table = scan(tmp_path, write(tmp_path, **files), decode_test=True)
    assert list(table["digest"]) == [hashlib.sha256(data).hexdigest() for data in files.values()]


def test_progress_counts_every_file_once(tmp_path: Path) -> None:
    counted = []

    class Counting(Silent):
        @contextmanager
        def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Advance]:
            counted.append(-(total or 0))
            yield counted.append

    found = [*write(tmp_path, a_png=PNG, b_png=PNG[:99], c_png=JPEG), Found("d/", "", "", "folder: empty")]
    examined(tmp_path, found, 100.0, Counting())
    assert sum(counted) == 0
    assert -counted[0] == 4


def test_names_and_peculiarities_make_the_traits(tmp_path: Path) -> None:
    turned, clear = e.with_orientation(made_up_image(0), 6), e.saved(made_up_image(0).convert("LA"), "PNG")
    table = scan(tmp_path, write(tmp_path, a_jpg=JPEG, b_png=JPEG, c_png=turned, d_jpg=clear, e_jpg=b"text"))
    assert list(table["traits"]) == ["", "mislabelled", "rotated mislabelled", "alpha mislabelled", ""]


@pytest.mark.parametrize("decode_test", [False, True])
def test_pixels_are_looked_at_only_where_that_is_asked_for(tmp_path: Path, decode_test: bool) -> None:
    cut = e.cut(e.saved(made_up_image(0, (200, 200)), "JPEG"), 0.5)
    table = scan(tmp_path, write(tmp_path, a_jpg=JPEG, b_jpg=cut), decode_test)
    expected = "damaged: not a whole JPEG (truncated or broken)" if decode_test else ""
    assert reasons(table) == {"a.jpg": "", "b.jpg": expected}
    assert list(table["split"]) == ["train", "" if decode_test else "train"]
    assert list(table["digest"]) == [hashlib.sha256(data).hexdigest() for data in (JPEG, cut)]


def test_a_scan_without_the_decode_test_loads_no_tensorflow(tmp_path: Path) -> None:
    write(tmp_path, a_jpg=JPEG, b_png=PNG, c_tif=TIFF)
    program = (
        "import sys\nfrom pathlib import Path\nfrom transfer.data.scan import Found, examined\n"
        "from transfer.system.progress import Silent\n"
        "found = [Found(name, 'a', '') for name in ('a.jpg', 'b.png', 'c.tif')]\n"
        "assert (examined(Path(sys.argv[1]), found, 1.0, Silent())['reason'] == '').all()\nassert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def _grows(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _goes_back(path: Path) -> None:
    path.write_bytes(PNG[:-1] + b"x")
    os.utime(path, ns=(0, 0))


def _is_replaced(path: Path) -> None:
    path.unlink()
    path.write_bytes(JPEG)


def _becomes_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _becomes_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Path.unlink, "vanished while the folder was read"),
        (_grows, ""),  # was not being read yet: what it is now counts
        (_is_replaced, ""),
        (_becomes_a_folder, "not a regular file"),
        (_becomes_a_pipe, "not a regular file"),
    ],
)
def test_a_file_that_changes_before_it_is_opened_is_reported_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object], expected: str
) -> None:
    found, really = write(tmp_path, a_png=PNG, b_png=PNG, c_png=PNG), os.open

    def opening(path: object, *more: object) -> int:
        if str(path).endswith("b.png"):
            change(tmp_path / "b.png")
        return really(path, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(reading.os, "open", opening)
    table = scan(tmp_path, found)
    assert reasons(table) == {"a.png": "", "b.png": expected, "c.png": ""}
    monkeypatch.undo()
    if not expected:
        assert table["digest"][1] == hashlib.sha256((tmp_path / "b.png").read_bytes()).hexdigest()


@pytest.mark.parametrize("change", [_grows, _goes_back, lambda path: os.truncate(path, 10)], ids=["grows", "goes back in time", "is cut"])
def test_a_file_that_changes_while_it_is_read_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]
) -> None:
    found, really = write(tmp_path, a_png=PNG, b_png=JPEG), os.read

    def read(handle: int, count: int) -> bytes:
        data = really(handle, count)
        if data[:3] == b"\xff\xd8\xff":
            change(tmp_path / "b.png")
        return data

    monkeypatch.setattr(reading.os, "read", read)
    assert reasons(scan(tmp_path, found, decode_test=True)) == {"a.png": "", "b.png": "changed while it was read"}


def test_a_file_that_becomes_unreadable_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, really = write(tmp_path, a_png=PNG, b_png=PNG), os.open

    def opening(path: object, *more: object) -> int:
        if str(path).endswith("b.png"):
            raise PermissionError(13, "Permission denied")
        return really(path, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(reading.os, "open", opening)
    assert reasons(scan(tmp_path, found)) == {"a.png": "", "b.png": "cannot be read: Permission denied"}


def test_a_folder_that_vanishes_is_reported_for_each_of_its_files(tmp_path: Path) -> None:
    found = [Found(f"gone/{number}.png", "gone", "") for number in range(3)]
    assert set(reasons(scan(tmp_path, found)).values()) == {"vanished while the folder was read"}


def test_waiting_images_are_bounded_by_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = []

    class Spy:
        def reasons(self, images: list[tuple[bytes, object]]) -> list[str]:
            groups.append(len(images))
            return [""] * len(images)

    monkeypatch.setattr(reading, "BYTES_TOGETHER", 2 * len(PNG))
    write(tmp_path, **{f"f{number}_png": PNG for number in range(5)})
    done = reading.read_all(tmp_path, [f"f{number}.png" for number in range(5)], 1.0, Spy())  # type: ignore[arg-type]
    assert groups == [2, 2, 1]
    assert np.all([read.tested for read in done])
