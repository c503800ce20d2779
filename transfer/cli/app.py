"""The command line: arguments -> configuration -> one call -> one printed result. No logic; TensorFlow is imported late."""

import shutil
import signal
import sys
from typing import Annotated, Any

import typer

from transfer.cli import (
    anatomy,
    card,
    check,
    compare,
    config,
    console,
    evaluate,
    explain,
    export,
    fit,
    init,
    predict,
    quickstart,
    report,
    runs,
    serve,
    store,
    tune,
    weights,
)
from transfer.cli.options import setting_for
from transfer.errors import TransferError
from transfer.system import memory, streams

# Typer contains its own copy of Click and exports only subclasses of its usage errors.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_INTERRUPTED = 130
_KEPT = "Completed work is kept; run the same command to continue."
_CONTINUE = "Finished work is kept; run the same command to continue."
_LESS = "close other programs, or choose a smaller batch size (training.batch_size, --batch-size), image_size or backbone"

app = typer.Typer(
    name="transfer",
    help="Image classifiers from a folder of images: transfer learning with Keras, exported and verified.",
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    fit.fit, check.check, compare.compare, tune.tune, predict.predict, evaluate.evaluate, explain.explain, export.export, serve.serve,
    report.report, card.card, runs.runs, init.init, anatomy.anatomy, weights.weights, quickstart.quickstart,
):  # fmt: skip
    app.command()(console.answering(command, command.__name__, result=command is not serve.serve))
app.add_typer(store.app, name="store")
app.add_typer(config.app, name="config")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit with 0, 1 (some files failed, or --strict), 2 (an error that the user can fix), or 130 (interrupted)."""
    streams.keep_going()
    try:
        given = sys.argv[1:] if arguments is None else arguments
        with console.session(given):
            _run(given)
    finally:
        streams.finish()


def _run(arguments: list[str]) -> None:
    # Names of files and classes must be printable, whatever their bytes; a JSON document is UTF-8 in any case.
    if hasattr(sys.stdout, "reconfigure") and not console.current().json:
        is_utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf8 else "replace")
    signal.signal(signal.SIGTERM, _terminated)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup: the terminal may be closed
        signal.signal(signal.SIGHUP, _terminated)
    try:
        status = app(arguments, standalone_mode=False)
        if status == _INTERRUPTED:  # some versions of Typer return this on Ctrl-C, without a message
            raise KeyboardInterrupt
        sys.exit(status if isinstance(status, int) else 0)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # called without a command: the error is the help itself
            print(error.format_message())  # type: ignore[attr-defined]
            sys.exit(2)
        _fail(_usage(error, arguments))
    except TransferError as error:
        _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        console.failed("Interrupted. " + _CONTINUE, _INTERRUPTED)
        console.tell("\nInterrupted. " + _CONTINUE)
        sys.exit(_INTERRUPTED)
    except Exception as error:
        if wanting := memory.shortage(error):
            _fail(f"There is too little memory. Use less: {_LESS}. {_KEPT} Received: {wanting}.")
        if not isinstance(error, OSError) or error.errno is None:
            console.failed(f"{type(error).__name__}: {error}", 1)
            raise
        place = f" Received {str(error.filename)!r}." if error.filename else ""
        _fail(f"{error.strerror}.{place} {_KEPT}")


def _usage(error: Any, arguments: list[str]) -> str:
    """Return the text of a usage error with what to do: use the setting that an unknown option may have meant, or read the help."""
    context: Any = getattr(error, "ctx", None)
    if type(error).__name__ == "NoSuchOption" and any(item.metavar == "KEY=VALUE" for item in context.command.params):
        prefix = "common." if context.info_name in ("compare", "tune") else ""
        alike = bool(error.possibilities)
        meant = setting_for(error.option_name, arguments, prefix, exactly=alike)
        if meant:
            return f"{error.message}. Use {meant}"
    message = error.format_message().rstrip(".")
    return f"{message}{'' if message.endswith('?') else '.'} See: transfer --help"


def _terminated(number: int, frame: Any) -> None:
    # The shell and the system both tell of a closed terminal: the second signal must not end the clearing up.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _fail(text: str) -> None:
    text = " ".join(text.split())
    console.failed(text, 2)
    line = f"error: {text}"
    if sys.stderr.isatty():  # in a file or a pipe it stays one line
        from transfer.reports.terminal import wrapped

        line = "\n".join(wrapped(line, shutil.get_terminal_size().columns))
    console.tell(line)
    sys.exit(2)


def _version(wanted: bool) -> None:
    if wanted:
        from transfer import __version__

        print(__version__)
        raise typer.Exit


def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


app.callback()(console.answering(_options))
