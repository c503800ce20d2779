"""Every command and every line of Python that README.md and docs/ show is run as it stands.

On made-up images, in a folder where a reader's things lie; VGG16 has random weights and images of 32 pixels, so that it takes seconds.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.code_blocks import DOCUMENTS, ROOT, Block, Reader, blocks, reading
from tests.conftest import made_up_image
from transfer.models import registry, weights

CLASSES = ("rose", "tulip", "daisy")


def ids(document: Path) -> str:
    return str(document.relative_to(ROOT))


def wanted(block: Block, slow: bool) -> bool:
    return block.is_run and block.is_slow == slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def small_networks(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All documents share one store; the weights are drawn once, as if they were the published ones."""
    monkeypatch.setenv("TRANSFER_HOME", str(home))
    monkeypatch.setitem(registry.BACKBONES, "vgg16", replace(registry.BACKBONES["vgg16"], size=32))

    def drawn(backbone: registry.Backbone, progress: object) -> list[object]:
        from transfer.models import backbones

        model = backbones.build(backbone, backbone.size)
        weights.randomize(model, 0)
        return list(model.get_weights())

    monkeypatch.setattr(weights, "imagenet", drawn)
    monkeypatch.setattr(weights, "KNOWN_DIGESTS", {})


@pytest.fixture(scope="module")
def readers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader has: images of three classes, two photographs, a folder of more, the repository's configurations."""
    folder = tmp_path_factory.mktemp("reader")
    for data in ("flowers", "art", "new_flowers"):
        for number, label in enumerate(CLASSES):
            (folder / data / label).mkdir(parents=True)
            for index in range(14 if data != "new_flowers" else 4):
                seed = 100 * number + index + 10_000 * (data == "new_flowers")
                made_up_image(seed, tint=number).save(folder / data / label / f"{index:03d}.png")
    made_up_image(1, (80, 60), 0).save(folder / "rose.jpg")
    made_up_image(2, (60, 80), 1).save(folder / "tulip.png")
    for name in ("more_images", "images"):
        shutil.copytree(folder / "flowers" / "tulip", folder / name)
    shutil.copytree(ROOT / "configs", folder / "configs")
    return folder


@pytest.fixture
def reader(readers_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: Path) -> Iterator[Reader]:
    """A reader of one document, in a copy of the folder; `saved_models/flowers` is there, unless the document makes it."""
    place = tmp_path / "reader"
    shutil.copytree(readers_folder, place, copy_function=os.link)
    monkeypatch.chdir(place)
    with reading() as one:
        made = readers_folder / "saved_models"
        if not made.exists():
            one.run(Block("first", "bash", "transfer fit flowers --backbone vgg16 --name flowers", ""))
            shutil.copytree("saved_models", made, copy_function=os.link)
        if "--name flowers" in document.read_text(encoding="utf-8"):
            shutil.rmtree("saved_models", ignore_errors=True)
        elif not Path("saved_models").exists():
            shutil.copytree(made, "saved_models", copy_function=os.link)
        yield one


@pytest.mark.parametrize("document", [one for one in DOCUMENTS if any(wanted(block, False) for block in blocks(one))], ids=ids)
def test_the_code_of_a_document_runs(document: Path, reader: Reader) -> None:
    for block in blocks(document):
        if wanted(block, False):
            reader.run(block)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("document", [one for one in DOCUMENTS if any(wanted(block, True) for block in blocks(one))], ids=ids)
def test_the_slow_code_of_a_document_runs(document: Path, reader: Reader) -> None:
    for block in blocks(document):
        if wanted(block, True):
            reader.run(block)


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_code_that_is_not_run_has_a_reason(document: Path) -> None:
    for block in blocks(document):
        assert not block.note or block.is_slow or len(block.note.removeprefix("not run: ").split()) > 2, block.place
