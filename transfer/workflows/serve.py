"""serve(): a run's export over HTTP, with a web page, until it is told to stop."""

import asyncio
import os
from typing import Any

from transfer import runs
from transfer.errors import ConfigError
from transfer.serving import console, listening, settings
from transfer.serving.settings import Settings
from transfer.system.startup import import_tensorflow_quietly
from transfer.workflows.run import opened


def serve(
    run: runs.Run | str | os.PathLike[str],
    *,
    port: int = 8501,
    host: str = "127.0.0.1",
    name: str | None = None,
    api_key: str | None = None,
    workers: int = 1,
    **limits: Any,
) -> None:
    """Serve a run's exported SavedModel over HTTP, with a web page. It returns when the server is stopped: by Ctrl-C or SIGTERM.

    Args:
        run: a run, its folder, or its name under `saved_models`.
        port: 0: any free one; it is told on standard error.
        host: address to listen on; 0.0.0.0: all addresses.
        name: of the model in URLs; none: the run's.
        api_key: required of every request; none: that of the environment variable TRANSFER_API_KEY, if it is set.
        workers: processes behind the port, each with its own model (Linux; a script needs `if __name__ == "__main__":`).
        **limits: further settings of the server, `max_images=16`; see `serving/settings.py`.

    Raises:
        ConfigError: if a setting is not allowed, or an event loop is running here, as in the cell of a notebook.
        RunError: if there is no such run, its export is not usable, or the address is in use.
    """
    trusted = opened(run)
    given = {
        "port": port, "host": host, "name": name, "workers": workers, "trust": trusted.trust,
        "api_key": api_key if api_key is not None else settings.key_in(settings.KEY_VARIABLE),
    }  # fmt: skip
    carry_out(trusted, chosen(trusted, limits | given))


def chosen(run: runs.Run, given: dict[str, Any]) -> Settings:
    """Return the settings of a server, with the run's own name and limit of pixels where none are given.

    Raises:
        ConfigError: if one is not allowed.
        EngineError: if OpenVINO is asked for, which is not installed, or of a version that was not tried.
    """
    own = {"name": run.path.resolve().name, "max_megapixels": run.config.get("data.max_megapixels")}
    found = settings.build(own | {name: value for name, value in given.items() if value is not None})
    settings.require_engine(found.compute, "--compute")
    return found


def carry_out(run: runs.Run, own: Settings) -> None:
    """Serve a run with these settings; see `serve`."""
    _require_no_loop()
    taken = listening.bound(own.host, own.port)  # before TensorFlow starts, which takes seconds
    if own.api_key is None and not listening.is_loopback(own.host):
        console.say(f"warning: anyone who can reach {own.host} can use this server. Set {settings.KEY_VARIABLE} to require a key.")
    if own.workers > 1:
        from transfer.serving import workers

        workers.serve(run, own, taken)
        return
    import_tensorflow_quietly()
    from transfer.serving import server

    server.serve(run, own, taken)


def _require_no_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConfigError(
        "A server has an event loop of its own, and one is running here, as in the cell of a notebook. Expected a script, a thread, or "
        "the command transfer serve in a terminal. Received a call inside an event loop."
    )
