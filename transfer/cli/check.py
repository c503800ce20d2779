"""`transfer check`."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from transfer.cli.console import show, tell
from transfer.cli.options import BACKBONE, CONFIG, DATA, ENGINE, GROUP_BY, MIN_PER_CLASS, ROOT, SETTINGS, TFDS_DATA_DIR, layers, own_data


def check(
    data: Annotated[str | None, DATA] = None,
    backbone: Annotated[str | None, BACKBONE] = None,
    config: Annotated[Path | None, CONFIG] = None,
    settings: Annotated[list[str] | None, SETTINGS] = None,
    root: Annotated[Path | None, ROOT] = None,
    tfds_data_dir: Annotated[Path | None, TFDS_DATA_DIR] = None,
    group_by: Annotated[str | None, GROUP_BY] = None,
    min_per_class: Annotated[int | None, MIN_PER_CLASS] = None,
    engine: Annotated[str | None, ENGINE] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the result. Default: data_checks/<name of the data>.")] = None,
    files_only: Annotated[bool, typer.Option("--files-only", help="Check only the files, in seconds, without a network.")] = False,
    write_manifest: Annotated[
        Path | None, typer.Option("--write-manifest", metavar="FILE.csv", help="Write a table that can be edited and passed as DATA.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if a limit (check.max_...) is exceeded.")] = False,
) -> None:
    """Find problems with images and labels, without training; nothing is changed."""

    from transfer.workflows.requests import check_request

    given = layers(config, settings, backbone, root, tfds_data_dir, group_by, min_per_class, engine)
    request = check_request(data, given, output, files_only, write_manifest)
    from transfer.cli.terminal import started

    terminal = started(request.config.to_yaml(), own_data(request.config.data))
    from transfer.data import sources
    from transfer.reports import documents
    from transfer.reports.check import text
    from transfer.workflows import check

    checked = check.carry_out(request, terminal)
    source = str(data or request.config.data.source)
    words, table = sources.options(request.config.data), str(request.write_manifest or "")
    width = shutil.get_terminal_size((100, 24)).columns
    facts = {
        "path": checked.path, "report": checked.report, "classes": checked.findings.classes, "exceeded": checked.exceeded,
        "findings": documents.findings(checked.findings), "not_checked": checked.findings.notes, "seconds": checked.seconds,
    }  # fmt: skip
    show(text.block(checked.findings, checked.seconds, checked.report, source, str(checked.root), words, table, width), facts)
    if strict and checked.exceeded:
        for sentence in checked.exceeded:
            tell(f"not passed: {sentence}")
        raise typer.Exit(1)
