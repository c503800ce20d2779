"""The routes for plain file uploads: /predict for any number of images, /explain for one."""

from collections.abc import AsyncGenerator
from typing import Any

import orjson
from python_multipart.exceptions import MultipartParseError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from transfer.errors import DataError
from transfer.reports.names import printable
from transfer.serving import bodies
from transfer.serving.engine import Engine
from transfer.serving.pieces import Answer
from transfer.serving.refusals import ImageError, RefusedError, shortened
from transfer.serving.tf_routes import answer

_FIELDS = 16  # most parts of a form that are not files


class _InMemory(MultiPartParser):
    spool_max_size = 1 << 40  # the body is already in memory, and bounded: nothing is written to disk


class FileRoutes:
    """The handlers, for one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def predict(self, request: Request) -> Response:
        """Answer `POST /predict`: each file gets its classes, or its own error."""
        engine = self._engine
        loaded = engine.versions.current
        with engine.held.account() as need:
            form = await self._form(request, need)
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            if not files:
                raise RefusedError(400, "No file in the form. Expected multipart/form-data: curl -F file=@image.jpg")
            images = [await file.read() for file in files]
            results = await engine.images(loaded, images)
        names = [printable(label) for label in loaded.labels]
        rows = [{"file": file.filename or "", **_row(result, names)} for file, result in zip(files, results, strict=True)]
        content: dict[str, Any] = {"model": {"name": engine.settings.name, "version": str(loaded.version)}, "predictions": rows}
        if all(isinstance(result, ImageError) for result in results):
            return answer(orjson.dumps({"error": "No image could be classified.", **content}), 400)
        return answer(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY))

    async def explain(self, request: Request) -> Response:
        """Answer `POST /explain`: one file, and in the field `class` the class to explain."""
        engine = self._engine
        loaded = engine.versions.current
        with engine.held.account() as need:
            form = await self._form(request, need)
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            if len(files) != 1:
                raise RefusedError(400, f"Expected one file in the form: curl -F file=@image.jpg. Received {len(files)}.")
            wanted = form.get("class")
            if isinstance(wanted, UploadFile):
                raise RefusedError(400, "The field 'class' must be the name of a class. Received a file.")
            try:
                found = await engine.explain(loaded, await files[0].read(), wanted or None)
            except ImageError as error:
                raise RefusedError(400, f"The image cannot be explained: {error.text}.") from None
            except DataError as error:
                raise RefusedError(400, shortened(str(error), 500)) from None
        return answer(orjson.dumps(found))

    async def _form(self, request: Request, need: bodies.Need) -> FormData:
        own = self._engine.settings
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise RefusedError(415, "Expected multipart/form-data: curl -F file=@image.jpg")
        body = await bodies.read(request.receive, request.scope["headers"], own.max_body_mb, need)

        async def whole() -> AsyncGenerator[bytes, None]:
            yield body

        try:
            return await _InMemory(request.headers, whole(), max_files=own.max_images, max_fields=_FIELDS).parse()
        except MultiPartException as error:
            status = 413 if "Too many" in error.message else 400
            raise RefusedError(status, f"The form cannot be parsed: {error.message}") from None
        except (MultipartParseError, KeyError, ValueError, UnicodeError):
            raise RefusedError(400, "The form cannot be parsed: it is not valid multipart/form-data.") from None


def _row(result: Answer | ImageError, names: list[str]) -> dict[str, Any]:
    if isinstance(result, ImageError):
        return {"error": result.text}
    probabilities = result["probabilities"][0]
    best = int(probabilities.argmax())
    row: dict[str, Any] = {"label": names[best], "score": probabilities[best]}
    if "is_ood" in result:
        row |= {"is_ood": bool(result["is_ood"][0]), "ood_score": result["ood_score"][0]}
    order = (-probabilities).argsort(kind="stable")
    return row | {"classes": [{"name": names[number], "probability": probabilities[number]} for number in order]}
