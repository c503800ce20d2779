"""What the checks of a data set found -> one self-contained page."""

import shlex
from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfer.quality.findings import Findings
from transfer.reports import templates
from transfer.reports.cards import Album
from transfer.reports.findings import absent, items, sentence, usual, without
from transfer.reports.names import printable, records

_TEMPLATE = "check/page.html.jinja"
_CLASSES = 16  # further ones are folded away


def render(
    findings: Findings,
    thumbnails: Mapping[str, str],
    title: str,
    facts: Mapping[str, str] | None = None,
    most: int = 48,
    data: str = "DATA",
    root: str = "ROOT",
    options: str = "",
) -> str:
    """Return the page.

    Args:
        findings: what was found.
        thumbnails: path -> data URI, for the paths of `cards.paths`.
        title: the page's heading.
        facts: names and values of how the check was made (data, network, seconds), shown at the end.
        most: images shown per section, about; the number given to `cards.paths`.
        data: the source as the user gave it, for the suggested commands.
        root: where the paths of the source start.
        options: of the command line that the source needs beside its name, ` --root images`.
    """
    return templates.render(
        _TEMPLATE,
        title=printable(title),
        data=printable(shlex.quote(data) + options),
        root=printable(shlex.quote(root)),
        sentence=sentence(findings),
        items=items(findings),
        absent=absent(findings),
        album=Album(findings, thumbnails, most),
        classes=_classes(findings.classes),
        without=without(findings),
        first_classes=_CLASSES,
        formats=records(findings.formats),
        sizes=records(findings.sizes),
        shared=[printable(said) for said in usual(findings)],
        leaks=sorted(records(findings.leaks), key=lambda row: (not row["leak"], row["majority"] - row["accuracy"])),
        notes=[printable(note) for note in findings.notes],
        facts={printable(name): printable(value) for name, value in (facts or {}).items()},
    )


def _classes(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = records(table.sort_values("images", ascending=False, kind="stable"))
    largest = max((row["images"] for row in rows), default=0)
    return [row | {"bar": round(100 * row["images"] / max(largest, 1), 1)} for row in rows]
