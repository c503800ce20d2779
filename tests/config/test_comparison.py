"""Settings of a comparison: what is taken, and what is refused with which words."""

from pathlib import Path
from typing import Any

import pytest

from tests.workflows.comparison.tiny import pair
from transfer.config.comparison import ComparisonConfig, build, parse_assignment, read_yaml
from transfer.errors import ConfigError
from transfer.workflows.settings import resolve


def test_sizes_and_seeds_come_in_order_with_all_last() -> None:
    config = build([pair(sizes=["all", 10, 2], seeds=[3, 0])])
    assert config.sizes == (2, 10, "all")
    assert config.seeds == (0, 3)


def test_later_layers_change_single_keys_of_a_method() -> None:
    config = build([pair(), {"methods.linear.training.epochs": 9}, {"methods": {"hidden": {"training": {"epochs": 8}}}}])
    assert config.methods["linear"] == {"backbone": "mlp", "network.dense": [], "training.epochs": 9}
    assert config.methods["hidden"]["training.epochs"] == 8
    assert config.methods["hidden"]["network.dense"] == [4]


def test_settings_written_as_yaml_are_read_as_the_same_settings(tmp_path: Path) -> None:
    config = build([pair(country="DEU", reference="linear")])
    path = tmp_path / "compare.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    assert build([read_yaml(path)]) == config


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sizes": [0]}, "number of images per class, 1 or more"),
        ({"sizes": [-1]}, "number of images per class, 1 or more"),
        ({"sizes": ["some"]}, "Received sizes='some'"),
        ({"sizes": [2.5]}, "number of images per class, 1 or more"),
        ({"sizes": [True]}, "must be a number, not true or false"),
        ({"sizes": []}, "'sizes' of a comparison: must have at least 1 value"),
        ({"sizes": {"a": 1}}, "'sizes' of a comparison: must be a list"),
        ({"sizes": [1, 1]}, "1 appears twice"),
        ({"seeds": []}, "'seeds'"),
        ({"seeds": [-1]}, "'seeds' of a comparison: each value must be at least 0"),
        ({"seeds": ["a"]}, "each value must be a whole number"),
        ({"seeds": [True]}, "must be a number, not true or false"),
        ({"seeds": [1.5]}, "each value must be a whole number"),
        ({"seeds": [1, 1]}, "1 appears twice"),
        ({"size": [1]}, "Did you mean 'sizes'"),
        ({"validation": "some"}, "'validation'"),
        ({"energy": "on"}, "'energy'"),
        ({"country": "Germany"}, "'country' of a comparison: must be the three letters"),
        ({"training.epochs": 5}, "Did you mean 'common.training.epochs'"),
        ({"training": {"epochs": 5}}, "Did you mean 'common.training'"),
        ({"reference": "linea"}, "Did you mean 'linear'"),
        ({"methods": {}}, "needs methods"),
        ({"methods": {"one": {"backbone": "mlp"}}}, "at least two methods"),
        ({"methods": []}, "methods holds"),
        ({"methods": {"a": 1, "b": {}}}, "methods.a holds"),
        ({"methods": {"a/b": {}, "b": {}}}, "name of a method"),
        ({"methods": {"": {}, "b": {}}}, "name of a method"),
        ({"methods": {True: {}, "b": {}}}, "name of a method"),
        ({"methods": {"x" * 41: {}, "b": {}}}, "name of a method"),
        ({"methods": {"a": {"backbon": "mlp"}, "b": {}}}, r"methods\.a: Unknown configuration key 'backbon'. Did you mean 'backbone'"),
        ({"methods": {"a": {"data": {"test": 0.2}}, "b": {}}}, "Set data.test in common"),
        ({"methods": {"a": {"seed": 3}, "b": {}}}, "Set seed in common"),
        ({"common": {"imagesize": 8}}, r"common: Unknown configuration key 'imagesize'. Did you mean 'image_size'"),
        ({"common": 3}, "common holds"),
        ({"sizes.first": 3}, "Unknown key of a comparison 'sizes.first'"),
    ],
)
def test_what_cannot_be_is_refused_in_words(wrong: dict[str, Any], words: str) -> None:
    given = pair()
    if not wrong.get("methods", True) or "methods" in wrong:
        given.pop("methods")
    with pytest.raises(ConfigError, match=words) as caught:
        build([given, wrong])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("methods:\n  a: {}\n  a: {}\n", "'a' twice"),
        ("sizes: [1]\nsizes: [2]\n", "'sizes' twice"),
        ("- 1\n", "key: value"),
        ("sizes: [1\n", "not YAML"),
    ],
)
def test_files_that_are_no_settings_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "compare.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        read_yaml(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_yaml(tmp_path / "none.yaml")


def test_assignments_of_the_command_line_are_yaml() -> None:
    assert parse_assignment("sizes=[1, all]") == {"sizes": [1, "all"]}
    with pytest.raises(ConfigError, match="key=value"):
        parse_assignment("sizes")
    with pytest.raises(ConfigError, match="not YAML"):
        parse_assignment("sizes=[1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sizes=10", {"sizes": (10,)}),
        ("sizes=ALL", {"sizes": ("all",)}),
        ("sizes=1,010,all", {"sizes": (1, 10, "all")}),
        ("sizes=[010, 1_000]", {"sizes": (10, 1000)}),
        ("seeds=[010, 2]", {"seeds": (2, 10)}),
        ("country=deu", {"country": "DEU"}),
        ("country=none", {"country": None}),
        ("reference=None", {"reference": None}),
        ("validation=Proportional", {"validation": "proportional"}),
        ("energy=Off", {"energy": "off"}),
    ],
)
def test_values_are_taken_as_those_of_a_run(text: str, expected: dict[str, Any]) -> None:
    config = build([pair(), parse_assignment(text)])
    assert {key: getattr(config, key) for key in expected} == expected


def test_the_file_of_the_repository_is_taken() -> None:
    config = build([read_yaml(Path(__file__).resolve().parents[2] / "configs" / "compare.yaml")])
    assert isinstance(config, ComparisonConfig)
    assert len(config.methods) >= 4


def test_without_methods_the_usual_ones_are_compared() -> None:
    usual = build([])
    assert list(usual.methods) == ["frozen", "frozen all cuts", "fine-tuned", "lenet", "tiny_vgg"]
    assert (usual.sizes, usual.seeds) == ((5, 25, "all"), (0, 1, 2))
    assert usual.methods["frozen all cuts"] == {"backbone": "vgg16", "truncate_at": "all", "head.pooling": "avg+max"}
    for keys in usual.methods.values():
        resolve([usual.common, keys])


def test_settings_override_those_of_the_usual_comparison() -> None:
    changed = build([{"sizes": [3], "common.image_size": 96}, {"tune": 4}])
    assert (changed.sizes, changed.tune, changed.common) == ((3,), 4, {"image_size": 96})
    assert len(changed.methods) == 5


def test_methods_that_are_given_take_the_place_of_the_usual_ones() -> None:
    given = build([pair()])
    assert list(given.methods) == ["linear", "hidden"]
    assert build([{"methods": pair()["methods"]}]).seeds == (0, 1, 2, 3, 4), "only the usual comparison has fewer"


@pytest.mark.parametrize(
    ("wrong", "words"), [({"tune": -1}, "tune=-1"), ({"tune": "x"}, "tune='x'"), ({"tune_at": "all"}, "tune_at='all'")]
)
def test_a_search_that_cannot_be_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build([pair(), wrong])
