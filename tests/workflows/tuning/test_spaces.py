"""The space of heads: its defaults, what narrows it, and contradictions."""

from pathlib import Path
from typing import Any

import pytest

from transfer.config import Config
from transfer.config.search_space import Choices, Space
from transfer.config.tuning import build, read_yaml
from transfer.errors import ConfigError
from transfer.models.registry import BACKBONES, Backbone, find
from transfer.workflows.settings import resolve
from transfer.workflows.tuning.proposals import propose
from transfer.workflows.tuning.spaces import fixed, head_space, of_trial


def space(balance: float = 1.0, **settings: Any) -> Space:
    """The space of settings."""
    made = build([settings])
    return head_space(made, [network for name in made.backbones if isinstance(network := find(name), Backbone)], balance)


def keys(found: Space) -> list[str]:
    """Names of the parameters."""
    return [one.name for one in found.parameters]


def test_by_default_every_cut_point_and_the_uppermost_ones_together_are_tried() -> None:
    values = space().parameters[0].values
    assert isinstance(values, Choices)
    assert values.labels[:5] == ("block1_pool", "block2_pool", "block3_pool", "block4_pool", "block5_pool")
    assert values.labels[5:7] == ("block4_pool+block5_pool", "block3_pool+block4_pool+block5_pool")
    assert len(values.values) == 9


def test_the_file_of_all_settings_holds_the_default_space() -> None:
    given = read_yaml(Path(__file__).parents[3] / "configs" / "tune.yaml")
    assert space(**given) == space()


def test_every_backbone_has_different_candidates() -> None:
    for name, network in BACKBONES.items():
        values = space(backbones=[name]).parameters[0].values
        assert isinstance(values, Choices)
        assert len(set(values.labels)) == 2 * len(network.cuts) - 1


def test_class_weights_are_tried_where_classes_are_unbalanced() -> None:
    assert "training.class_weights" not in keys(space(1.4))
    assert "training.class_weights" in keys(space(1.5))
    assert keys(space(3, space={"training.class_weights": ["none"]})).count("training.class_weights") == 1


def test_several_backbones_have_cut_points_of_their_own() -> None:
    found = space(backbones=["vgg16", "mobilenet_v2"], sizes=[96, 128], views=[0, 2])
    assert keys(found)[:5] == ["backbone", "image_size", "augment.views", "truncate_at (vgg16)", "truncate_at (mobilenet_v2)"]
    for one in propose(found, [], 12, seed=0, random_trials=20):
        network = find(one.settings["backbone"])
        assert isinstance(network, Backbone)
        network.cuts_of(one.settings["truncate_at"])


def test_a_kind_of_head_that_is_not_tried_takes_its_settings_with_it() -> None:
    assert keys(space(space={"head.kind": "linear"})) == ["truncate_at", "head.pooling", "head.kind", "head.inverse_penalty"]
    assert "head.inverse_penalty" not in keys(space(common={"head.kind": "dense"}))


def test_settings_of_heads_in_common_are_fixed_for_the_heads_that_have_them() -> None:
    found = space(common={"head.dropout": 0.4, "head.dense": [64, 32], "training.epochs": 7, "data.test": 0.2})
    for one in propose(found, [], 10, seed=0, random_trials=20):
        dense = one.settings["head.kind"] == "dense"
        assert one.settings.get("head.dropout") == (0.4 if dense else None)
        assert one.settings.get("head.dense") == ((64, 32) if dense else None)
        assert one.settings.get("training.epochs") == (7 if dense else None)
    assert fixed(build([{"common": {"head.dropout": 0.4, "data.test": 0.2}}])) == {"data.test": 0.2}


def test_every_trial_is_a_configuration_that_fit_takes() -> None:
    found = space(2, space={"training.weight_decay": [0.0, 0.01]})
    for one in propose(found, [], 40, seed=0, random_trials=40):
        config = resolve([one.settings])
        assert of_trial(Config(), one.settings).head == config.head
        assert of_trial(Config(), one.settings).training == config.training


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"space.truncate_at": ["block4_pol"]}, "Did you mean 'block4_pool'"),
        ({"space.truncate_at": [["block4_pool", "block4_pool"]]}, "repeated"),
        ({"space.truncate_at": []}, "needs at least one"),
        ({"space.truncate_at": "auto"}, "the search itself chooses"),
        ({"space.head.pooling": "flatten"}, "whole maps are too large"),
        ({"common.head.pooling": "flatten"}, "whole maps are too large"),
        ({"space.truncate_at": [["block4_pool", "block5_pool"]], "space.head.pooling": "flatten"}, "flatten"),
        ({"space.head.inverse_penalty": [None, 0.1]}, "the search itself chooses"),
        ({"space.head.kind": "dense", "space.head.inverse_penalty": [0.1, 1.0]}, "head.inverse_penalty is a setting of linear heads"),
        ({"space.head.kind": "linear", "space.head.dropout": [0.1]}, "head.dropout is a setting of dense heads"),
        ({"common.head.kind": "linear", "space.training.learning_rate": [0.1]}, "training.learning_rate is a setting of dense heads"),
        ({"space.head.knd": "linear"}, "Did you mean 'head.kind'"),
        ({"space.precision": ["float32"]}, "only what costs no more than a head is tried"),
        ({"space.augment.flip": [True]}, "only what costs no more than a head is tried"),
        ({"space.training.class_weight": ["none"]}, "training.class_weights"),
    ],
)
def test_what_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        space(**wrong)
    assert words in str(caught.value)
