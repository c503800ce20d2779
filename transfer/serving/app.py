"""The server's routes, joined: TensorFlow Serving's interface, plain uploads, the page, health, metrics."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from transfer.serving import metrics, openapi
from transfer.serving.bodies import ClientGoneError
from transfer.serving.engine import Engine
from transfer.serving.file_routes import FileRoutes
from transfer.serving.gate import Gate
from transfer.serving.page_files import PageFiles
from transfer.serving.refusals import RefusedError
from transfer.serving.tf_routes import TfRoutes, answer, malformed

_MODEL = "/v1/models/{name}"
_VERSION = _MODEL + "/versions/{version}"
_PREDICT = re.compile(r"/v1/models/(?P<name>[^/]+?)(?:/versions/(?P<version>[^/]+))?:predict", re.DOTALL)
_OPEN = ("/", "/healthz", "/openapi.json")


def create_app(engine: Engine) -> Gate:
    """Return the ASGI application of a server; its lifespan starts and stops the engine."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await engine.start()
        yield
        await engine.stop()

    app = FastAPI(
        title="transfer", version="1", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False,
        description="An image classifier. TensorFlow Serving's REST interface, plain file uploads, and a page for people.",
    )  # fmt: skip
    models = TfRoutes(engine)
    _model_routes(app, models)
    _own_routes(app, engine, FileRoutes(engine), PageFiles())
    _errors(app)
    key = engine.settings.api_key
    if key is not None:
        _document_key(app)
    return Gate(_with_short_way(app, models), engine.metrics, key.get_secret_value() if key else None, _is_open, _counted_as)


def _with_short_way(app: FastAPI, models: TfRoutes) -> Any:
    """Let predict go straight to its handler: FastAPI's way there costs as much as the rest of a small request."""

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        found = _PREDICT.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await app(scope, receive, send)
            return
        response = await models.predict(Request({**scope, "path_params": found.groupdict()}, receive))
        await response(scope, receive, send)

    return dispatch


def _model_routes(app: FastAPI, routes: TfRoutes) -> None:
    def add(path: str, method: str, endpoint: Any, described: dict[str, Any], name: str) -> None:
        app.add_api_route(path, endpoint, methods=[method], operation_id=name, response_model=None, **described)

    add(_MODEL + ":predict", "POST", routes.predict, openapi.predict("name"), "predict")
    add(_VERSION + ":predict", "POST", routes.predict, openapi.predict("name", "version"), "predict_version")
    add(_MODEL + "/metadata", "GET", routes.metadata, openapi.metadata("name"), "metadata")
    add(_VERSION + "/metadata", "GET", routes.metadata, openapi.metadata("name", "version"), "metadata_version")
    add(_MODEL, "GET", routes.status, openapi.status("name"), "status")
    add(_VERSION, "GET", routes.status, openapi.status("name", "version"), "status_version")


def _own_routes(app: FastAPI, engine: Engine, files: FileRoutes, page: PageFiles) -> None:
    async def healthz(request: Request) -> Response:
        content = {"status": "ok", "model": engine.settings.name, "version": str(engine.versions.current.version)}
        return answer(orjson.dumps(content))

    async def counters(request: Request) -> Response:
        return Response(engine.read_metrics(), headers={"content-type": metrics.CONTENT_TYPE})

    async def page_file(request: Request) -> Response:
        found = page.get(**request.path_params)
        if found is None:
            raise HTTPException(404)
        return found

    app.add_api_route("/predict", files.predict, methods=["POST"], operation_id="classify_files", response_model=None, **openapi.files())
    app.add_api_route("/explain", files.explain, methods=["POST"], operation_id="explain", response_model=None, **openapi.explain())
    app.add_api_route("/healthz", healthz, methods=["GET"], operation_id="health", response_model=None, **openapi.health())
    app.add_api_route("/metrics", counters, methods=["GET"], operation_id="metrics", response_model=None, **openapi.metrics())
    app.add_route("/", page_file, methods=["GET"], include_in_schema=False)
    app.add_route("/page/{name}", page_file, methods=["GET"], include_in_schema=False)


def _errors(app: FastAPI) -> None:
    async def refused(request: Request, error: Any) -> Response:
        return _refusal(error)

    async def unknown(request: Request, error: Any) -> Response:
        if error.status_code == 404 and request.url.path.startswith("/v1/"):
            return _refusal(malformed(request))
        text = {404: "There is nothing at this address.", 405: f"Malformed request: {request.method} is not for this address."}
        headers = dict(error.headers or {})
        return _refusal(RefusedError(error.status_code, text.get(error.status_code, "The request cannot be used."), headers))

    async def gone(request: Request, error: Any) -> Response:
        raise error

    async def failed(request: Request, error: Any) -> Response:
        return _refusal(RefusedError(500, "The server failed at this request."))

    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(HTTPException, unknown)
    app.add_exception_handler(ClientGoneError, gone)
    app.add_exception_handler(Exception, failed)


def _refusal(refusal: RefusedError) -> Response:
    content = orjson.dumps({"error": refusal.text.encode("utf-8", "replace").decode()})
    return Response(content, refusal.status, refusal.headers, "application/json")


def _document_key(app: FastAPI) -> None:
    """Say in the OpenAPI document that a key is needed, and how it is sent."""
    plain = app.openapi

    def with_key() -> dict[str, Any]:
        document = plain()
        schemes = {"bearer": {"type": "http", "scheme": "bearer"}, "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}}
        document.setdefault("components", {})["securitySchemes"] = schemes
        document["security"] = [{name: []} for name in schemes]
        return document

    app.openapi = with_key  # type: ignore[method-assign]


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith("/page/")


def _counted_as(path: str) -> str:
    """Return the name under which a path is counted: one of a few, whatever clients ask for."""
    if path in ("/predict", "/explain", "/healthz", "/metrics", "/"):
        return path
    if path.startswith("/v1/models/"):
        return "/v1/models:predict" if path.endswith(":predict") else "/v1/models"
    return "other"
