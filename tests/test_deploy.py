"""The files of deploy/: the linter of Dockerfiles is content, and what they name exists. Nothing here runs Docker."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from transfer.cli.app import app

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"


def options_of_serve() -> set[str]:
    program: Any = typer.main.get_command(app)
    return {option for parameter in program.commands["serve"].params for option in parameter.opts}


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="needs hadolint")
def test_the_linter_of_dockerfiles_is_content() -> None:
    done = subprocess.run(["hadolint", str(DEPLOY / "Dockerfile")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_the_dockerfile_copies_what_exists_and_starts_the_server_as_it_is() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = [name for names in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE) for name in names.split()]
    kept = [line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")]
    assert sorted(copied) == sorted(kept)
    assert all((DEPLOY.parent / name).exists() for name in copied)
    (entry,) = re.findall(r"^ENTRYPOINT \[(.*)\]$", text, re.MULTILINE)
    words = yaml.safe_load(f"[{entry}]")
    assert words[:2] == ["transfer", "serve"]
    assert {word for word in words if word.startswith("--")} <= options_of_serve()
    assert "\nUSER 10001\n" in text, "not root"


def test_the_services_are_those_of_the_dockerfile_and_of_tensorflow_serving() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    page, programs = services["page"], services["programs"]
    assert (DEPLOY / page["build"]["context"] / page["build"]["dockerfile"]).is_file()
    assert {word for word in page["command"] if word.startswith("--")} <= options_of_serve()
    assert page["profiles"] != programs["profiles"], "both listen on one port"
    for service in (page, programs):
        assert all(volume.endswith(":ro") for volume in service["volumes"]), "a run is only read"
        assert service["cap_drop"] == ["ALL"]
