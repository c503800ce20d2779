"""The reference of the configuration: every key has a type, a default and a description; the schema takes what the loader takes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from transfer.cli.config import OF_COMMANDS, model_of, schema_of
from transfer.config import Config, keys, schema_rows
from transfer.config.reference import sections
from transfer.errors import ConfigError

jsonschema = pytest.importorskip("jsonschema")
CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.mark.parametrize("command", OF_COMMANDS)
def test_every_key_has_a_kind_a_default_and_a_description(command: str) -> None:
    rows = schema_rows(model_of(command))
    assert [row.key for row in rows] == keys(model_of(command))
    for row in rows:
        assert row.description, row.key
        assert row.kind, row.key
        assert "anything" not in row.kind, row.key


def test_rows_say_what_a_key_takes() -> None:
    rows = {row.key: row for row in schema_rows(Config)}
    assert (rows["head.dropout"].kind, rows["head.dropout"].default) == ("number, 0 to below 1", "0.5")
    assert (rows["image_size"].kind, rows["image_size"].default) == ("integer, 8 to 2,048 or empty", "")
    assert (rows["head.dense"].kind, rows["head.dense"].default) == ("list of integer, above 0", "[256]")
    assert rows["precision"].kind == "auto | float32 | bfloat16 | float16"
    assert (rows["energy"].kind, rows["energy"].default) == ("auto | off", "auto")
    assert sections(Config)["head"] == "The new classifier on top of the truncated backbone."


@pytest.mark.parametrize("command", OF_COMMANDS)
def test_the_schema_is_valid_and_refuses_unknown_keys(command: str) -> None:
    schema = json.loads(json.dumps(schema_of(command)))
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    assert check.is_valid({})
    assert not check.is_valid({"no_such_key": 1})


def configs() -> Iterator[Any]:
    for path in sorted(CONFIGS.rglob("*.yaml")):
        command = path.stem if path.stem in ("compare", "tune") else path.parent.name if path.parent.name in ("compare", "tune") else "fit"
        yield pytest.param(path, command, id=path.name)


@pytest.mark.parametrize(("path", "command"), list(configs()))
def test_the_schema_takes_the_configurations_of_this_project(path: Path, command: str) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    command = "compare" if "methods" in content else "tune" if "space" in content else command
    jsonschema.Draft202012Validator(schema_of(command)).validate(content)


def test_a_single_value_stands_for_a_list_and_wrong_values_are_refused() -> None:
    check = jsonschema.Draft202012Validator(schema_of("fit"))
    assert check.is_valid({"head": {"dense": 128}, "data": {"exclude": "docs"}, "truncate_at": ["block4_pool", "block5_pool"]})
    for wrong in ({"head": {"dropout": 1.5}}, {"precision": "fp16"}, {"training": {"epochs": 0}}, {"head": {"dropuot": 0.1}}):
        assert not check.is_valid(wrong)


def test_unknown_settings_are_one_line() -> None:
    with pytest.raises(ConfigError, match=r"Expected one of fit, compare, tune, serve\. Received 'predict'"):
        model_of("predict")
