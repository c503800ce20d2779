"""The command line of `transfer serve`."""

from pathlib import Path
from typing import Annotated

import typer

from transfer.cli import options


def serve(
    run: Annotated[Path, options.RUN],
    port: Annotated[int, typer.Option(metavar="N", help="Port; 0: any free one.")] = 8501,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0: all addresses.")] = "127.0.0.1",
    allowed_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Further host name to answer to without a key; *: any. Repeatable.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model in URLs. Default: the run's name.")] = None,
    api_key_env: Annotated[str, typer.Option(metavar="NAME", help="Environment variable that holds the API key.")] = "TRANSFER_API_KEY",
    max_body_mb: Annotated[float | None, typer.Option(metavar="MB", help="Largest request. Default: 32.")] = None,
    max_images: Annotated[int | None, typer.Option(metavar="N", help="Most images in one request. Default: 128.")] = None,
    max_megapixels: Annotated[float | None, typer.Option(metavar="MP", help="Largest image. Default: the run's limit.")] = None,
    batch_images: Annotated[int | None, typer.Option(metavar="N", help="Most images in one batch. Default: depends on their size.")] = None,
    batches: Annotated[int | None, typer.Option(metavar="N", help="Batches computed at the same time. Default: 2.")] = None,
    queue_images: Annotated[int | None, typer.Option(metavar="N", help="Most images in the queue, then 429. Default: 1024.")] = None,
    connections: Annotated[int | None, typer.Option(metavar="N", help="Most open connections, then 503. Default: 512.")] = None,
    connections_per_address: Annotated[
        int | None, typer.Option(metavar="N", help="Most of them from one address. Default: half; more for a proxy.")
    ] = None,
    request_seconds: Annotated[float | None, typer.Option(metavar="S", help="Seconds until an answer, then 504. Default: 30.")] = None,
    stop_seconds: Annotated[float | None, typer.Option(metavar="S", help="Seconds to finish requests when stopping. Default: 30.")] = None,
    poll_seconds: Annotated[float | None, typer.Option(metavar="S", help="Seconds between checks for a new version. Default: 2.")] = None,
    compute: Annotated[str | None, options.COMPUTE] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Processes, each with its own model and limits. Default: 1.")] = None,
    access_log: Annotated[bool, typer.Option("--access-log", help="Print one line per request.")] = False,
    trust: Annotated[bool, options.TRUST] = False,
) -> None:
    """Serve a run's exported SavedModel over HTTP, with a web page."""
    from transfer.runs import Run
    from transfer.serving.settings import key_in
    from transfer.workflows import serve

    opened = Run(run, trust)
    given = {
        "port": port, "host": host, "name": name, "max_body_mb": max_body_mb, "max_images": max_images,
        "max_megapixels": max_megapixels, "batch_images": batch_images,
        "batches": batches, "queue_images": queue_images, "connections": connections, "request_seconds": request_seconds,
        "stop_seconds": stop_seconds, "poll_seconds": poll_seconds, "access_log": access_log, "allowed_host": allowed_host or None,
        "connections_per_address": connections_per_address, "workers": workers, "trust": trust, "compute": compute,
        "api_key": key_in(api_key_env),
    }  # fmt: skip
    serve.carry_out(opened, serve.chosen(opened, given))
