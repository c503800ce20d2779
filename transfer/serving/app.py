"""The server's routes: TensorFlow Serving's interface, plain uploads, the page, health, metrics."""

import functools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from transfer.reports.names import printable
from transfer.reports.templates import STYLE
from transfer.serving import docs, metrics, openapi
from transfer.serving.bodies import ClientGoneError
from transfer.serving.engine import Engine
from transfer.serving.file_routes import FileRoutes
from transfer.serving.gate import FAILED, Gate, error_response
from transfer.serving.hosts import Hosts
from transfer.serving.patience import Patient
from transfer.serving.refusals import RefusedError
from transfer.serving.tf_routes import TfRoutes, answer, malformed

_MODEL = "/v1/models/{name}"
_VERSION = _MODEL + "/versions/{version}"
_PREDICT = re.compile(r"/v1/models/(?P<name>[^/]+?)(?:/versions/(?P<version>[^/]+))?:predict", re.DOTALL)

_PAGE = Path(__file__).with_name("page")
_PAGE_HEADERS = {"Cache-Control": "no-cache", "Referrer-Policy": "no-referrer"}
_PAGE_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}


def create_app(engine: Engine) -> Gate:
    """Return the ASGI application of a server; its lifespan starts and stops the engine."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await engine.start()
        yield
        await engine.stop()

    app = FastAPI(
        title="transfer", version="1", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None,
        redirect_slashes=False,
        description="An image classifier: TensorFlow Serving's REST interface, plain file uploads, and a web page.",
    )  # fmt: skip
    models = TfRoutes(engine)
    _add_routes(app, engine, models)
    _add_page(app)
    _add_errors(app)
    key = engine.settings.api_key
    if key is not None:
        _document_key(app)
    hosts = Hosts(engine.settings.host, engine.settings.allowed_host)
    patient = Patient(_with_short_way(app, models), engine.settings.request_seconds, engine.settings.patience)
    return Gate(patient, engine.metrics, key.get_secret_value() if key else None, hosts)


def _with_short_way(app: FastAPI, models: TfRoutes) -> Any:
    """Route predict straight to its handler: FastAPI's routing costs as much as the rest of a small request."""

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        found = _PREDICT.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await app(scope, receive, send)
            return
        response = await models.predict(Request({**scope, "path_params": found.groupdict()}, receive))
        await response(scope, receive, send)

    return dispatch


def _add_routes(app: FastAPI, engine: Engine, models: TfRoutes) -> None:
    files = FileRoutes(engine)

    async def healthz(request: Request) -> Response:
        if not await engine.healthy():
            raise RefusedError(503, "The model does not answer.", {"Retry-After": "5"})
        own = {"model": engine.settings.name, "key_required": engine.settings.api_key is not None}
        return answer(orjson.dumps({"status": "ok", **own, "version": str(engine.versions.current.version)}))

    async def about(request: Request) -> Response:
        loaded = engine.versions.current
        content = {"name": engine.settings.name, "version": str(loaded.version), "engine": loaded.engine or "TensorFlow"}
        names = [printable(label) for label in loaded.labels]
        return answer(orjson.dumps(content | {"side": loaded.side, "labels": names, "card": loaded.card}))

    async def counters(request: Request) -> Response:
        return Response(engine.read_metrics(), headers={"content-type": metrics.CONTENT_TYPE})

    document = functools.cache(lambda: orjson.dumps(app.openapi()))  # open to everybody, and slow to write

    async def description(request: Request) -> Response:
        return answer(document())

    app.add_route("/openapi.json", description, methods=["GET"], include_in_schema=False)

    @functools.cache
    def written() -> str:
        return docs.render(app.openapi(), engine.settings.name, [printable(label) for label in engine.versions.current.labels])

    async def documents(request: Request) -> Response:
        return Response(written(), headers=_PAGE_HEADERS, media_type="text/html")

    app.add_route("/docs", documents, methods=["GET"], include_in_schema=False)

    def add(method: str, path: str, endpoint: Any, operation: str) -> None:
        name = f"{operation}_version" if path.startswith(_VERSION) else operation
        described = openapi.described(operation, path)
        app.add_api_route(path, endpoint, methods=[method], operation_id=name, response_model=None, **described)

    for path in (_MODEL, _VERSION):
        add("POST", f"{path}:predict", models.predict, "predict")
        add("GET", f"{path}/metadata", models.metadata, "metadata")
        add("GET", path, models.status, "status")
    add("POST", "/predict", files.predict, "classify_files")
    add("POST", "/explain", files.explain, "explain")
    add("GET", "/healthz", healthz, "health")
    add("GET", "/metrics", counters, "metrics")
    add("GET", "/model", about, "model")


def _add_page(app: FastAPI) -> None:
    """Serve the files of the web page, read once at the start: no name in a request ever becomes a path."""
    files = {file.name: file.read_bytes() for file in (*_PAGE.iterdir(), STYLE) if file.suffix in _PAGE_TYPES}

    async def page_file(request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        if name not in files:
            raise HTTPException(404)
        return Response(files[name], headers=_PAGE_HEADERS, media_type=_PAGE_TYPES[Path(name).suffix])

    app.add_route("/", page_file, methods=["GET"], include_in_schema=False)
    app.add_route("/page/{name}", page_file, methods=["GET"], include_in_schema=False)


def _add_errors(app: FastAPI) -> None:
    async def refused(request: Request, error: Any) -> Response:
        return error_response(error)

    async def unknown(request: Request, error: Any) -> Response:
        if error.status_code == 404 and request.url.path.startswith("/v1/"):
            return error_response(malformed(request))
        text = {404: "There is nothing at this address.", 405: f"Malformed request: {request.method} is not supported at this address."}
        headers = dict(error.headers or {})
        return error_response(RefusedError(error.status_code, text.get(error.status_code, "The request is not valid."), headers))

    async def gone(request: Request, error: Any) -> Response:
        raise error

    async def failed(request: Request, error: Any) -> Response:
        return error_response(FAILED)

    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(HTTPException, unknown)
    app.add_exception_handler(ClientGoneError, gone)
    app.add_exception_handler(Exception, failed)


def _document_key(app: FastAPI) -> None:
    """Say in the OpenAPI document that a key is required, and how to send it."""
    plain = app.openapi

    def with_key() -> dict[str, Any]:
        document = plain()
        schemes = {"bearer": {"type": "http", "scheme": "bearer"}, "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
        document.setdefault("components", {})["securitySchemes"] = schemes
        document["security"] = [{name: []} for name in schemes]
        return document

    app.openapi = with_key  # type: ignore[method-assign]
