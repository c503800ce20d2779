"""What every command has in common: `--json`, `--quiet`, `--verbose`, `--log-file`, and where results, news and errors go.

A result goes to standard output, as text or, with `--json`, as one document of `reports/documents.py`; all else goes to standard error.
"""

import functools
import inspect
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from transfer.cli.log_file import LogFile

JSON = "--json"
_PANEL = "Output"


@dataclass(frozen=True)
class Console:
    """How a command line answers.

    Attributes:
        json: one JSON document instead of text.
        quiet: only the result and errors.
        verbose: also the settings in force, and TensorFlow's log.
        log: where everything that is said is written, too.
        command: name of the command, `store show`.
        arguments: of the command line.
        documents: the document to be printed at the end, if there is one.
    """

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    log: LogFile | None = None
    command: str = ""
    arguments: tuple[str, ...] = ()
    documents: list[Mapping[str, Any]] = field(default_factory=list)


_current: ContextVar[Console] = ContextVar("console", default=Console())  # noqa: B039 - replaced by each session


def current() -> Console:
    """Return how this command line answers."""
    return _current.get()


@contextmanager
def session(arguments: Sequence[str]) -> Iterator[None]:
    """Answer one command line. With `--json`, whatever else is printed meanwhile goes to standard error, also by libraries in C."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    console = Console(json=JSON in options, arguments=tuple(arguments))
    token = _current.set(console)
    try:
        if not console.json:
            yield
            return
        with _standard_output_elsewhere():
            yield
    finally:
        _current.reset(token)
        for document in console.documents[-1:]:
            _print(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2))


@contextmanager
def _standard_output_elsewhere() -> Iterator[None]:
    before, own = sys.stdout, None
    with suppress(OSError, ValueError):  # a test or a notebook has put a stream without a number there
        if before.fileno() == 1:
            before.flush()
            own = os.dup(1)
            os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = before
        if own is not None:
            os.dup2(own, 1)
            os.close(own)


def show(text: str, document: Mapping[str, Any]) -> None:
    """Print the result of a command: its text, or with `--json` its document; see `reports/documents.py`."""
    console = current()
    if text:
        line(text)
    if console.json:
        _answer(document)


def line(text: str) -> None:
    """Print a line of a result that comes bit by bit; with `--json` it is only logged, and `show` gives the whole."""
    console = current()
    if console.log is not None:
        console.log.write(text)
    if not console.json:
        print(text, flush=True)


def tell(text: str) -> None:
    """Print on standard error what a user must see also with `--quiet`."""
    console = current()
    if console.log is not None:
        console.log.write(text)
    with suppress(OSError):  # the terminal was closed
        print(text.encode("utf-8", "replace").decode(), file=sys.stderr)


def failed(error: str, status: int) -> None:
    """With `--json`, answer with the document of an error; what was printed on standard error is not changed by it."""
    if current().json:
        _answer({"error": error, "status": status})


def _answer(facts: Mapping[str, Any]) -> None:
    from transfer.reports import documents

    console = current()
    console.documents.append(documents.document(console.command or None, facts))


def _print(text: str) -> None:
    """Print a document as UTF-8, whatever the encoding of standard output."""
    sys.stdout.flush()
    sys.stdout.buffer.write(f"{text}\n".encode())
    sys.stdout.flush()


_JSON = Annotated[
    bool, typer.Option(JSON, rich_help_panel=_PANEL, help="Print the result as one JSON document, and all else on standard error.")
]
_QUIET = Annotated[bool, typer.Option("--quiet", "-q", rich_help_panel=_PANEL, help="Print the result and errors only, no progress.")]
_VERBOSE = Annotated[
    bool, typer.Option("--verbose", rich_help_panel=_PANEL, help="Also print the settings in force, and TensorFlow's log.")
]
_LOG_FILE = Annotated[
    Path | None, typer.Option("--log-file", metavar="FILE", rich_help_panel=_PANEL, help="Add what is said to this file, with times.")
]
_OPTIONS = {"json_": (_JSON, False), "quiet": (_QUIET, False), "verbose": (_VERBOSE, False), "log_file": (_LOG_FILE, None)}


def answering(command: Callable[..., None], name: str = "", result: bool = True) -> Callable[..., None]:
    """Return the function of a command with the options that all commands have.

    Args:
        command: the function that Typer calls.
        name: of the command, in documents; none: of the whole command line, before its command.
        result: whether it prints a result that `--json` is for.
    """
    own = inspect.signature(command)
    added = {key: kind for key, kind in _OPTIONS.items() if result or key != "json_"}

    @functools.wraps(command)
    def answered(**given: Any) -> None:
        _listen(name, _folders(given), **{key: given.pop(key) for key in added if key in given})
        command(**given)

    more = [inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=value, annotation=kind) for key, (kind, value) in added.items()]
    answered.__signature__ = own.replace(parameters=[*own.parameters.values(), *more])  # type: ignore[attr-defined]
    answered.__annotations__ = {**command.__annotations__, **{key: kind for key, (kind, _) in added.items()}}
    return answered


def _folders(given: Mapping[str, Any]) -> list[Path]:
    """Return the user's folders among the arguments of a command."""
    named = [given.get("data"), given.get("root"), *(given.get("paths") or [])]
    return [Path(place) for place in named if place is not None and Path(place).is_dir()]


def _listen(name: str, own: Sequence[Path], quiet: bool, verbose: bool, log_file: Path | None, json_: bool = False) -> None:
    """Take the options that were given before the command, and after it."""
    from transfer.errors import ConfigError

    before = current()
    console = replace(
        before, quiet=before.quiet or quiet, verbose=before.verbose or verbose, command=name, json=before.json or json_,
        log=before.log if log_file is None else LogFile(log_file, shlex.join(["transfer", *before.arguments]), own),
    )  # fmt: skip
    if console.quiet and console.verbose:
        raise ConfigError("--quiet and --verbose contradict each other. Expected one of them. Received both.")
    _current.set(console)
