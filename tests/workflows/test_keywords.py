"""The most used settings as keyword arguments: they are those of the configuration, and what is not given stays as configured."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import transfer
from transfer.config import UNSET, Config
from transfer.config.comparison import ComparisonConfig
from transfer.config.tuning import TuningConfig
from transfer.workflows import check, compare, fit, tune

OWN_PARTS = {"preprocess", "cuts", "callbacks", "metrics"}  # Keras objects, which travel beside the settings


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Return a function that keeps a workflow from its work, and one that returns the request of a call."""

    def request_of(module: Any) -> Callable[..., Any]:
        monkeypatch.setattr(module, "carry_out", lambda request, progress: request)
        return getattr(module, module.__name__.rpartition(".")[2])

    return request_of


def test_every_keyword_for_a_setting_is_a_setting_and_is_left_as_configured_by_default() -> None:
    for function, model in (
        (transfer.fit, Config),
        (transfer.check, Config),
        (transfer.compare, ComparisonConfig),
        (transfer.tune, TuningConfig),
    ):
        named = [name for name, one in inspect.signature(function).parameters.items() if one.default is UNSET]
        assert named and set(named) - {"epochs", *OWN_PARTS} <= set(model.model_fields), function
        assert repr(UNSET) == "<as configured>"


def test_keywords_override_the_configuration_and_none_is_a_value(asked: Any, image_folder: Callable[..., Path]) -> None:
    data, config = image_folder(), Config(backbone="lenet", seed=3)
    request = asked(fit)(data, config, image_size=32, epochs=5, training={"batch_size": 8}, head={"dropout": 0.25}, check={"images": 7})
    made = request.config
    assert (made.backbone, made.seed, made.image_size, made.training.epochs, made.training.batch_size) == ("lenet", 3, 32, 5, 8)
    assert (made.head.dropout, made.check.images) == (0.25, 7)
    tuned = {"backbone": "vgg16", "unfreeze_from": "block5_conv1"}
    assert asked(fit)(data, tuned, unfreeze_from=None).config.unfreeze_from is None
    assert asked(fit)(data, tuned).config.unfreeze_from == "block5_conv1"
    assert asked(fit)(data, tuned, truncate_at=["block4_pool", "block5_pool"], seed=9).config.truncate_at == ("block4_pool", "block5_pool")
    assert asked(check)(data, image_size=96, backbone="inception_v3", files_only=True).config.image_size == 96


def test_a_comparison_and_a_search_take_theirs(asked: Any, image_folder: Callable[..., Path]) -> None:
    data = image_folder()
    methods = {"a": {"backbone": "lenet"}, "b": {"backbone": "lenet", "network": {"activation": "relu"}}}
    compared = asked(compare)(data, methods=methods, sizes=[1, "all"], seeds=[4], reference="a", common={"image_size": 32})
    assert (compared.settings.sizes, compared.settings.seeds, compared.settings.reference) == ((1, "all"), (4,), "a")
    assert {config.image_size for config in compared.configs.values()} == {32}
    tuned = asked(tune)(data, {"trials": 4, "timeout": 60}, timeout=None, folds=3, sizes=[64], space={"head.dropout": [0.3, 0.5]}, seed=2)
    settings = tuned.settings
    assert (settings.trials, settings.timeout, settings.folds, settings.sizes, settings.seed) == (4, None, 3, (64,), 2)


def test_what_is_no_setting_is_refused_with_the_nearest_one(image_folder: Callable[..., Path]) -> None:
    with pytest.raises(transfer.TransferError, match="Did you mean 'backbone'"):
        transfer.fit(image_folder(), backbones="vgg16")
