"""Keras objects given to `fit`: they survive the run, its files, and a second run from its config.yaml."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import transfer
from tests.conftest import made_up_image
from tests.models.own.networks import head, network, with_layer
from transfer.errors import ConfigError, TransferError
from transfer.runs import Run
from transfer.workflows.own_parts import taken
from transfer.workflows.requests import compare_request, fit_request
from transfer.workflows.tune_requests import tune_request

SHORT: dict[str, Any] = {
    "precision": "float32", "compute": "tensorflow", "training": {"epochs": 3}, "energy": "off",
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


class Seen(keras.callbacks.Callback):
    """Notes what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.logs: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.logs.append(dict(logs or {}))


class Failing(keras.callbacks.Callback):
    broken = True

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch == 1 and self.broken:
            raise ValueError("no space left in the cloud")


SEEN = Seen()


@pytest.fixture(scope="module")
def run(images: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run of an own backbone, fine-tuned above one of its cut points."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_HOME", str(home))
        keras.utils.set_random_seed(3)
        settings = SHORT | {"truncate_at": "high", "unfreeze_from": "low", "fine_tuning": {"epochs": 1}}
        yield transfer.fit(
            images, settings, backbone=network(), preprocess="tf", head=head(6, 2), callbacks=[SEEN],
            metrics=["AUC", keras.metrics.TopKCategoricalAccuracy(2, name="top_2")], output=tmp_path_factory.mktemp("runs"), progress=False,
        )  # fmt: skip


def test_the_configuration_names_the_part_by_what_it_is(run: Run) -> None:
    assert str(run.config["backbone"]).startswith("own:mine:") and run.config["weights"] == "own"
    assert "-mine-" in run.name and ":" not in run.name
    assert str(run.config["head.own"]).startswith("own:plain:") and run.config["head.kind"] == "own"
    assert (run.config["training.callbacks"], run.config["training.metrics"]) == (["Seen"], ["auc", "top_2"])


def test_callbacks_see_both_stages_and_metrics_are_columns_of_the_history(run: Run) -> None:
    assert list(run.history["stage"]) == ["head"] * 3 + ["fine-tuning"]
    assert len(SEEN.logs) == 4 and {"loss", "val_loss", "auc", "val_auc", "top_2", "val_top_2"} <= set(SEEN.logs[0])
    assert np.allclose(run.history["val_auc"], [logs["val_auc"] for logs in SEEN.logs])
    assert (run.history["top_2"] == 1).all()  # of two classes


def test_its_configuration_gives_the_same_run_again(run: Run, images: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"training.callbacks: the run was made with callbacks that were given in Python.*Received Seen"):
        fit_request(images, [run.config], name="again")
    metrics = ["AUC", keras.metrics.TopKCategoricalAccuracy(2, name="top_2")]
    again = transfer.fit(images, run.config, callbacks=Seen(), metrics=metrics, name="again", output=tmp_path, progress=False)
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
    assert taken([{"backbone": keras.applications.VGG16}])[0][-1] == {"backbone": "keras.applications.VGG16"}


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


def test_a_callback_that_fails_is_named_and_the_same_call_goes_on_when_it_is_repaired(
    run: Run, images: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SHORT | {
        "truncate_at": "high",
        "backbone": run.config["backbone"],
        "training": {"epochs": 3, "checkpoint_seconds": 0},
        "head": head,
    }
    before = {path: path.stat().st_mtime for path in (home / "features").rglob("*.mdb")}
    with pytest.raises(
        TransferError, match=r"^The callback Failing failed in on_epoch_end: ValueError: no space left in the cloud. Features"
    ) as error:
        transfer.fit(images, settings, callbacks=[Failing()], output=tmp_path, name="x", progress=False)
    assert "\n" not in str(error.value) and not (tmp_path / "x").exists()
    assert before and all(path.exists() for path in before) and list((home / "checkpoints").glob("*.npz"))

    monkeypatch.setattr(Failing, "broken", False)
    resumed, undisturbed = (
        transfer.fit(images, settings, callbacks=[Failing()], output=tmp_path, name=name, progress=False) for name in "xy"
    )
    assert resumed.metrics["test"] == undisturbed.metrics["test"]
    assert resumed.history["loss"].tolist() == undisturbed.history["loss"].tolist()


def test_live_views_are_made_by_layers(images: Path, tmp_path: Path) -> None:
    layers = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.1)]
    settings = SHORT | {"backbone": "lenet", "image_size": 16, "augment": {"layers": layers}, "training": {"epochs": 2}}
    run = transfer.fit(images, settings, output=tmp_path, name="x", progress=False)
    assert str(run.config["augment.layers"]).startswith("own:RandomFlip-RandomRotation:") and run.config["augment.live"]
    again = transfer.fit(images, run.config, output=tmp_path, name="again", progress=False)
    assert again.history["loss"].equals(run.history["loss"])


def _nothing(width: int, classes: int) -> Any:
    raise RuntimeError("not today")


@pytest.mark.parametrize(
    "settings, match",
    [
        ({"callbacks": [keras.callbacks.EarlyStopping]}, r"callbacks: expected a list of Keras callbacks.*Received EarlyStopping, a class"),
        ({"callbacks": "tensorboard"}, r"callbacks: expected a list of Keras callbacks.*Received str"),
        ({"callbacks": [Seen()], "cross_validation": {"folds": 2}}, r"callbacks: each fold is a training of its own.*function"),
        ({"metrics": ["AUCC"]}, r"metrics: expected Keras metrics or their names.*Received 'AUCC'"),
        ({"metrics": [keras.metrics.CategoricalAccuracy(name="accuracy")]}, r"metrics: each needs a name of its own.*Received 'accuracy'"),
        ({"metrics": ["AUC", "AUC"]}, r"metrics: each needs a name of its own"),
        ({"metrics": ["AUC"], "head": {"kind": "linear"}}, r"head.kind: a linear head is fitted at once, without epochs.*Received auc"),
        ({"head": keras.layers.Dense(2)}, r"head: expected settings .*Received Dense"),
        ({"head": head(6, 2), "head.dropout": 0.1}, r"head.dropout: an own head has its own layers"),
        ({"head.kind": "own"}, r"head.kind: own is a head that is given in Python.*head.own=None"),
        ({"head.kind": "own", "head.own": "own:mine:0123456789abcdef"}, r"head: 'mine' was given in Python.*Give it again"),
        ({"augment.layers": [keras.layers.MixUp()]}, r"augment.layers: a view is of one image"),
        ({"augment.layers": keras.layers.Resizing(8, 8)}, r"augment.layers: a view is as large as its image"),
        ({"augment.layers": [keras.layers.GaussianDropout(0.5)]}, r"augment.layers: the same seeds must give the same view"),
        ({"augment.layers": [7]}, r"augment.layers: expected Keras layers.*Received int"),
        ({"augment.layers": keras.layers.Lambda(lambda x: x)}, r"augment.layers: a Lambda layer holds code"),
        ({"augment.layers": "own:Mine:0123456789abcdef", "augment.live": True, "backbone": "lenet"}, r"augment.layers: 'Mine' was"),
        ({"augment.layers": keras.layers.RandomFlip()}, r"augment.live makes views in each epoch and needs training on pixels"),
    ],
)  # fmt: skip
def test_parts_that_are_none_are_refused_before_training(images: Path, settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match) as error:
        fit_request(images, [settings], name="x")
    assert "\n" not in str(error.value)


def test_methods_of_a_comparison_have_parts_of_their_own(images: Path, tmp_path: Path) -> None:
    seen: list[str] = []

    class Noting(keras.callbacks.Callback):
        def on_train_end(self, logs: dict[str, float] | None = None) -> None:
            seen.append("trained")

    methods = {
        "own": {"backbone": network(), "preprocess": "tf", "head": head, "callbacks": lambda stage: [Noting()]},
        "plain": {"backbone": network(), "preprocess": "tf"},
    }
    common = {"truncate_at": "high", "precision": "float32", "compute": "tensorflow", "training.epochs": 2}
    made = transfer.compare(
        images,
        {"methods": methods, "common": common, "sizes": ["all"], "seeds": [0, 1], "energy": "off"},
        output=tmp_path,
        name="c",
        progress=False,
    )
    assert set(made.runs["method"]) == {"own", "plain"} and len(made.runs) == 4
    assert seen == ["trained"] * 2
    assert str(made.facts["methods"]["own"]["head"]["own"]).startswith("own:head:")


@pytest.mark.parametrize(
    "keys, match",
    [
        ({"backbone": keras.layers.ReLU()}, r"^methods.mine: backbone: expected a name.*Received ReLU"),
        ({"callbacks": [Seen()]}, r"^methods.mine: each trial is a training of its own.*function stage -> list"),
    ],
)
def test_what_is_no_part_of_a_method_is_refused_with_its_name(images: Path, keys: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        compare_request(images, [{"methods": {"mine": keys, "vgg": {"backbone": "vgg16"}}}])


def test_a_search_tries_how_own_parts_are_trained_and_fits_them(images: Path, tmp_path: Path) -> None:
    seen = Seen()
    keras.utils.set_random_seed(5)
    run = transfer.tune(
        images,
        backbones=[network()],
        preprocess="tf",
        head=head,
        callbacks=[seen],
        trials=3,
        folds=2,
        space={"training.epochs": [2], "head.pooling": ["avg", "avg+max"], "truncate_at": ["high"]},
        common={"precision": "float32", "compute": "tensorflow", "energy": "off", "ood.other_images": 0},
        output=tmp_path,
        progress=False,
    )
    assert str(run.config["backbone"]).startswith("own:mine:") and str(run.config["head.own"]).startswith("own:head:")
    assert run.trials is not None and len(run.trials) == 3 and set(run.trials["head.kind"]) == {"own"}
    assert run.trials["training.learning_rate"].nunique() > 1 and "head.dropout" not in run.trials
    assert len(seen.logs) == 2  # of the run that is fitted, not of the trials


def test_an_own_head_is_searched_alone(images: Path) -> None:
    with pytest.raises(ConfigError, match=r"head.kind is fixed in common and tried in space"):
        tune_request(images, [{"head": head, "space": {"head.kind": ["dense", "own"]}}])
