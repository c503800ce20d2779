"""The command line: arguments -> configuration -> one call -> one printed result. No logic; TensorFlow is imported late."""

import shutil
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from transfer import cli_anatomy, cli_compare, cli_explain, cli_export, cli_predict, cli_report, cli_serve, cli_store
from transfer.errors import TransferError

# Typer brings its own copy of Click, whose usage errors it exports only by their children.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_INTERRUPTED = 130

app = typer.Typer(
    name="transfer",
    help="Image classifiers from a folder of pictures: transfer learning with Keras, exported and verified.",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_store.app, name="store")
app.command()(cli_anatomy.anatomy)
app.command()(cli_compare.compare)
app.command()(cli_explain.explain)
app.command()(cli_export.export)
app.command()(cli_predict.predict)
app.command()(cli_report.report)
app.command()(cli_serve.serve)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit with 0, 2 (the user can mend it), or 130 (interrupted)."""
    if hasattr(sys.stdout, "reconfigure"):  # names of files and classes are printed, whatever their bytes
        is_utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf8 else "replace")
    signal.signal(signal.SIGTERM, _terminated)
    try:
        status = app(arguments, standalone_mode=False)
        if status == _INTERRUPTED:  # what some versions of Typer make of Ctrl-C, without a word
            raise KeyboardInterrupt
        sys.exit(status if isinstance(status, int) else 0)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # called without a command: the error is the help itself
            print(error.format_message())  # type: ignore[attr-defined]
            sys.exit(2)
        _fail(f"{error.format_message().rstrip('.')}. See: transfer --help")  # type: ignore[attr-defined]
    except TransferError as error:
        _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        print("\nInterrupted. Nothing half-written is left; the same command continues.", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except OSError as error:
        if error.errno is None:
            raise
        place = f" Received {str(error.filename)!r}." if error.filename else ""
        _fail(f"{error.strerror}.{place} What was computed is kept: the same command continues.")


def _terminated(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _fail(text: str) -> None:
    line = " ".join(text.split())
    print(f"error: {line}".encode("utf-8", "replace").decode(), file=sys.stderr)
    sys.exit(2)


def _version(wanted: bool) -> None:
    if wanted:
        from transfer import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


_DATA = typer.Argument(
    metavar="DATA", help="Folder DATA/<class>/... or DATA/train|val|test/<class>/..., table (.csv, .parquet), or tfds:NAME."
)
_BACKBONE = typer.Option(help="vgg16, inception_v3, ..., or lenet.")
_CONFIG = typer.Option(help="Configuration file (YAML).")
_SETTINGS = typer.Option("--set", metavar="KEY=VALUE", help="Any key of the configuration.")
_ROOT = typer.Option(help="Where the paths of a table start; else in its own folder.")
_TFDS_DATA_DIR = typer.Option("--tfds-data-dir", help="Where TFDS data sets lie.")
_GROUP_BY = typer.Option(
    "--group-by", metavar="HOW", help="Keep groups in one split: regular expression on the path, column of the table, or near-duplicates."
)
_MIN_PER_CLASS = typer.Option("--min-per-class", metavar="N", help="Leave out classes with fewer pictures.")


def _layers(
    config: Path | None,
    settings: list[str] | None,
    backbone: str | None,
    root: Path | None,
    tfds_data_dir: Path | None,
    group_by: str | None,
    min_per_class: int | None,
) -> list[dict[str, Any]]:
    """Return the settings of a command, later ones over earlier ones: file, --set, the command's own options."""
    from transfer.config import parse_assignment, read_yaml

    layers = [read_yaml(config)] if config else []
    layers += [parse_assignment(text) for text in settings or []]
    options = {
        "backbone": backbone, "data.root": root, "data.tfds_data_dir": tfds_data_dir, "data.group_by": group_by,
        "data.min_per_class": min_per_class,
    }  # fmt: skip
    given = {key: str(value.absolute()) if isinstance(value, Path) else value for key, value in options.items() if value is not None}
    return [*layers, given]


@app.command()
def fit(
    data: Annotated[str | None, _DATA] = None,
    backbone: Annotated[str | None, _BACKBONE] = None,
    config: Annotated[Path | None, _CONFIG] = None,
    settings: Annotated[list[str] | None, _SETTINGS] = None,
    root: Annotated[Path | None, _ROOT] = None,
    tfds_data_dir: Annotated[Path | None, _TFDS_DATA_DIR] = None,
    group_by: Annotated[str | None, _GROUP_BY] = None,
    min_per_class: Annotated[int | None, _MIN_PER_CLASS] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    output: Annotated[Path, typer.Option(help="Where runs lie.")] = Path("saved_models"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run of this name.")] = False,
) -> None:
    """Train a classifier on pictures and export it."""
    from transfer.workflows.requests import plan

    layers = _layers(config, settings, backbone, root, tfds_data_dir, group_by, min_per_class)
    planned = plan(data, layers, name, output, overwrite)
    from transfer.console import started

    terminal = started()
    from transfer.reports import text
    from transfer.workflows import fit

    run = fit.run(planned, terminal)
    if run.cut_points is not None:
        print(text.cut_points(run.cut_points))
    print(text.block(run))


@app.command()
def check(
    data: Annotated[str | None, _DATA] = None,
    backbone: Annotated[str | None, _BACKBONE] = None,
    config: Annotated[Path | None, _CONFIG] = None,
    settings: Annotated[list[str] | None, _SETTINGS] = None,
    root: Annotated[Path | None, _ROOT] = None,
    tfds_data_dir: Annotated[Path | None, _TFDS_DATA_DIR] = None,
    group_by: Annotated[str | None, _GROUP_BY] = None,
    min_per_class: Annotated[int | None, _MIN_PER_CLASS] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the result; else data_checks/<name of the data>.")] = None,
    files_only: Annotated[bool, typer.Option("--files-only", help="Judge the files alone, in seconds, without a network.")] = False,
    write_manifest: Annotated[
        Path | None, typer.Option("--write-manifest", metavar="FILE.csv", help="Write the table to edit and to give back as DATA.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where a limit (check.max_...) is exceeded.")] = False,
) -> None:
    """Look for what is wrong with pictures and labels, without training; nothing is changed."""
    from transfer.workflows.check_request import check_plan

    layers = _layers(config, settings, backbone, root, tfds_data_dir, group_by, min_per_class)
    planned = check_plan(data, layers, output, write_manifest)
    from transfer.console import started

    terminal = started()
    from transfer.data import sources
    from transfer.reports import findings_text
    from transfer.workflows import check

    checked = check.run(planned, files_only, terminal)
    source = str(data or planned.config.data.source)
    words, table = sources.options(planned.config.data), str(planned.write_manifest or "")
    width = shutil.get_terminal_size((100, 24)).columns
    print(findings_text.block(checked.findings, checked.seconds, checked.report, source, str(checked.root), words, table, width))
    if strict and checked.exceeded:
        for sentence in checked.exceeded:
            print(f"not passed: {sentence}", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
def weights(backbone: Annotated[str, typer.Argument(help="vgg16, inception_v3, ...")]) -> None:
    """Fetch a backbone's ImageNet weights ahead of time."""
    from transfer.errors import WeightsError
    from transfer.models.registry import Backbone, find

    found = find(backbone)
    if not isinstance(found, Backbone):
        raise WeightsError(f"{backbone} is trained from scratch and has no pretrained weights. Received {backbone!r}.")
    from transfer.console import started

    terminal = started()
    from transfer.models import weights as module

    print(f"{found.name}: ImageNet weights are there, SHA-256 {module.fetch(found, terminal)}")


@app.command()
def quickstart(
    output: Annotated[Path, typer.Option(help="Where runs lie.")] = Path("saved_models"),
) -> None:
    """Fit VGG16 and LeNet-5 on handwritten digits, export both, and print them side by side."""
    from transfer.console import started

    terminal = started()
    from transfer.workflows import quickstart as module

    print(module.quickstart(output, terminal))
