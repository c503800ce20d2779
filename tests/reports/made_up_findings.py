"""Findings that no check has found: every table filled, names as hostile as file names can be, hundreds of classes."""

import os
from collections.abc import Sequence
from typing import Any

import pandas as pd

from transfer.quality.findings import COLUMNS, Findings

HOSTILE = (
    "<script>alert(1)</script>.png",
    "\"'><img src=x onerror=alert(1)>.png",
    os.fsdecode(b"caf\xe9.png"),
    "two\nlines\r.png",
    "\x1b[31mred\x1b[0m.png",
    "\u202egnp.exe",
    "{{ 7 * 7 }} `code` $x$.png",
    "long " + "x" * 240 + ".png",
    "長い名前" * 30 + ".png",
)
"""Names of files and classes that a page or a terminal must show harmlessly."""

SPLITS = ("train", "validation", "test")


def table(name: str, rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Return one of the tables of `Findings`."""
    return pd.DataFrame([list(row) for row in rows], columns=COLUMNS[name], dtype=object)


def classes(labels: Sequence[str]) -> pd.DataFrame:
    """Return the table of classes: 10, 20, 30, ... images."""
    total = 5 * len(labels) * (len(labels) + 1)
    rows = [(label, 10 * n, 10 * n / total, 8 * n, n, n) for n, label in enumerate(labels, 1)]
    return table("classes", rows)


def filled(names: Sequence[str] = ("1.png", "2.png", "3.png", "4.png"), labels: Sequence[str] = ("cat", "dog", "emu")) -> Findings:
    """Return findings of every kind, about `label/name` for each of the names."""
    images = [(f"{labels[n % len(labels)]}/{name}", labels[n % len(labels)], SPLITS[n % 3]) for n, name in enumerate(names)]
    following = [*images[1:], images[0]]
    pairs = list(enumerate(zip(images, following, strict=True)))
    return Findings(
        notes=["Border colours were not looked at."],
        classes=classes(labels),
        formats=table("formats", [("PNG", 50), ("JPEG", 10)]),
        sizes=table("sizes", [("width", 20, 300.5, 4000), ("height", 10, 200, 3000), ("megapixels", 0.0002, 0.06, 12)]),
        kinds=table("kinds", [("truncated or broken", len(names), "not used"), ("animated", len(names), "used: the first frame")]),
        files=table(
            "files",
            [
                *(("truncated or broken", f"{path}.broken", label, "", "not a whole PNG") for path, label, _ in images),
                *(("animated", *image, "") for image in images),
            ],
        ),
        duplicates=table(
            "duplicates",
            [(2 * n + again, *image, not again) for n, pair in pairs for again in (0, 1) for image in pair],
        ),
        near_duplicates=table(
            "near_duplicates",
            [
                (2 * n + inside, *a, *b[:2], a[2] if inside else b[2], 0.999 - n / 1000, not inside)
                for n, (a, b) in pairs
                for inside in (0, 1)
            ],
        ),
        label_issues=table("label_issues", [(*a, b[1], 0.01 + n / 100, 0.9) for n, (a, b) in pairs]),
        outliers=table("outliers", [(*image, 9.5 - n) for n, image in enumerate(images)]),
        leaks=table(
            "leaks",
            [
                ("file size", 0.91, 0.5, True, f"files larger than 12,345 bytes are mostly {labels[0]!r}"),
                ("format", 0.5, 0.5, False, ""),
            ],
        ),
    )  # fmt: skip


def clean(labels: Sequence[str] = ("cat", "dog")) -> Findings:
    """Return findings of a data set with nothing wrong."""
    return Findings(classes=classes(labels), formats=table("formats", [("PNG", 30)]))
