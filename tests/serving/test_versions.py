"""A newer version replaces the old one while the server answers; a broken or incomplete one is ignored, and the old one stays."""

import shutil
import time
from functools import partial
from pathlib import Path

import pytest

from tests.exporters import hostile
from tests.serving import tiny_export
from tests.serving.running import image, served
from tests.serving.test_tf_serving_api import b64
from tests.test_runs import not_versions
from transfer.errors import RunError
from transfer.serving.model import Loaded, load
from transfer.serving.versions import Versions, fingerprint


@pytest.fixture
def folder(export: Path, tmp_path: Path) -> Path:
    """An export of its own with version 1."""
    shutil.copytree(export, tmp_path / "export")
    return tmp_path / "export"


class Loader:
    """Pretends to load; fails for the versions named."""

    def __init__(self, *broken: int) -> None:
        self.broken, self.loads = set(broken), list[int]()

    def __call__(self, path: Path) -> Loaded:
        self.loads.append(int(path.name))
        if int(path.name) in self.broken:
            raise RunError("The export cannot be used: it is cut.")
        return Loaded(int(path.name), None, {}, {})  # type: ignore[arg-type]


def write(folder: Path, number: int, text: str = "x") -> None:
    (folder / str(number)).mkdir(parents=True, exist_ok=True)
    (folder / str(number) / "saved_model.pb").write_text(text)


def test_a_version_is_read_if_it_has_not_changed_between_two_checks(tmp_path: Path) -> None:
    write(tmp_path, 1)
    loader = Loader()
    versions = Versions(tmp_path, loader, print)
    write(tmp_path, 2, "h")
    assert versions.look() is None
    write(tmp_path, 2, "half")
    assert versions.look() is None
    found = versions.look()
    assert found is not None
    assert found.version == 2
    assert loader.loads == [1, 2]


def test_a_broken_version_is_tried_once_until_it_changes(tmp_path: Path) -> None:
    write(tmp_path, 1)
    said: list[str] = []
    loader = Loader(2)
    versions = Versions(tmp_path, loader, said.append)
    write(tmp_path, 2)
    assert [versions.look() for _ in range(4)] == [None] * 4
    assert loader.loads == [1, 2]
    (line,) = said
    assert line.startswith("Version 2 of the model cannot be used")
    assert line.endswith("The export cannot be used: it is cut.")
    loader.broken.clear()
    write(tmp_path, 2, "fixed")
    assert [found and found.version for found in (versions.look(), versions.look())] == [None, 2]


def test_the_newest_usable_version_is_served_from_the_start(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        write(tmp_path, number)
    said: list[str] = []
    assert Versions(tmp_path, Loader(10), said.append).current.version == 2
    assert len(said) == 1
    with pytest.raises(RunError, match="it is cut"):
        Versions(tmp_path, Loader(1, 2, 10), said.append)


def test_a_folder_without_versions_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has no export"):
        Versions(tmp_path / "nowhere", Loader(), print)


def test_what_is_only_called_like_a_version_disturbs_nobody(tmp_path: Path) -> None:
    write(tmp_path, 1)
    not_versions(tmp_path)
    said: list[str] = []
    loader = Loader()
    versions = Versions(tmp_path, loader, said.append)
    assert [versions.look() for _ in range(3)] == [None] * 3 and loader.loads == [1] and said == []
    write(tmp_path, 9)  # it is completed
    assert [found and found.version for found in (versions.look(), versions.look())] == [None, 9]


def test_the_fingerprint_sees_sizes_and_names(tmp_path: Path) -> None:
    write(tmp_path, 1)
    before = fingerprint(tmp_path / "1")
    write(tmp_path, 1, "longer")
    assert fingerprint(tmp_path / "1") != before
    assert fingerprint(tmp_path / "nowhere") == ()


@pytest.mark.parametrize(
    "missing", ["saved_model.pb", "assets/labels.txt", "variables/variables.data-00000-of-00001", "variables/variables.index"]
)
def test_a_version_that_lacks_a_file_is_refused(folder: Path, missing: str) -> None:
    (folder / "1" / missing).unlink()
    with pytest.raises(RunError, match=r"The export (could not be loaded|cannot be used)"):
        load(folder / "1")


@pytest.mark.parametrize("cut", ["saved_model.pb", "assets/labels.txt", "variables/variables.data-00000-of-00001"])
def test_a_version_with_half_a_file_is_refused(folder: Path, cut: str) -> None:
    file = folder / "1" / cut
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(RunError, match=r"The export (could not be loaded|cannot be used)"):
        load(folder / "1")


def test_a_new_version_that_could_read_files_is_refused_and_the_old_one_stays(folder: Path) -> None:
    said: list[str] = []
    versions = Versions(folder, load, said.append)
    hostile.edited(tiny_export.write(folder / "2"), lambda meta: meta.graph_def.node.add(name="sly", op="ReadFile"))
    assert [versions.look() for _ in range(3)] == [None] * 3
    assert versions.current.version == 1
    (line,) = said
    assert line.startswith("Version 2 of the model cannot be used and is ignored. ")
    assert "Found the operation ReadFile." in line
    assert "add --trust" in line
    assert Versions(folder, load, said.append).current.version == 1
    assert Versions(folder, partial(load, trust=True), said.append).current.version == 2


def test_a_running_server_switches_to_a_new_version_and_no_request_fails(folder: Path) -> None:
    with served(folder, poll_seconds=0.05) as running, running.client() as client:
        body = {"instances": [b64(image())]}
        before = client.post("/v1/models/tiny:predict", json=body).json()["predictions"][0]["score"]
        (folder / "2").mkdir()
        (folder / "2" / "saved_model.pb").write_bytes(b"half")
        tiny_export.write(folder.parent / "draft", sharpness=1.0)
        (folder.parent / "draft").rename(folder / "3")
        deadline = time.monotonic() + 120
        after = before
        while after == before and time.monotonic() < deadline:
            answer = client.post("/v1/models/tiny:predict", json=body)
            assert answer.status_code == 200
            after = answer.json()["predictions"][0]["score"]
        assert 0.4 < after < 0.6 < before
        assert client.get("/healthz").json()["version"] == "3"
        assert client.get("/v1/models/tiny/versions/1").status_code == 404
        assert client.post("/v1/models/tiny/versions/3:predict", json=body).status_code == 200
        assert client.post("/v1/models/tiny/versions/1:predict", json=body).json() == {
            "error": "Servable not found for request: Specific(tiny, 1)"
        }
