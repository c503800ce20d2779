"""The files of the web page, read once at the start: no name in a request ever becomes a path."""

import mimetypes
from pathlib import Path

from starlette.responses import Response

FOLDER = Path(__file__).with_name("page")
_INDEX = "index.html"
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache", "Referrer-Policy": "no-referrer"}
_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml", ".woff2": "font/woff2"}


class PageFiles:
    """The page, by the names of its files."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()} if folder.is_dir() else {}

    def get(self, name: str = _INDEX) -> Response | None:
        """Return a file of the page, or None where there is none of this name."""
        content = self._files.get(name)
        if content is None:
            return None
        suffix = Path(name).suffix
        kind = _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
        return Response(content, headers=_HEADERS, media_type=kind)
