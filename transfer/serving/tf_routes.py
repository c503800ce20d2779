"""The routes of TensorFlow Serving: predict, status, metadata, with its formats, messages and status codes."""

import re
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from transfer.exporters.served import wrong_class_number
from transfer.serving import base64_text, bodies, tf_json
from transfer.serving.engine import Engine
from transfer.serving.model import Loaded
from transfer.serving.pieces import Rows
from transfer.serving.refusals import ImageError, RefusedError, described, shortened

_VERSION = re.compile(r"[0-9]{1,18}")


class TfRoutes:
    """The handlers, for one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def predict(self, request: Request) -> Response:
        """Answer `POST /v1/models/NAME[/versions/N]:predict`."""
        engine, own = self._engine, self._engine.settings
        loaded = self._model(request, "Servable not found for request: {latest}", "Servable not found for request: {specific}")
        with engine.held.account() as need:
            body = await bodies.read(request.receive, request.scope["headers"], own.max_body_mb, need)
            question = await engine.parsed(loaded, body)
            del body
            _require_classes(question, loaded)
            try:
                outputs = await engine.rows(loaded, question.signature, question.inputs, question.rows)
            except ImageError as error:
                where = "of 'instances' list" if question.by_row else "of the inputs"
                received = _received(question.inputs, error)
                raise RefusedError(400, f"Failed to process element: {error.position} {where}. Error: {error.text}{received}") from None
            engine.metrics.answered.inc(question.rows)
            return answer(tf_json.dumps(outputs, question.by_row))

    async def status(self, request: Request) -> Response:
        """Answer `GET /v1/models/NAME[/versions/N]`."""
        loaded = self._model(request, "Could not find any versions of model {name}", "Could not find version {version} of model {name}")
        status = {"error_code": "OK", "error_message": ""}
        state = {"version": str(loaded.version), "state": "AVAILABLE", "status": status}
        return answer(orjson.dumps({"model_version_status": [state]}))

    async def metadata(self, request: Request) -> Response:
        """Answer `GET /v1/models/NAME[/versions/N]/metadata`."""
        loaded = self._model(request, "Servable not found for request: {latest}", "Servable not found for request: {specific}")
        spec = {"name": self._engine.settings.name, "signature_name": "", "version": str(loaded.version)}
        content: dict[str, Any] = {"model_spec": spec, "metadata": {"signature_def": {"signature_def": loaded.signature_def}}}
        return answer(orjson.dumps(content))

    def _model(self, request: Request, no_model: str, no_version: str) -> Loaded:
        """Return the model named by the address.

        Raises:
            RefusedError: 400 if the address is malformed, 404 if there is no such model or version.
        """
        name, version = request.path_params["name"], request.path_params.get("version")
        if request.method == "GET" and name.endswith(":predict"):
            raise RefusedError(405, f"Malformed request: GET {shortened(request.url.path, 200)}", {"Allow": "POST"})
        if ":" in name or (version is not None and not _VERSION.fullmatch(version)):
            raise malformed(request)
        loaded = self._engine.versions.current
        if name != self._engine.settings.name or (version is not None and int(version) != loaded.version):
            plain = shortened(name)
            words = {"name": plain, "version": version, "latest": f"Latest({plain})", "specific": f"Specific({plain}, {version})"}
            raise RefusedError(404, (no_model if version is None else no_version).format(**words))
        return loaded


def _require_classes(question: tf_json.Question, loaded: Loaded) -> None:
    """Check the classes that a request names by number.

    Raises:
        RefusedError: 400 for one that the model does not have.
    """
    numbers = question.inputs.get("class_number", ())
    if wrong := wrong_class_number(numbers, len(loaded.labels)):
        where = "of 'instances' list" if question.by_row else "of the inputs"
        raise RefusedError(400, f"Failed to process element: {wrong[0]} {where}. Error: {wrong[1]}")


def _received(inputs: Mapping[str, Rows], error: ImageError) -> str:
    """Return what was received instead of an image; empty if it is one."""
    data = next((rows[error.position] for rows in inputs.values() if isinstance(rows, list)), b"")
    if not data or not error.text.startswith("not an image"):
        return ""
    remedy = ' Base64 goes into {"b64": ...}.' if base64_text.is_like_base64(data[:400].decode("ascii", "replace")) else ""
    return f". Received {described(data)}.{remedy}"


def malformed(request: Request) -> RefusedError:
    """Return TensorFlow Serving's answer to an unknown address below /v1/."""
    return RefusedError(400, f"Malformed request: {request.method} {shortened(request.url.path, 200)}")


def answer(content: bytes, status: int = 200) -> Response:
    """Return a response with JSON that is already encoded."""
    return Response(content, status, media_type="application/json")
