"""Settings and the network's own defaults make a configuration that can be run, or one clear error."""

import time
from pathlib import Path
from typing import Any

import pytest

from transfer.config import Config, build, read_yaml
from transfer.errors import ConfigError, EngineError, RunError, StoreError
from transfer.models import openvino_engine, registry
from transfer.workflows.requests import fit_request
from transfer.workflows.settings import resolve

CONFIGS = sorted(path for path in (Path(__file__).resolve().parents[2] / "configs").glob("*.yaml") if path.stem not in ("compare", "tune"))


@pytest.mark.parametrize("network", registry.names())
def test_a_resolved_configuration_gives_itself_again(network: str, tmp_path: Path) -> None:
    config = resolve([{"backbone": network}])
    (tmp_path / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    assert resolve([read_yaml(tmp_path / "config.yaml")]) == config
    assert config.image_size == registry.find(network).size


def test_the_defaults_of_the_network_lie_between_the_general_ones_and_those_of_the_user() -> None:
    plain, changed = resolve([{"backbone": "lenet"}]), resolve([{"training.epochs": 7}, {"backbone": "lenet"}])
    assert plain.training.epochs == registry.SCRATCH["lenet"].defaults["training.epochs"] != Config().training.epochs
    assert (changed.training.epochs, changed.training.patience) == (7, plain.training.patience)
    assert resolve([{"backbone": "vgg16"}]).training == Config().training


def test_the_last_network_named_is_the_one_whose_defaults_count() -> None:
    config = resolve([{"backbone": "lenet"}, {"backbone": "inception_v3"}])
    assert config.image_size == 299 and config.training == Config().training


def test_every_default_of_a_network_is_a_key() -> None:
    for name in registry.names():
        build([registry.find(name).defaults])


@pytest.mark.parametrize("name", ["VGG16", "Inception_V3", "InceptionV3", "EfficientNetV2B0", "LeNet", " vgg16 "])
def test_a_network_is_named_without_regard_to_case(name: str) -> None:
    found = registry.find(name)
    config = resolve([{"backbone": name}])
    assert config.backbone == found.name and config == resolve([{"backbone": found.name}])


def test_other_names_are_matched_without_regard_to_case_and_kept_as_they_are_spelt() -> None:
    given = {"weights": "ImageNet", "truncate_at": "Block4_Pool", "unfreeze_from": "BLOCK3_conv1", "data.group_by": "Near-Duplicates"}
    assert resolve([given]) == resolve([{key: value.lower() for key, value in given.items()}])
    assert resolve([{"truncate_at": "Top"}]).truncate_at == "top" and resolve([{"truncate_at": "AUTO"}]).truncate_at == "auto"
    whole = resolve([{"weights": "Random", "unfreeze_from": "All"}])
    assert (whole.weights, whole.unfreeze_from) == ("random", "all") and whole.whole_from_random
    convnext = resolve([{"backbone": "ConvNeXtTiny", "truncate_at": "Stage_1"}])
    assert (convnext.backbone, convnext.truncate_at) == ("convnext_tiny", "stage_1")
    assert resolve([{"weights": "/Data/Mine.h5", "data.group_by": "Patient"}]).weights == "/Data/Mine.h5"
    assert resolve([{"data.group_by": "Patient"}]).data.group_by == "Patient"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configurations_of_the_project_can_be_run(path: Path) -> None:
    assert path.stem.startswith(resolve([read_yaml(path)]).backbone)


def test_a_network_trained_from_scratch_is_computed_by_tensorflow() -> None:
    assert resolve([{"backbone": "lenet"}]).compute == "tensorflow"
    assert resolve([{"unfreeze_from": "all", "weights": "random"}]).compute == "tensorflow"
    assert resolve([{"backbone": "vgg16"}]).compute == resolve([{"unfreeze_from": "all"}]).compute == "auto"
    for settings in ({"backbone": "lenet"}, {"unfreeze_from": "all", "weights": "random"}):
        with pytest.raises(ConfigError, match=r"^compute: .* trained from scratch.*Received compute='openvino'\.$"):
            resolve([settings | {"compute": "openvino"}])


@pytest.mark.parametrize("installed", [None, "2019.3", "2026.4"])
def test_an_engine_that_is_asked_for_must_be_installed(monkeypatch: pytest.MonkeyPatch, installed: str | None) -> None:
    monkeypatch.setattr(openvino_engine, "version", lambda: installed)
    if installed == "2026.4":
        assert resolve([{"compute": "openvino"}]).compute == "openvino"
        return
    with pytest.raises(EngineError, match=r"pip install 'keras-transfer\[openvino\]'"):
        resolve([{"compute": "openvino"}])
    assert resolve([{"compute": "auto"}]).compute == "auto"


def test_a_network_trained_from_scratch_computes_in_float32() -> None:
    assert resolve([{"backbone": "lenet", "precision": "auto"}]).precision == "float32"
    assert resolve([{"backbone": "lenet", "precision": "bfloat16"}]).precision == "bfloat16"
    assert resolve([{"backbone": "vgg16"}]).precision == "auto"


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"backbone": "vgg-16"}, "backbone: Unknown network. Did you mean 'vgg16'?"),
        ({"backbone": None}, "backbone: Unknown network."),
        ({"truncate_at": "block4_poll"}, "truncate_at: Unknown cut point of vgg16. Did you mean 'block4_pool'?"),
        ({"backbone": "inception_v3", "truncate_at": "block4_pool"}, "truncate_at: Unknown cut point of inception_v3."),
        ({"image_size": 31}, "image_size: vgg16 needs images of at least 32 pixels a side. Received image_size=31"),
        ({"backbone": "inception_v3", "image_size": 74}, "at least 75 pixels a side. Received image_size=74"),
        ({"backbone": "lenet", "image_size": 15}, "at least 16 pixels a side. Received image_size=15"),
        ({"backbone": "lenet", "truncate_at": "auto"}, "truncate_at: lenet is trained from scratch and is not truncated. Received 'auto'"),
        ({"backbone": "lenet", "weights": "mine.h5"}, "weights: lenet is trained from scratch; there is nothing to load."),
        ({"backbone": "lenet", "unfreeze_from": "all"}, "unfreeze_from: lenet is trained from scratch and has no frozen part."),
        ({"unfreeze_from": "block5_conv"}, "unfreeze_from: Unknown layer of vgg16. Did you mean 'block5_conv3'? Expected one of:"),
        ({"unfreeze_from": "block5_pool"}, "unfreeze_from: Unknown layer of vgg16."),  # above the top there is nothing
        ({"backbone": "inception_v3", "unfreeze_from": "block5_conv1"}, "unfreeze_from: Unknown layer of inception_v3."),
        ({"unfreeze_from": "block5_conv1", "truncate_at": "block4_pool"}, "Expected truncate_at one of: block5_pool, auto. Received unfr"),
        ({"unfreeze_from": "block4_pool", "truncate_at": "block4_pool"}, "must be below the truncation."),
        (
            {"unfreeze_from": "block5_conv1", "truncate_at": ["block3_pool", "block5_pool"]},
            "Expected in truncate_at only cut points among: block5_pool, auto.",
        ),
        ({"unfreeze_from": "block5_conv1", "truncate_at": ["block4_pool"]}, "must be below the truncation."),
        ({"fine_tuning.epochs": 3}, "fine_tuning.epochs: nothing is fine-tuned here. Expected a pretrained backbone and unfreeze_from."),
        ({"backbone": "lenet", "fine_tuning.l2": 0.1}, "fine_tuning.l2: nothing is fine-tuned here."),
        ({"unfreeze_from": "all", "weights": "random", "fine_tuning.l2": 0.1}, "fine_tuning.l2: nothing is fine-tuned here."),
        ({"augment.live": True}, "augment.live makes views in each epoch and needs training on pixels"),
        ({"unfreeze_from": "block5_conv1", "augment.live": True}, "Received augment.live=true with unfreeze_from='block5_conv1'"),
        ({"backbone": "lenet", "augment": {"live": True, "views": 2}}, "never both."),
        ({"unfreeze_from": "all", "weights": "random", "truncate_at": "auto"}, "Expected a cut point or top."),
        ({"network.dropout": 0.1}, "network.dropout: vgg16 is a pretrained backbone. Expected keys of the section head. Received 0.1"),
        ({"backbone": "mlp", "network.pooling": "max"}, "network.pooling: mlp has no such option. Expected one of: network.color, "),
        ({"backbone": "lenet", "network": {"locally_connected": False}}, "network.locally_connected: lenet has no such option."),
        ({"backbone": "mlp", "network.normalization": "local"}, "network.normalization: mlp does not support this value. Received 'local'"),
        ({"backbone": "alexnet", "network.filters": [8, 8]}, "network.filters: alexnet needs 5 numbers. Received [8, 8]"),
        ({"backbone": "tiny_vgg", "head.dropout": 0.1}, "head.dropout: tiny_vgg is trained from scratch and has no head."),
        ({"backbone": "lenet", "head.pooling": "max"}, "head.pooling: lenet is trained from scratch and has no head."),
        ({"backbone": "tiny_vgg", "image_size": 30, "network.filters": [4, 4, 4]}, "tiny_vgg needs images of at least 36 pixels"),
        ({"cross_validation.average": True}, "Expected cross_validation.folds (--folds) with it. Received no number of folds."),
        (
            {"cross_validation": {"folds": 3, "average": True}, "unfreeze_from": "block5_conv1"},
            "only heads on a frozen backbone are averaged",
        ),
        ({"cross_validation": {"folds": 3, "average": True}, "backbone": "lenet"}, "Received backbone='lenet', unfreeze_from=None."),
        ({"data": {"validation": 0.45, "test": 0.4}}, "together at most 0.8. Received 0.45 + 0.4."),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve([settings])
    assert match in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", ["top", "auto", *registry.BACKBONES["vgg16"].cut_names])
def test_every_cut_point_top_and_auto_are_allowed(cut: str) -> None:
    assert resolve([{"truncate_at": cut}]).truncate_at == cut


def test_empty_options_are_the_networks_own_and_those_it_has_not_stay_empty() -> None:
    plain, emptied = resolve([{"backbone": "alexnet"}]), resolve([{"backbone": "alexnet", "network": {"dropout": None}}])
    assert emptied == plain and plain.network.dropout == registry.SCRATCH["alexnet"].options["dropout"] == 0.5
    assert plain.network.locally_connected is None
    assert resolve([{"backbone": "alexnet", "network.dropout": 0.0}]).network.dropout == 0.0
    assert set(resolve([{"backbone": "vgg16"}]).network.model_dump().values()) == {None}


def test_fewer_blocks_accept_smaller_images() -> None:
    assert resolve([{"backbone": "tiny_vgg", "image_size": 8, "network.filters": [4]}]).image_size == 8


def test_a_backbone_with_random_weights_can_be_trained_as_a_whole() -> None:
    config = resolve([{"weights": "random", "unfreeze_from": "all"}])
    assert (config.unfreeze_from, config.precision) == ("all", "float32")


@pytest.mark.parametrize(
    ("backbone", "unfreeze_from", "below"),
    [
        ("vgg16", "block5_conv1", "block4_pool"),
        ("vgg16", "block4_pool", "block4_pool"),
        ("vgg19", "block5_conv3", "block5_conv2"),
        ("vgg16", "block1_conv2", "block1_conv1"),
        ("inception_v3", "mixed8", "mixed8"),
        ("convnext_tiny", "stage_2", "stage_2"),
    ],
)
def test_the_freeze_boundary_lies_below_the_first_layer_that_trains(backbone: str, unfreeze_from: str, below: str) -> None:
    network = registry.BACKBONES[backbone]
    boundary = network.boundary(unfreeze_from)
    assert boundary is not None and boundary.name == below
    above = [cut.name for cut in network.above(boundary)]
    assert above == network.cut_names[len(network.cut_names) - len(above) :] and below not in above and above


def test_the_first_layer_of_all_means_all() -> None:
    assert resolve([{"unfreeze_from": "block1_conv1"}]).unfreeze_from == "all"
    assert registry.BACKBONES["vgg16"].boundary("all") is None


def test_a_precision_is_left_open_for_fine_tuning_and_settled_for_training_from_random_weights() -> None:
    assert resolve([{"unfreeze_from": "all"}]).precision == "auto"
    assert resolve([{"unfreeze_from": "all", "weights": "random"}]).precision == "float32"


def test_a_cache_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRANSFER_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="TRANSFER_HOME"):
        fit_request(tmp_path / "data", [], output=tmp_path / "runs")


@pytest.mark.parametrize("year", [1970, 1979, 1980, 2107, 2108])
def test_a_clock_whose_time_no_model_file_can_have_is_refused_before_the_work_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, year: int
) -> None:
    """A machine without a battery begins in 1970; Keras files are ZIP archives, which know the years from 1980 to 2107."""
    (tmp_path / "data" / "a").mkdir(parents=True)
    now = time.struct_time((year, 6, 1, 0, 0, 0, 0, 152, 0))
    monkeypatch.setattr(time, "localtime", lambda *seconds: now)
    if 1980 <= year <= 2107:
        assert fit_request(tmp_path / "data", [{"backbone": "lenet"}], "run", tmp_path / "runs").name == "run"
        return
    with pytest.raises(RunError, match=rf"clock of this machine is wrong.*Received the year {year}"):
        fit_request(tmp_path / "data", [{"backbone": "lenet"}], "run", tmp_path / "runs")


@pytest.mark.parametrize("name", list(registry.SCRATCH))
def test_networks_from_scratch_are_trained_on_live_views_that_are_not_mirrored(name: str) -> None:
    augment = resolve([{"backbone": name}]).augment
    assert (augment.live, augment.flip, augment.views) == (True, False, 0)
    assert not resolve([{"backbone": "vgg16"}]).augment.live


def test_stored_views_take_the_place_of_live_ones() -> None:
    assert not resolve([{"backbone": "lenet", "augment.views": 2}]).augment.live
    assert not resolve([{"backbone": "lenet", "augment": {"live": False}}]).augment.live
    assert resolve([{"backbone": "lenet", "augment.views": 0}]).augment.live
