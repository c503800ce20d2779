"""Names of TFDS data sets, what is refused with one clear line, what splits are for, and ImageFolder."""

import io
import os
import re
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tests.conftest import made_up_image
from tests.data.sources.tfds.tfds_sets import features, images, prepare
from transfer.config import DataConfig
from transfer.data import sources
from transfer.data.sources.tfds import builder as tfds_builder
from transfer.data.sources.tfds import name as tfds_name
from transfer.data.sources.tfds.task import roles_of
from transfer.errors import DataError
from transfer.system.progress import Silent
from transfer.workflows.settings import data_name, with_source

KINDS = tfds.features
IMAGE = images(1)[0]["image"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def refusal(source: str, data_dir: Path | None) -> str:
    """Return the one line with which a source is refused."""
    config = DataConfig(source=source, tfds_data_dir=str(data_dir) if data_dir else None)
    with pytest.raises(DataError) as error:
        sources.require(config)
        sources.read(config, Silent())
    assert "\n" not in str(error.value) and "Received" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("config", ["", "fog_1", "a-b.c+d"])
@pytest.mark.parametrize("version", ["", "1.0.0", "1.*.*"])
def test_a_name_is_taken_apart_and_put_together_again(config: str, version: str) -> None:
    name = tfds_name.Name("pets", config, version)
    assert tfds_name.parse(f"tfds:{name}") == name


@pytest.mark.parametrize("source", ["tfds:", "tfds:a b", "tfds:a/", "tfds:a:1", "tfds:a:latest", "tfds:huggingface:mnist", "tfds:../a"])
def test_other_forms_are_refused(source: str) -> None:
    assert f"Received {source!r}" in refusal(source, None)


def test_the_folder_of_data_sets_must_be_there(tmp_path: Path) -> None:
    assert "does not exist" in refusal("tfds:pets", tmp_path / "nowhere")
    assert "--tfds-data-dir ROOT" in refusal("tfds:ImageFolder", None)
    assert "neither configurations nor versions" in refusal("tfds:ImageFolder:1.0.0", tmp_path)


def test_names_that_do_not_exist_are_refused_with_the_nearest(tmp_path: Path) -> None:
    prepare(tmp_path, {"train": images(2)})
    assert "Did you mean: mnist" in refusal("tfds:mnits", tmp_path)
    assert "Did you mean: pets?" in refusal("tfds:petz", tmp_path)
    assert "Did you mean" not in refusal("tfds:qqqqqqqqqqqqqqqq", tmp_path)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("tfds:pets/medium", "pets has no such configuration. There are 2: large, small."),
        ("tfds:pets/large:3.0.0", "pets has no such version. There are: 1.0.0, 1.2.0."),
        ("tfds:pets", "pets has several configurations: name one, tfds:pets/CONFIG. There are: large, small."),
        ("tfds:mnist/small", "mnist has no such configuration. It has none."),
        ("tfds:mnist:9.9.9", "mnist has no such version. There are: 3.0.1."),
        ("tfds:cifar10_corrupted/fog_9", "There are 95: fog_5"),
    ],
)
def test_other_configurations_and_versions_are_refused_with_those_there_are(tmp_path: Path, source: str, match: str) -> None:
    for config, version in (("small", "1.0.0"), ("large", "1.0.0"), ("large", "1.2.0")):
        prepare(tmp_path, {"train": images(2)}, config=config, version=version)
    shutil.rmtree(tmp_path / "pets" / ".config", ignore_errors=True)  # where the default configuration is noted
    assert match in refusal(source, tmp_path)


def test_a_set_that_is_nowhere_is_refused_at_once_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", lambda *_, **__: pytest.fail("tried"))
    text = refusal("tfds:mnist", tmp_path)
    assert "no address was found for storage.googleapis.com" in text
    assert "--tfds-data-dir" in text and "tfds build mnist" in text and repr(str(tmp_path / "mnist" / "3.0.1")) in text
    assert not caplog.records


def test_a_set_that_is_not_there_is_downloaded_and_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tfds_builder, "_unreachable_hosts", lambda builder: [])
    elsewhere, asked = tmp_path / "elsewhere", []
    elsewhere.mkdir()
    kinds = {"image": KINDS.Image(shape=(28, 28, 1)), "label": KINDS.ClassLabel(num_classes=10)}
    example = {"image": np.zeros((28, 28, 1), np.uint8), "label": 7}
    prepare(elsewhere, {"train": [example] * 2}, kinds, name="mnist", version="3.0.1")

    def copy(builder: Any, **_: object) -> None:
        asked.append(builder.name)
        shutil.copytree(elsewhere, tmp_path / "sets", dirs_exist_ok=True)
        builder.info.read_from_directory(builder.data_dir)

    (tmp_path / "sets").mkdir()
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", copy)
    config = DataConfig(source="tfds:mnist", tfds_data_dir=str(tmp_path / "sets"))
    for _ in range(2):
        assert list(sources.read(config, Silent()).table["label"]) == ["7", "7"]
    assert asked == ["mnist"]


def test_a_failing_download_says_why_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("Manual directory /x does not exist.\nPut the files there.")

    monkeypatch.setattr(tfds_builder, "_unreachable_hosts", lambda builder: [])
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    text = refusal("tfds:mnist", tmp_path)
    assert "failed: Manual directory /x does not exist. Put the files there. Prepare it on a machine" in text


def test_a_broken_description_is_refused(tmp_path: Path) -> None:
    prepare(tmp_path, {"train": images(2)})
    (tmp_path / "pets" / "1.0.0" / "dataset_info.json").write_text('{"name": ')
    assert "pets cannot be opened by tensorflow-datasets" in refusal("tfds:pets", tmp_path)


TEXT = {"text": KINDS.Text(), "label": KINDS.ClassLabel(num_classes=2)}
ARRAY = {"image": KINDS.Tensor(shape=(4, 4, 3), dtype=np.uint8), "label": KINDS.ClassLabel(num_classes=2)}
FLOATS = features(image=KINDS.Image(shape=(4, 4, 1), dtype=np.float32))
VIDEO = {"video": KINDS.Video(shape=(None, 4, 4, 3)), "label": KINDS.ClassLabel(num_classes=2)}
SEVERAL = {"image": KINDS.Sequence(KINDS.Image()), "label": KINDS.ClassLabel(num_classes=2)}
TAGS = {"image": KINDS.Image(), "label": KINDS.Sequence(KINDS.ClassLabel(num_classes=2))}
TWO = features(species=KINDS.ClassLabel(num_classes=2))


@pytest.mark.parametrize(
    ("kinds", "example", "supervised", "why"),
    [
        (TEXT, {"text": "x", "label": 1}, ("text", "label"), "it has no image to classify"),
        (TEXT, {"text": "x", "label": 1}, None, "it has no image to classify"),
        (ARRAY, {"image": np.zeros((4, 4, 3), np.uint8), "label": 1}, None, "its images (image) are not stored as encoded files"),
        (FLOATS, {"image": np.zeros((4, 4, 1), np.float32), "label": 1}, None, "its images hold numbers of type float32"),
        (VIDEO, {"video": np.zeros((2, 4, 4, 3), np.uint8), "label": 1}, None, "it has no image to classify"),
        (SEVERAL, {"image": [IMAGE, IMAGE], "label": 1}, None, "it has no image to classify"),
        (TAGS, {"image": IMAGE, "label": [0, 1]}, ("image", "label"), "its images have no class of their own"),
        (TWO, {"image": IMAGE, "label": 1, "species": 0}, None, "it has several labels (label, species)"),
        (features(target=KINDS.Image()), {"image": IMAGE, "label": 1, "target": IMAGE}, ("image", "target"), "it has several images"),
    ],
    ids=["text", "text without keys", "arrays", "floats", "video", "sequences of images", "several labels", "two labels", "two images"],
)
def test_what_is_no_image_classification_set_is_refused(
    tmp_path: Path, kinds: dict[str, Any], example: Mapping[str, Any], supervised: tuple[str, ...] | None, why: str
) -> None:
    prepare(tmp_path, {"train": [_with_files(example)]}, kinds, supervised=supervised)
    text = refusal("tfds:pets", tmp_path)
    assert text.startswith("pets/1.0.0 is not an image classification set: ")
    assert why in text


def _with_files(example: Mapping[str, Any]) -> dict[str, Any]:
    return {key: [io.BytesIO(one) for one in value] if isinstance(value, list) and isinstance(value[0], bytes) else value
            for key, value in example.items()}  # fmt: skip


def test_supervised_keys_decide_between_labels(tmp_path: Path) -> None:
    examples = [x | {"species": 1 - x["label"]} for x in images(4)]
    kinds = features(species=KINDS.ClassLabel(names=["bird", "fish"]))
    prepare(tmp_path, {"train": examples}, kinds, supervised=("image", "species"))
    manifest = sources.read(DataConfig(source="tfds:pets", tfds_data_dir=str(tmp_path)), Silent()).table
    assert set(manifest["label"]) == {"bird", "fish"}


@pytest.mark.parametrize(
    ("names", "splits", "left_out"),
    [
        (["train"], {"train": ""}, []),
        (["full"], {"full": ""}, []),
        (["test"], {"test": ""}, []),
        (["train", "test"], {"train": "train", "test": "test"}, []),
        (["training", "val"], {"training": "train", "val": "validation"}, []),
        (["train", "extra"], {"train": ""}, ["extra"]),
        (["train", "test", "test_v2", "unlabelled"], {"train": "train", "test": "test"}, ["test_v2", "unlabelled"]),
    ],
)
def test_what_splits_are_for(names: list[str], splits: dict[str, str], left_out: list[str]) -> None:
    roles = roles_of(names, "tfds:x")
    assert (dict(roles.splits), list(roles.left_out)) == (splits, left_out)
    assert roles.ready_made == (len(splits) > 1)


@pytest.mark.parametrize("names", [["test", "validation"], ["a", "b"], []])
def test_several_splits_without_a_training_split_are_refused(names: list[str]) -> None:
    with pytest.raises(DataError, match=re.escape(f"Received {', '.join(names) or 'no split at all'} in 'tfds:x'")):
        roles_of(names, "tfds:x")


def test_builders_that_no_name_stands_for_are_refused(tmp_path: Path) -> None:
    first, second = (tmp_path / name / "pets" / "1.0.0" for name in ("a", "b"))
    for folder in (first, second):
        folder.parents[1].mkdir()
        prepare(folder.parents[1], {"train": images(2)})
    with pytest.raises(DataError, match="Received several"):
        sources.settings(tfds.builder_from_directories([first, second]))
    os.rename(first, tmp_path / "moved")
    with pytest.raises(DataError, match=r"Expected one folder \.\.\./pets/1\.0\.0\. Received '.*moved'"):
        sources.settings(tfds.builder_from_directory(tmp_path / "moved"))


def test_the_configuration_of_a_builder_is_named(tmp_path: Path) -> None:
    builder = prepare(tmp_path, {"train": images(2)}, config="small")
    config = with_source(builder, [])
    assert (config.data.source, config.data.tfds_data_dir) == ("tfds:pets/small:1.0.0", str(tmp_path))
    assert data_name(str(config.data.source)) == "pets-small-1.0.0"


def test_image_folder_takes_the_files_where_they_lie(tmp_path: Path, cache_folder: Path) -> None:
    paths = ["train/cat/1.png", "train/dog/2.PNG", "test/cat/3.jpg", "test/dog/4.jpeg", "more/cat/5.png"]
    others = ["train/cat/6.gif", "train/7.png", "train/dog/deep/8.png", ".x/9.png", "train/cat/.10.png"]
    for number, path in enumerate(paths + others):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        made_up_image(number).save(tmp_path / path, "JPEG" if "jp" in path else "PNG")
    builder = tfds.folder_dataset.ImageFolder(str(tmp_path))
    config = with_source(builder, [])
    assert (config.data.source, config.data.tfds_data_dir) == ("tfds:ImageFolder", str(tmp_path))
    source = sources.read(config.data, Silent())
    used = source.table[source.table["reason"] == ""]
    assert set(used[["path", "label", "split"]].itertuples(index=False, name=None)) == {
        (path, path.split("/")[1], path.split("/")[0]) for path in paths[:4]
    }
    assert source.root == tmp_path and source.ready_made and not (cache_folder / "tfds").exists()
    reasons = dict(zip(source.table["path"], source.table["reason"], strict=True))
    assert reasons["more/cat/5.png"] == "split left out: more is not train, validation or test"
    assert sorted(path for path, why in reasons.items() if why) == sorted([paths[4], *others[:2], "train/dog/deep/", ".x/", others[4]])
    assert {name: info.num_examples for name, info in builder.info.splits.items()} == {"train": 3, "test": 2, "more": 1}


def test_an_image_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    made_up_image(0).save(tmp_path / "cat" / "1.png")
    assert "expects ROOT/SPLIT/LABEL/IMAGE" in refusal("tfds:ImageFolder", tmp_path)


def test_an_image_folder_leaves_out_what_systems_leave_and_what_is_excluded(tmp_path: Path) -> None:
    paths = ["train/cat/1.png", "train/dog/2.png", "test/cat/3.png", "train/@eaDir/4.png", "train/old/5.png", "__MACOSX/cat/6.png"]
    for number, path in enumerate(paths):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        made_up_image(number).save(tmp_path / path)
    config = with_source(tfds.folder_dataset.ImageFolder(str(tmp_path)), [{"data.exclude": ["old"]}])
    source = sources.read(config.data, Silent())
    assert source.classes == ["cat", "dog"] and list(source.used["path"]) == sorted(paths[:3])
    assert dict(source.table.loc[source.table["reason"] != "", ["path", "reason"]].itertuples(index=False, name=None)) == {
        "__MACOSX/cat/6.png": "system folder: __MACOSX, left by macOS",
        "train/@eaDir/4.png": "system folder: @eaDir, thumbnails of a Synology disk",
        "train/old/5.png": "excluded by data.exclude: old",
    }


def test_classes_of_a_set_that_look_alike_are_refused(tmp_path: Path) -> None:
    for number, label in enumerate(("Cat", "cat")):
        (tmp_path / "train" / label).mkdir(parents=True)
        made_up_image(number).save(tmp_path / "train" / label / "1.png")
    with pytest.raises(DataError, match="Two classes differ only by case"):
        sources.read(with_source(tfds.folder_dataset.ImageFolder(str(tmp_path)), []).data, Silent())


def test_folders_of_splits_are_no_setting_of_a_set(tmp_path: Path) -> None:
    (tmp_path / "train" / "cat").mkdir(parents=True)
    made_up_image(0).save(tmp_path / "train" / "cat" / "1.png")
    with pytest.raises(DataError, match=r"data\.split_folders is for folders"):
        with_source(tfds.folder_dataset.ImageFolder(str(tmp_path)), [{"data.split_folders": "off"}])
