"""`transfer init`: the file says what was found, and is taken by fit as it is."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import made_up_image
from transfer.config import Config, keys, read_yaml
from transfer.errors import DataError, OutputError
from transfer.system.progress import Silent
from transfer.workflows.init import Initialised, init
from transfer.workflows.requests import fit_request
from transfer.workflows.settings import resolve

Images = Callable[..., Path]


def written(data: Path, output: Path, backbone: str = "vgg16") -> Initialised:
    return init(str(data), output, backbone, Silent())


def test_fit_takes_the_file_as_it_is(image_folder: Images, tmp_path: Path) -> None:
    data = image_folder(classes=("no", "yes: 1 #2"), count=5)
    done = written(data, tmp_path / "new" / "settings.yaml")
    assert done.classes == {"no": 5, "yes: 1 #2": 5}
    request = fit_request(None, [read_yaml(done.path)], output=tmp_path / "runs")
    assert request.config == resolve([{"backbone": "vgg16", "image_size": 64, "data.source": str(data)}])
    text = done.path.read_text()
    assert text.startswith("# ")
    assert re.search(r"transfer fit --config .*settings\.yaml$", text.splitlines()[0])
    assert "#     5 yes: 1 #2\n" in text


@pytest.mark.parametrize("backbone", ["vgg16", "lenet"])
def test_every_key_is_there_with_its_default_and_can_be_uncommented(image_folder: Images, tmp_path: Path, backbone: str) -> None:
    done = written(image_folder(count=3), tmp_path / "settings.yaml", backbone)
    place = tmp_path / "all.yaml"
    lines = done.path.read_text().splitlines()
    known = {key.rpartition(".")[2] for key in keys()} | set(Config.model_fields)
    plain = "\n".join(
        line[2:] if (found := re.match(r"#  ? ? ?(\w+):( |$)", line)) and found[1] in known else line
        for line in lines[lines.index("") :]
    )  # fmt: skip
    place.write_text(plain)
    given = read_yaml(place)
    assert set(given) == set(keys())
    assert resolve([given]) == resolve([{"backbone": backbone, "data.source": given["data.source"], "image_size": given["image_size"]}])


@pytest.mark.parametrize(("size", "expected"), [((40, 40), 64), ((100, 300), 128), ((300, 300), 224)])
def test_small_images_are_not_enlarged_to_no_purpose(image_folder: Images, tmp_path: Path, size: tuple[int, int], expected: int) -> None:
    assert written(image_folder(count=3, size=size), tmp_path / "s.yaml").settings["image_size"] == expected


def test_names_that_look_like_series_are_told(tmp_path: Path) -> None:
    for number, label in enumerate(("ill", "well")):
        (tmp_path / "data" / label).mkdir(parents=True)
        for patient in "abcd":
            for index in (1, 2):
                name = tmp_path / "data" / label / f"{patient}_{index}.png"
                made_up_image(100 * number + 10 * ord(patient) + index).save(name)
    done = written(tmp_path / "data", tmp_path / "s.yaml")
    assert "Names here look like 8 series" in re.sub(r"\s+#\s+", " ", done.path.read_text())
    grouped = {re.search(done.group_by, f"{name}.png")[1] for name in ("a_1", "a_2", "b_1")}  # type: ignore[index]
    assert grouped == {"a", "b"}


def test_files_that_are_only_numbered_are_no_series(image_folder: Images, tmp_path: Path) -> None:
    assert written(image_folder(count=6), tmp_path / "s.yaml").group_by == ""


def test_it_writes_neither_over_a_file_nor_among_the_images(image_folder: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = image_folder(count=3)
    before = sorted(data.rglob("*"))
    (tmp_path / "mine.yaml").write_text("seed: 3\n")
    with pytest.raises(OutputError, match="already exists"):
        written(data, tmp_path / "mine.yaml")
    assert (tmp_path / "mine.yaml").read_text() == "seed: 3\n"
    with pytest.raises(OutputError, match="where nothing is written"):
        written(data, data / "s.yaml")
    monkeypatch.chdir(data)
    with pytest.raises(OutputError, match="where nothing is written"):
        init(".", None, "vgg16", Silent())
    with pytest.raises(DataError, match="does not exist"):
        written(tmp_path / "none", tmp_path / "s.yaml")
    assert sorted(data.rglob("*")) == before
