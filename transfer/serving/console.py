"""What the server says to its operator, one line each. Imports neither TensorFlow nor FastAPI."""

import sys
from urllib.parse import quote

from transfer.serving.settings import Settings


def say(text: str) -> None:
    """Print one line."""
    print(" ".join(text.split()), file=sys.stderr, flush=True)


def welcome(own: Settings, port: int, version: int) -> str:
    """Return that a server is ready, and where."""
    host = f"[{own.host}]" if ":" in own.host else own.host
    host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    root = f"http://{host}:{port}"
    served = f"version {version}" if own.workers == 1 else f"version {version}, {own.workers} workers"
    return f"Ready: {root}/ (web page), {root}/v1/models/{quote(own.name)}:predict (API), {served}. Press Ctrl-C to stop."


def farewell(unanswered: int) -> str:
    """Return that a server has stopped, and how many requests it did not answer."""
    if not unanswered:
        return "Stopped; all requests in progress were answered."
    return f"Stopped; {unanswered} {'request was' if unanswered == 1 else 'requests were'} not answered."
