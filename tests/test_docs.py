"""The commands, options and settings that the documents name exist."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from tests.code_blocks import blocks, lines
from transfer.cli.app import app
from transfer.config import Config, keys
from transfer.config.comparison import ComparisonConfig
from transfer.config.tuning import TuningConfig

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]
SCALE = "docs/guides/scale.md"
PROGRAM: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = PROGRAM.commands
SECTIONS = {key.split(".")[0] for key in keys() if "." in key}


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def commands(document: str) -> list[list[str]]:
    """Return the words of each `transfer COMMAND ...` in code, without comments."""
    code = [line for block in blocks(ROOT / document) if block.language == "bash" for line in lines(block)]
    code += re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text_of(document))
    found = []
    for line in code:
        for match in re.finditer(r"(?:^|[ '])(?:python -m )?transfer ([a-z]+\b(?:[^'#|;&]|'[^']*')*)", line):
            if match[1].split()[0] in COMMANDS:
                found.append(match[1].replace("'", "").split())
    return found


def settings(words: list[str]) -> list[str]:
    """Return the keys that a command sets."""
    given = [after for word, after in itertools.pairwise(words) if word == "--set"]
    return [setting.partition("=")[0].removeprefix("common.") for setting in given]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_options_of_commands_exist(document: str) -> None:
    found = commands(document)
    assert document not in ("README.md", SCALE) or len(found) > 3
    for name, *words in found:
        command = COMMANDS[name]
        if hasattr(command, "commands"):
            if not words or words[0] not in command.commands:
                continue
            command = command.commands[words[0]]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, (name, words)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_settings_of_a_document_exist(document: str) -> None:
    set_by_commands = [key for words in commands(document) for key in settings(words)]
    named = re.findall(r"`(?:--set )?((?:[a-z_]+\.)+[a-z_]+)(?:=[^`]*)?`", text_of(document))
    named = [name.removeprefix("common.") for name in named]
    assert document != SCALE or (set_by_commands and named)
    known = {*keys(), *ComparisonConfig.model_fields, *TuningConfig.model_fields}
    assert {*set_by_commands, *(name for name in named if name.split(".")[0] in SECTIONS)} <= known


def test_the_guide_lists_all_settings_of_the_engine_with_their_defaults() -> None:
    rows = re.findall(r"^\| `engine\.(\w+)` \| ?(.*?) ?\|", text_of(SCALE), re.MULTILINE)
    shown = {name: value.strip("`") for name, value in rows}
    assert shown == {name: "" if value is None else str(value) for name, value in Config().engine.model_dump().items()}


def test_files_that_the_documents_link_to_exist() -> None:
    for document in DOCUMENTS:
        text = re.sub(r"^ {4}.*$|`[^`]*`", "", text_of(document), flags=re.MULTILINE)
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert ((ROOT / document).parent / link).exists(), (document, link)


def test_the_clusters_of_the_guide_are_valid() -> None:
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text_of(SCALE), re.DOTALL)]
    (machines,) = [block for block in blocks if "cluster_name" in block]
    (kubernetes,) = [block for block in blocks if block.get("kind") == "RayCluster"]
    image = machines["docker"]["image"]
    assert kubernetes["spec"]["rayVersion"] in image
    assert all(f"ray[default]=={kubernetes['spec']['rayVersion']}" in command for command in machines["setup_commands"])
    assert f"FROM {image}\n" in text_of(SCALE)

    util = pytest.importorskip("ray.autoscaler._private.util", reason="needs the extra `ray`")
    util.validate_config(util.prepare_config(machines))
