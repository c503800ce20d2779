"""The command line of `transfer config`."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transfer.cli import console

if TYPE_CHECKING:
    from pydantic import BaseModel

OF_COMMANDS = ("fit", "compare", "tune", "serve")
app = typer.Typer(help="About configuration files.", rich_markup_mode=None, no_args_is_help=True)


def schema(
    command: Annotated[str, typer.Argument(metavar="[fit|compare|tune|serve]", help="Whose settings.", show_default=False)] = "fit",
) -> None:
    """Print the JSON schema of a configuration file, for editors: every key with its type, default and description.

    With the YAML extension of an editor: save it as transfer.schema.json, and begin the file with
    "# yaml-language-server: $schema=transfer.schema.json".
    """
    print(json.dumps(schema_of(command), ensure_ascii=False, indent=2))


# The only command here gets a callback, so that its name is asked for: others will stand beside it.
@app.callback()
def _about() -> None:
    pass


app.command("schema")(console.answering(schema, "config schema", result=False))


def model_of(command: str) -> "type[BaseModel]":
    """Return the typed settings of a command: `fit` (also of `check`), `compare`, `tune` or `serve`.

    Raises:
        ConfigError: for another command.
    """
    from transfer.errors import ConfigError

    if command == "fit":
        from transfer.config import Config

        return Config
    if command == "compare":
        from transfer.config.comparison import ComparisonConfig

        return ComparisonConfig
    if command == "tune":
        from transfer.config.tuning import TuningConfig

        return TuningConfig
    if command == "serve":
        from transfer.serving.settings import Settings

        return Settings
    raise ConfigError(f"There are no settings of this name. Expected one of {', '.join(OF_COMMANDS)}. Received {command!r}.")


def schema_of(command: str) -> dict[str, Any]:
    """Return the JSON schema of the settings of a command; see `model_of`."""
    from transfer.config import Config, json_schema

    below = {"compare": ["common", "methods.*"], "tune": ["common"]}.get(command, [])
    return json_schema(model_of(command), f"Settings of transfer {command}", dict.fromkeys(below, Config))
