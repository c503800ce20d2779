"""The command line of `transfer compare`."""

from pathlib import Path
from typing import Annotated

import typer

from transfer.cli.console import show
from transfer.cli.options import ENGINE, LOG, own_data

_DATA = typer.Argument(metavar="DATA", help="Folder, table, or tfds:NAME, as for transfer fit.")
_CONFIG = typer.Option(help="Settings of the comparison (YAML), such as configs/compare.yaml; none: usual methods.")
_SETTINGS = typer.Option(
    "--set", metavar="KEY=VALUE", help="Any setting: sizes=[1,10,all], common.image_size=64, methods.top.head.dropout=0.3."
)


def compare(
    data: Annotated[str | None, _DATA] = None,
    config: Annotated[Path | None, _CONFIG] = None,
    settings: Annotated[list[str] | None, _SETTINGS] = None,
    engine: Annotated[str | None, ENGINE] = None,
    log: Annotated[list[str] | None, LOG] = None,
    name: Annotated[str | None, typer.Option(help="Name of the comparison. Default: that of the data.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of all comparisons.")] = Path("comparisons"),
) -> None:
    """Compare methods on the same images, with several training sizes and seeds. Run it again to continue."""
    import shutil

    from transfer.config.comparison import parse_assignment, read_yaml
    from transfer.workflows.requests import compare_request

    layers = [read_yaml(config)] if config else []
    layers += [parse_assignment(text) for text in settings or []]
    layers += [{"common.engine.kind": engine}] if engine is not None else []
    layers += [{"common.logging.to": log}] if log else []
    request = compare_request(data, layers, name, output)
    from transfer.cli.terminal import started

    terminal = started(request.settings.to_yaml(), own_data(next(iter(request.configs.values())).data))
    from transfer.reports.comparison import text
    from transfer.workflows import compare as module

    done = module.carry_out(request, terminal)
    width = shutil.get_terminal_size((100, 24)).columns
    lines = [text.block(done.runs, done.summary, done.paired, width), ""]
    lines += [f"failed   {failure['run']}: {failure['reason']}" for failure in done.failures]
    lines += [f"Tables   {done.path}", f"Report   {done.report}"]
    facts = {
        "path": done.path, "report": done.report, "runs": done.runs, "summary": done.summary, "paired": done.paired,
        "failures": done.failures,
    }  # fmt: skip
    show("\n".join(lines), facts)
