"""The command line: arguments -> configuration -> one call -> one printed result. No logic; TensorFlow is imported late."""

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

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
store_app = typer.Typer(help="Show or prune the store of computed features.", rich_markup_mode=None, no_args_is_help=True)
app.add_typer(store_app, name="store")


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


@app.command()
def fit(
    data: Annotated[Path | None, typer.Argument(metavar="[DATA]", help="DATA/<class>/..., DATA/train|val|test/<class>/...")] = None,
    backbone: Annotated[str | None, typer.Option(help="vgg16, inception_v3, ..., or lenet.")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file (YAML).")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any key of the configuration.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    output: Annotated[Path, typer.Option(help="Where runs lie.")] = Path("saved_models"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run of this name.")] = False,
) -> None:
    """Train a classifier on a folder of pictures and export it."""
    from transfer.config import parse_assignment, read_yaml
    from transfer.plan import plan

    layers = [read_yaml(config)] if config else []
    layers += [parse_assignment(text) for text in settings or []]
    layers += [{"backbone": backbone}] if backbone else []
    planned = plan(data, layers, name, output, overwrite)
    terminal = _terminal()
    from transfer import experiment
    from transfer.report import text

    run = experiment.run(planned, terminal)
    if run.cut_points is not None:
        print(text.cut_points(run.cut_points))
    print(text.block(run))


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Pictures, or folders of pictures.")],
    csv: Annotated[Path | None, typer.Option(help="Write all probabilities to this file instead.")] = None,
) -> None:
    """Classify pictures with a run's exported SavedModel."""
    from transfer.run import Run

    opened = Run(run)
    terminal = _terminal()
    from transfer.report import tables
    from transfer.serving.predict import predict as classify

    table = classify(opened, paths, progress=terminal)
    print(tables.predictions(table, csv))
    if (table["error"] != "").any():
        raise typer.Exit(1)


@app.command()
def weights(backbone: Annotated[str, typer.Argument(help="vgg16, inception_v3, ...")]) -> None:
    """Fetch a backbone's ImageNet weights ahead of time."""
    from transfer.errors import WeightsError
    from transfer.networks.table import Backbone, find

    found = find(backbone)
    if not isinstance(found, Backbone):
        raise WeightsError(f"{backbone} is trained from scratch and has no pretrained weights. Received {backbone!r}.")
    terminal = _terminal()
    from transfer.networks import weights as module

    print(f"{found.name}: ImageNet weights are there, SHA-256 {module.fetch(found, terminal)}")


@app.command()
def quickstart(
    output: Annotated[Path, typer.Option(help="Where runs lie.")] = Path("saved_models"),
) -> None:
    """Fit VGG16 and LeNet-5 on handwritten digits, export both, and print them side by side."""
    terminal = _terminal()
    from transfer import quickstart as module

    print(module.quickstart(output, terminal))


@store_app.command("show")
def store_show() -> None:
    """List the feature sets and their sizes."""
    from transfer.features import inventory
    from transfer.report import tables

    print(tables.feature_sets(inventory.listing()))


@store_app.command("prune")
def store_prune(
    older_than: Annotated[float | None, typer.Option(metavar="DAYS", help="Delete sets not used for so many days.")] = None,
    ids: Annotated[list[str] | None, typer.Option("--set", metavar="ID", help="Delete this set.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete all sets.")] = False,
) -> None:
    """Delete feature sets; they are computed again when they are needed."""
    from transfer.errors import StoreError
    from transfer.features import inventory
    from transfer.report import tables

    if older_than is None and not ids and not everything:
        raise StoreError("Say what to delete: --older-than DAYS, --set ID, or --all. Received none of them.")
    known = {item.id for item in inventory.listing()}
    unknown = [name for name in ids or [] if name not in known]
    if unknown:
        raise StoreError(f"There is no such feature set; transfer store show lists them. Received {unknown[0]!r}.")
    print(tables.pruned(inventory.prune(older_than, ids, everything)))


def _terminal() -> Any:
    """Start what the long commands need: the bars, and TensorFlow without its chatter."""
    from transfer.console import Terminal, import_tensorflow_quietly

    import_tensorflow_quietly()
    return Terminal()
