"""A configuration as a YAML file for editing: every key with its value and what it does; those left as they are, commented out."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from transfer.config.reference import KeyRow, schema_rows, sections
from transfer.config.yaml_text import dump, inline

_WIDTH = 100


def commented(values: BaseModel, chosen: Mapping[str, Any], heading: Iterable[str], remarks: Mapping[str, str]) -> str:
    """Return the text of a configuration file.

    Args:
        values: of all keys, as they are without the file: those of the network.
        chosen: dotted key -> value, of the keys that are set; the others are commented out.
        heading: lines at the top.
        remarks: key -> a further sentence beside its description.
    """
    model = type(values)
    about, current = sections(model), values.model_dump(mode="json")
    lines = [*(f"# {line}".rstrip() for line in heading), ""]
    section = ""
    for row in schema_rows(model):
        above, dot, name = row.key.rpartition(".")
        if above != section:
            section, mark = above, "" if any(key.startswith(f"{above}.") for key in chosen) else "# "
            lines += ["", *_comment(about.get(above, ""), ""), f"{mark}{above}:"] if above else [""]
        indent = "  " if dot else ""
        lines += [*_comment(f"{_first(row.description)}. {row.kind}.{f' {remarks[row.key]}' if row.key in remarks else ''}", indent)]
        lines.append(_assignment(row, name, current, chosen, indent))
    return "\n".join(lines) + "\n"


def _assignment(row: KeyRow, name: str, current: Any, chosen: Mapping[str, Any], indent: str) -> str:
    if row.key in chosen:
        return f"{indent}{dump({name: chosen[row.key]}).strip()}"
    for part in row.key.split("."):
        current = current[part]
    return f"#{indent} {name}: {inline(current)}".rstrip()


def _comment(text: str, indent: str) -> list[str]:
    return [f"{indent}# {line}" for line in textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)]


def _first(text: str) -> str:
    return text[:1].upper() + text[1:]
