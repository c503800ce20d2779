"""Keras objects given to `fit`: they survive the run, its files, and a second run from its config.yaml."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import pytest

import transfer
from tests.conftest import made_up_image
from tests.models.own.networks import network, with_layer
from transfer.errors import ConfigError
from transfer.runs import Run
from transfer.workflows.own_parts import taken
from transfer.workflows.requests import fit_request

SHORT: dict[str, Any] = {
    "precision": "float32", "compute": "tensorflow", "training": {"epochs": 3}, "fine_tuning": {"epochs": 1}, "energy": "off",
    "ood": {"other_images": 0},
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def one_home(home: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path) -> None:
    """The tests of this file share their cache, in which parts are kept."""
    monkeypatch.setenv("TRANSFER_HOME", str(home))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    for tint, label in enumerate(("green", "red")):
        (root / label).mkdir()
        for number in range(14):
            made_up_image(100 * tint + number, tint=tint).save(root / label / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def run(images: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run of an own backbone, fine-tuned above one of its cut points."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_HOME", str(home))
        keras.utils.set_random_seed(3)
        settings = SHORT | {"truncate_at": "high", "unfreeze_from": "low"}
        yield transfer.fit(images, settings, backbone=network(), preprocess="tf", output=tmp_path_factory.mktemp("runs"), progress=False)


def test_the_configuration_names_the_part_by_what_it_is(run: Run) -> None:
    assert str(run.config["backbone"]).startswith("own:mine:") and run.config["weights"] == "own"
    assert "-mine-" in run.name and ":" not in run.name
    assert set(run.history["stage"]) == {"head", "fine-tuning"}


def test_its_configuration_gives_the_same_run_again(run: Run, images: Path, tmp_path: Path) -> None:
    again = transfer.fit(images, run.config, name="again", output=tmp_path, progress=False)
    assert {key: again.metrics[key] for key in ("test", "validation", "weights_digest")} == {
        key: run.metrics[key] for key in ("test", "validation", "weights_digest")
    }


def test_the_run_predicts_and_its_keras_model_opens_in_safe_mode(run: Run, images: Path) -> None:
    table = transfer.predict(run, [images / "red" / "0.png"])
    model = keras.saving.load_model(run.model, safe_mode=True)
    assert len(table) == 1 and model.output_shape == (None, 2)


def test_it_is_explained(run: Run, images: Path, tmp_path: Path) -> None:
    transfer.explain(run, [images / "red" / "0.png"], output=tmp_path / "explained")
    assert list((tmp_path / "explained").rglob("*.png"))


def test_names_of_layers_in_the_settings_are_those_of_the_users_model(images: Path) -> None:
    model = with_layer(keras.layers.ReLU())
    request = fit_request(images, [{"backbone": model, "preprocess": "none", "truncate_at": model.layers[-1].name}], name="x")
    assert request.config.truncate_at == "re_lu_1" and request.config.image_size == 16


def test_a_function_of_keras_itself_is_its_name() -> None:
    assert taken([{"backbone": keras.applications.VGG16}])[-1] == {"backbone": "keras.applications.VGG16"}


def test_a_later_name_takes_the_place_of_a_model(images: Path) -> None:
    assert fit_request(images, [{"backbone": network(), "preprocess": "tf"}, {"backbone": "vgg16"}], name="x").config.backbone == "vgg16"


@pytest.mark.parametrize(
    "settings, match",
    [
        ({"image_size": 64}, r"image_size: the backbone was built for images of 32 x 32 pixels. Expected image_size=32"),
        ({"weights": "imagenet"}, r"weights: an own backbone is not in Keras. Expected own"),
        ({"truncate_at": "top2"}, r"truncate_at: Unknown cut point of own:mine:"),
        ({"backbone": "vgg16", "cuts": ["low"]}, r"cuts: the networks of the table have their own.*backbone='vgg16'"),
        ({"backbone": "vgg16", "weights": "own"}, r"weights: own are those of a backbone that is given as a Keras model"),
        ({"backbone": 7}, r"backbone: expected a name, a keras.Model .*Received int"),
    ],
)
def test_what_does_not_go_with_it_is_refused(images: Path, settings: dict[str, Any], match: str) -> None:
    layers = [{"backbone": network(), "preprocess": "tf"}, settings]
    if settings.get("backbone") == "vgg16":
        layers = [settings]
    with pytest.raises(ConfigError, match=match):
        fit_request(images, layers, name="x")
