"""Parts of the documentation that are made from the code: mkdocs calls `on_page_markdown` for each page."""

from typing import Any

import typer

import transfer
from transfer.cli import config
from transfer.cli.app import app
from transfer.config.reference import schema_rows, sections

_EVERYWHERE = {"--json", "--quiet", "--verbose", "--log-file"}
_FILES = {
    "fit": "`transfer fit` and `transfer check`",
    "compare": "`transfer compare`",
    "tune": "`transfer tune`",
    "serve": "`transfer serve`: its options",
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks of a page by what is made from the code."""
    for mark, made in (("{{ commands }}", commands), ("{{ settings }}", settings), ("{{ names }}", names)):
        if mark in markdown:
            markdown = markdown.replace(mark, made())
    return markdown


def commands() -> str:
    """Return the reference of the command line: each command with its arguments and options."""
    program: Any = typer.main.get_command(app)
    return "\n".join(line for name, command in sorted(program.commands.items()) for line in _command(f"transfer {name}", command))


def _command(name: str, command: Any) -> list[str]:
    if hasattr(command, "commands"):
        return [line for inner, one in command.commands.items() for line in _command(f"{name} {inner}", one)]
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not set(one.opts) & _EVERYWHERE]
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [f"## `{name}`", "", command.help or "", "", f"    {usage}", ""]
    if arguments or options:
        lines += ["| | default | |", "| --- | --- | --- |"]
    lines += [f"| `{one.metavar or one.name.upper()}` | | {_cell(one.help)} |" for one in arguments]
    for one in options:
        default = "" if one.default in (None, False, ()) or callable(one.default) else f"`{one.default}`"
        shown = f"{', '.join(one.opts)} {one.metavar or ''}".strip()
        lines.append(f"| `{_cell(shown)}` | {default} | {_cell(one.help)} |")
    return [*lines, ""]


def settings() -> str:
    """Return the reference of the configuration: the keys of each file, section by section."""
    return "\n".join(line for command, title in _FILES.items() for line in _keys(command, title))


def _keys(command: str, title: str) -> list[str]:
    model = config.model_of(command)
    about, lines = sections(model), [f"## {title}", "", (model.__doc__ or "").split("\n")[0]]
    before = None
    for row in schema_rows(model):
        section = row.key.partition(".")[0] if "." in row.key else ""
        if section != before:
            heading = [f"### `{section}`", "", about.get(section, "")] if section else []
            lines += ["", *heading, "", "| key | what it takes | default | |", "| --- | --- | --- | --- |"]
            before = section
        default = f"`{_cell(row.default)}`" if row.default else ""
        lines.append(f"| `{row.key}` | {_cell(row.kind)} | {default} | {_cell(row.description)} |")
    return [*lines, ""]


def names() -> str:
    """Return the public names of the package, for mkdocstrings: first the functions, then the classes."""
    public = sorted(transfer._HOMES.items(), key=lambda item: (item[0][0].isupper(), item[0]))
    return "\n\n".join(f"::: {home}.{name}" for name, home in public)


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
