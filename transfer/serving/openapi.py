"""The OpenAPI description of each route: schemas of requests, answers and errors."""

import re
from typing import Any

Schema = dict[str, Any]

_ERRORS = {
    400: "The request, or an image in it, is not valid.",
    401: "The key is missing or wrong.",
    403: "Without a key: the Host is not one of this server's, or the Origin is another site.",
    404: "There is no such model or version.",
    405: "The method is not supported at this address.",
    408: "The request arrived too slowly.",
    413: "The request is too large, or has too many images.",
    415: "The body has an unsupported type or encoding.",
    429: "The server is busy; the header Retry-After says when to try again.",
    431: "The headers are too large or too many.",
    500: "The server failed.",
    503: "Too many connections, or the model does not answer.",
    504: "The answer took too long.",
}
_PLAIN = (400, 401, 403, 404, 405, 431, 503)
_WORKING = (400, 401, 403, 404, 408, 413, 415, 429, 431, 500, 503, 504)


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


def _form(properties: Schema, required: list[str]) -> Schema:
    return {"required": True, "content": {"multipart/form-data": {"schema": _object(properties, required)}}}


_BINARY: Schema = {"type": "string", "format": "binary"}

_ONE = _list(_B64, minItems=1)
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
        "classes": _list(_CLASS), "image": _TEXT, "heat": _TEXT, "resize": {"enum": ["stretch", "pad", "crop"]},
        "neighbours": _list(_object({"label": _TEXT, "distance": _NUMBER, "thumbnail": _TEXT})),
    }
)  # fmt: skip
_MODEL = _object({"name": _TEXT, "version": _TEXT})
_FILES = _object({"model": _MODEL, "predictions": _list(_FILE), "error": _TEXT}, ["model", "predictions"])
_HEALTH = _object({"status": _TEXT, "model": _TEXT, "version": _TEXT, "key_required": {"type": "boolean"}})
_ABOUT = _object({"name": _TEXT, "version": _TEXT, "engine": _TEXT, "side": {"type": "integer"}, "labels": _list(_TEXT), "card": _TEXT})
_MODEL_STATUS = _object({"model_version_status": _list(_STATUS)})
_CLASS_FIELD: Schema = {**_TEXT, "description": "class to explain; default: the most probable one"}

_OPERATIONS: dict[str, tuple[Schema, tuple[int, ...], Schema]] = {
    "predict": (_json(_PREDICT_ANSWER), _WORKING, {"requestBody": _PREDICT_BODY}),
    "metadata": (_json(_METADATA), _PLAIN, {}),
    "status": (_json(_MODEL_STATUS), _PLAIN, {}),
    "classify_files": (_json(_FILES), _WORKING, {"requestBody": _form({"file": _list(_BINARY, minItems=1)}, ["file"])}),
    "explain": (_json(_EXPLANATION), _WORKING, {"requestBody": _form({"file": _BINARY, "class": _CLASS_FIELD}, ["file"])}),
    "model": (_json(_ABOUT), (400, 401, 403, 431, 503), {}),
    "health": (_json(_HEALTH), (400, 403, 431, 503), {"security": []}),
    "metrics": ({"text/plain": {"schema": _TEXT}}, (400, 401, 403, 431, 503), {}),
}
_PARAMETERS: dict[str, Schema] = {"name": {**_TEXT, "pattern": "^[^/:]+$"}, "version": {**_TEXT, "pattern": "^[0-9]{1,18}$"}}


def described(operation: str, path: str) -> Schema:
    """Return the keyword arguments of a FastAPI route that describe an operation at a path."""
    content, errors, extra = _OPERATIONS[operation]
    responses: dict[int | str, Any] = {200: {"description": "The answer.", "content": content}}
    responses |= {status: {"description": _ERRORS[status], "content": _json(_ERROR)} for status in errors}
    names = re.findall(r"{(\w+)}", path)
    parameters = [{"name": name, "in": "path", "required": True, "schema": _PARAMETERS[name]} for name in names]
    return {"responses": responses, "openapi_extra": extra | ({"parameters": parameters} if parameters else {})}
