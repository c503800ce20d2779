"""Settings of a search: what is taken, and what is refused with which words."""

from pathlib import Path
from typing import Any

import pytest

from transfer.config.search_space import Choices, Range, read
from transfer.config.tuning import TuningConfig, build, parse_assignment, read_yaml
from transfer.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"


def test_later_layers_change_single_keys() -> None:
    config = build([{"space": {"head": {"dropout": 0.5}}, "common.data.test": 0.2}, {"space.head.l2": [0.1]}, {"trials": 5}])
    assert config.space == {"head.dropout": 0.5, "head.l2": [0.1]}
    assert config.common == {"data.test": 0.2}
    assert config.trials == 5


def test_settings_written_as_yaml_are_read_as_the_same_settings(tmp_path: Path) -> None:
    config = build([{"backbones": "vgg16,inception_v3", "space.head.dropout": {"low": 0.1, "high": 0.5}, "timeout": 60}])
    path = tmp_path / "tune.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    assert build([read_yaml(path)]) == config
    assert config.backbones == ("vgg16", "inception_v3")


def test_the_file_of_all_settings_holds_the_defaults() -> None:
    given = read_yaml(CONFIGS / "tune.yaml")
    assert set(given) == set(TuningConfig.model_fields)
    assert build([given]).model_dump(exclude={"space"}) == TuningConfig().model_dump(exclude={"space"})


def test_values_of_a_space_are_those_of_the_configuration() -> None:
    found = read({"head.dense": [64, [256, 128], []], "head": {"dropout": {"low": 0.1, "high": 0.5}}, "training.batch_size": 16})
    assert found["head.dense"] == Choices(((64,), (256, 128), ()))
    assert found["head.dense"].labels == ("64", "256+128", "none")
    assert found["head.dropout"] == Range(0.1, 0.5)
    assert found["training.batch_size"] == Choices((16,))
    assert read({"head.dense": {"low": 32, "high": 256, "log": True}})["head.dense"] == Range(32, 256, log=True, whole=True)


def test_an_assignment_of_the_command_line_can_be_a_range() -> None:
    assert parse_assignment("space.head.l2={low: 1e-4, high: 0.1, log: true}") == {"space.head.l2": {"low": 1e-4, "high": 0.1, "log": True}}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"trials": 0}, "'trials' of a search: must be at least 1. Received trials=0"),
        ({"trials": -5}, "must be at least 1"),
        ({"trials": True}, "must be a number, not true or false"),
        ({"trials": "many"}, "must be a whole number"),
        ({"timeout": 0}, "'timeout' of a search: must be greater than 0"),
        ({"timeout": -1}, "must be greater than 0"),
        ({"folds": 1}, "'folds' of a search: must be at least 2"),
        ({"repeats": 0}, "must be at least 1"),
        ({"choose": "bset"}, "did you mean 'best'"),
        ({"metric": "f1"}, "must be one of: accuracy, log_loss"),
        ({"backbones": []}, "must have at least 1 value"),
        ({"backbones": ["vgg16", "vgg16"]}, "vgg16 appears twice"),
        ({"sizes": [0]}, "must be greater than 0"),
        ({"views": [-1]}, "no value may be negative"),
        ({"trial": 5}, "Did you mean 'trials'"),
        ({"backbone": "vgg16"}, "Did you mean 'backbones'"),
        ({"head.dropout": 0.3}, "Did you mean 'common.head.dropout' or 'space.head.dropout'"),
        ({"head": {"dropout": 0.3}}, "Did you mean 'common.head' or 'space.head'"),
        ({"common.backbone": "vgg16"}, "Use backbones"),
        ({"space": {"image_size": [96]}}, "Use sizes"),
        ({"common.seed": 1}, "Use seed"),
        ({"space": 3}, "space holds `key: value` lines"),
        ({"space.head.units": [64]}, "Did you mean 'head.dense'"),
        ({"space.head.dropout": []}, "needs at least one"),
        ({"space.head.dropout": [0.1, 0.1]}, "Received 0.1 twice"),
        ({"space.head.dropout": [0.1, 2]}, "must be less than 1"),
        ({"space.head.dropout": {"low": 0.5, "high": 0.1}}, "low must be less than high"),
        ({"space.head.dropout": {"low": 0.5, "high": 0.5}}, "low must be less than high"),
        ({"space.head.dropout": {"low": 0, "high": 0.5, "log": True}}, "a logarithmic range begins above 0"),
        ({"space.head.dropout": {"lo": 0, "high": 0.5}}, "Did you mean 'low'"),
        ({"space.head.dropout": {"low": "a", "high": 0.5}}, "a range is"),
        ({"space.head.dropout": {"low": 0.1, "high": 1.5}}, "must be less than 1"),
        ({"space.head.pooling": {"low": 1, "high": 2}}, "head.pooling"),
        ({"space.head.dropout": [0.1], "common.head.dropout": 0.2}, "fixed in common and tried in space"),
    ],
)
def test_what_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=r"(?s).*") as caught:
        build([wrong])
    assert words in str(caught.value)
