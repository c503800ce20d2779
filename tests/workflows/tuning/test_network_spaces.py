"""The space of networks from scratch: what each has, what the user has fixed, and what is refused."""

from typing import Any

import pytest

from transfer.config.search_space import Choices, Range, Space
from transfer.config.tuning import FROM_SCRATCH, build
from transfer.errors import ConfigError
from transfer.models.registry import SCRATCH, Scratch
from transfer.workflows.settings import resolve
from transfer.workflows.tune_requests import tune_request
from transfer.workflows.tuning import network_spaces
from transfer.workflows.tuning.network_spaces import network_space, networks_of
from transfer.workflows.tuning.proposals import propose


def space(backbones: list[str] | None = None, **settings: Any) -> Space:
    """The space of settings."""
    made = build([{"backbones": backbones or ["lenet"]}, settings])
    return network_space(made, [network for network in networks_of(made) if isinstance(network, Scratch)])


def tried(*backbones: str, **settings: Any) -> dict[str, Choices | Range]:
    """Name of each parameter -> its values."""
    return {one.name: one.values for one in space(list(backbones), **settings).parameters}


def test_a_network_is_tried_with_the_keys_that_it_has() -> None:
    shared = {"training.learning_rate", "training.weight_decay", "training.label_smoothing", "augment.live", "augment.flip"}
    assert set(tried("lenet")) == shared | {"head.dropout", "network.normalization"}
    assert set(tried("tiny_vgg")) == shared | {"network.dropout", "network.normalization"}
    assert tried("lenet")["training.learning_rate"] == Range(1e-4, 1e-2, log=True)
    assert tried("alexnet")["network.normalization"] == Choices(("local", "batch"))


@pytest.mark.parametrize("name", list(SCRATCH))
def test_every_trial_is_a_configuration_and_the_first_is_the_network_as_it_is(name: str) -> None:
    found = space([name])
    proposals = propose(found, [], 20, seed=0, random_trials=20)
    assert resolve([{"backbone": name}, proposals[0].settings]) == resolve([{"backbone": name}])
    for one in proposals:
        resolve([{"backbone": name}, one.settings])
        assert ("augment.flip" in one.settings) == one.settings["augment.live"]
    assert len({str(one.settings) for one in proposals}) == 20


def test_what_is_fixed_is_never_tried() -> None:
    left = tried(common={"head.dropout": 0.3, "training.learning_rate": 0.01, "augment.live": False, "network.normalization": "batch"})
    assert set(left) == {"training.weight_decay", "training.label_smoothing"}
    assert "augment.flip" in tried(common={"augment.live": True})
    # `lenet` takes head.dropout only where network.dropout is empty.
    assert not {"head.dropout", "network.dropout"} & set(tried(common={"network.dropout": 0.2}))
    assert {"head.dropout", "network.dropout"} & set(tried(space={"network.dropout": [0.1, 0.2]})) == {"network.dropout"}
    with_views = resolve([{"backbone": "mlp", "augment.views": 2}])  # live views and stored ones exclude each other
    assert not [key for key in network_spaces.tried(SCRATCH["mlp"], with_views, {"augment.views"}) if key.startswith("augment.")]
    assert "network.normalization" not in tried(common={"network.normalization": "batch"})


def test_the_space_is_narrowed_and_widened() -> None:
    views = {"augment.live": True, "augment.crop": [0.1, 0.3]}
    found = space(space={"training.learning_rate": [0.001], "network.activation": ["relu", "tanh"], **views})
    for one in propose(found, [], 8, seed=0, random_trials=8):
        assert one.settings["training.learning_rate"] == 0.001
        assert one.settings["augment.live"] and one.settings["augment.crop"] in (0.1, 0.3)


def test_several_networks_have_keys_of_their_own() -> None:
    found = space(["lenet", "mlp"], sizes=[32, 48], **{"space.network.pooling": ["max", "average"]})
    proposals = propose(found, [], 16, seed=0, random_trials=16)
    assert [one.settings["backbone"] for one in proposals[:2]] == ["lenet", "mlp"]
    for one in proposals:
        of_lenet = one.settings["backbone"] == "lenet"
        assert ("head.dropout" in one.settings) == of_lenet == ("network.pooling" in one.settings)
        assert ("network.dropout" in one.settings) == (not of_lenet)
        assert one.settings["image_size"] in (32, 48)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"backbones": ["vgg16", "lenet"]}, "they are not searched together"),
        ({"backbones": ["lenet", "LeNet"]}, "may be repeated"),
        ({"backbones": ["lennet"]}, "Did you mean"),
        ({"folds": 3}, "Received folds=3"),
        ({"repeats": 2}, "Received repeats=2"),
        ({"metric": "log_loss"}, "judged by their accuracy"),
        ({"views": [0, 2]}, "have no such setting"),
        ({"max_images": 100}, "have no such setting"),
        ({"space.head.pooling": ["avg"]}, "only what needs no other images is tried"),
        ({"space.augment.views": [0, 2]}, "space.augment.views"),
        ({"space.data.test": [0.2, 0.3]}, "only what needs no other images is tried"),
        ({"space.network.locally_connected": [True]}, "lenet has no such option"),
        ({"space.network.padding": ["same"]}, "lenet has no such option"),
        ({"common.augment.live": False, "space.augment.flip": [True, False]}, "contradicts itself"),
        ({"common.network.locally_connected": True}, "lenet has no such option"),
        ({"common.truncate_at": "block1_pool"}, "is not truncated"),
    ],
)
def test_what_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        space(**wrong)
    assert words in str(caught.value)


def test_a_search_of_networks_has_few_trials_unless_more_are_asked_for(tmp_path: Any, image_folder: Any) -> None:
    data = image_folder(count=4)
    assert tune_request(data, [{"backbones": ["lenet"]}], None, tmp_path).settings.model_dump().items() >= FROM_SCRATCH.items()
    assert tune_request(data, [{"backbones": ["lenet"], "trials": 30}], None, tmp_path).settings.trials == 30
    assert tune_request(data, [{}], None, tmp_path).settings.trials == 100
