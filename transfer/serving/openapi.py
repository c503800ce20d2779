"""What the OpenAPI document says of each route: forms of requests, of answers and of errors."""

from typing import Any

Schema = dict[str, Any]

_ERRORS = {
    400: "The request, or an image in it, cannot be used.",
    401: "The key is missing or wrong.",
    404: "There is no such model or version.",
    405: "The address is asked with another method.",
    408: "The request came too slowly.",
    413: "The request is too large, or has too many images.",
    415: "The body is of another kind.",
    429: "The server is busy; the header Retry-After says when to come back.",
    500: "The server failed.",
    503: "Too many connections.",
    504: "The answer took too long.",
}
_PLAIN = (400, 401, 404, 405, 503)
_WORKING = (400, 401, 404, 408, 413, 415, 429, 500, 503, 504)


def _object(properties: Schema, required: list[str] | None = None, **more: Any) -> Schema:
    names = list(properties) if required is None else required
    return {"type": "object", "properties": properties, **({"required": names} if names else {}), **more}


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_ERROR = _object({"error": _TEXT})
_B64 = _object({"b64": {"type": "string", "contentEncoding": "base64", "description": "an encoded image"}}, additionalProperties=False)
_PREDICTION = _object(
    {
        "probabilities": _list(_NUMBER), "classes": _list(_TEXT), "label": _TEXT, "score": _NUMBER, "ood_score": _NUMBER,
        "is_ood": {"type": "boolean"},
    },
    ["probabilities", "classes", "label", "score"],
)  # fmt: skip
_CLASS = _object({"name": _TEXT, "probability": _NUMBER})
_FILE = _object(
    {
        "file": _TEXT, "label": _TEXT, "score": _NUMBER, "is_ood": {"type": "boolean"}, "ood_score": _NUMBER,
        "classes": _list(_CLASS), "error": _TEXT,
    },
    ["file"],
)  # fmt: skip
_STATUS = _object({"version": _TEXT, "state": _TEXT, "status": _object({"error_code": _TEXT, "error_message": _TEXT})})


def _json(schema: Schema, example: Any = None) -> Schema:
    return {"application/json": {"schema": schema} | ({"example": example} if example is not None else {})}


def _route(answer: Schema, errors: tuple[int, ...], **extra: Any) -> Schema:
    """Return the keyword arguments of a FastAPI route."""
    responses: dict[int | str, Any] = {200: {"description": "The answer.", "content": answer}}
    responses |= {status: {"description": _ERRORS[status], "content": _json(_ERROR)} for status in errors}
    return {"responses": responses, "openapi_extra": extra}


def _parameters(*names: str) -> list[Schema]:
    schemas = {"name": {**_TEXT, "pattern": "^[^/:]+$"}, "version": {**_TEXT, "pattern": "^[0-9]{1,18}$"}}
    return [{"name": name, "in": "path", "required": True, "schema": schemas[name]} for name in names]


def _form(properties: Schema, required: list[str]) -> Schema:
    return {"required": True, "content": {"multipart/form-data": {"schema": _object(properties, required)}}}


_BINARY: Schema = {"type": "string", "format": "binary"}

_ONE = {**_list(_B64, minItems=1)}
_PREDICT_BODY = {
    "required": True,
    "content": _json(
        {
            "anyOf": [
                _object({"instances": {**_ONE, "description": "rows"}, "signature_name": {"const": "serving_default"}}, ["instances"]),
                _object(
                    {
                        "instances": _list(_object({"image_bytes": _B64}, additionalProperties=False), minItems=1),
                        "signature_name": {"const": "serving_default"},
                    },
                    ["instances"],
                ),
                _object(
                    {"inputs": _object({"image_bytes": _ONE}, additionalProperties=False), "signature_name": {"const": "serving_default"}},
                    ["inputs"],
                ),
                _object({"instances": _list({}, minItems=1), "signature_name": {"enum": ["images", "explain"]}}),
                _object({"inputs": {}, "signature_name": {"enum": ["images", "explain"]}}),
            ]
        },
        {"instances": [{"b64": "..."}]},
    ),
}
_PREDICT_ANSWER = {
    "oneOf": [
        _object({"predictions": _list({"anyOf": [_PREDICTION, {}]})}, additionalProperties=False),
        _object({"outputs": {}}, additionalProperties=False),
    ]
}
_METADATA = _object({"model_spec": _object({"name": _TEXT, "signature_name": _TEXT, "version": _TEXT}), "metadata": {"type": "object"}})
_EXPLANATION = _object(
    {
        "label": _TEXT, "score": _NUMBER, "is_ood": {"type": "boolean"}, "ood_score": _NUMBER, "explained": _TEXT,
        "classes": _list(_CLASS), "image": _TEXT, "heat": _TEXT,
        "neighbours": _list(_object({"label": _TEXT, "distance": _NUMBER, "thumbnail": _TEXT})),
    }
)  # fmt: skip
_MODEL = _object({"name": _TEXT, "version": _TEXT})
_FILES = _object({"model": _MODEL, "predictions": _list(_FILE), "error": _TEXT}, ["model", "predictions"])
_HEALTH = _object({"status": _TEXT, "model": _TEXT, "version": _TEXT})


def predict(*names: str) -> Schema:
    """Describe TensorFlow Serving's predict."""
    return _route(_json(_PREDICT_ANSWER), _WORKING, parameters=_parameters(*names), requestBody=_PREDICT_BODY)


def status(*names: str) -> Schema:
    """Describe TensorFlow Serving's model status."""
    return _route(_json(_object({"model_version_status": _list(_STATUS)})), _PLAIN, parameters=_parameters(*names))


def metadata(*names: str) -> Schema:
    """Describe TensorFlow Serving's metadata."""
    return _route(_json(_METADATA), _PLAIN, parameters=_parameters(*names))


def files() -> Schema:
    """Describe /predict."""
    return _route(_json(_FILES), _WORKING, requestBody=_form({"file": _list(_BINARY, minItems=1)}, ["file"]))


def explain() -> Schema:
    """Describe /explain."""
    form = _form({"file": _BINARY, "class": {**_TEXT, "description": "whose heat map is wanted; else of the most probable one"}}, ["file"])
    return _route(_json(_EXPLANATION), _WORKING, requestBody=form)


def health() -> Schema:
    """Describe /healthz."""
    return _route(_json(_HEALTH), (503,), security=[])


def metrics() -> Schema:
    """Describe /metrics."""
    return _route({"text/plain": {"schema": _TEXT}}, (401, 503))
