"""`/docs`: the interface of a server for those who write programs, made from its own OpenAPI document.

FastAPI's own page loads scripts from another host; this one needs neither that host nor scripts.
"""

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_TEMPLATE = Path(__file__).with_name("page") / "docs.html.jinja"
_DEEPEST = 3  # of nested fields that are listed

_TEXTS: dict[str, tuple[str, str, str]] = {
    "classify_files": (
        "Classify image files",
        "Any number of files, as a browser's form sends them. A file that cannot be read has an error of its own.",
        "curl -F file=@one.jpg -F file=@two.png {url}predict",
    ),
    "explain": (
        "Explain one image",
        "What the web page shows: the classes, a heat map of the evidence for one of them, and the most similar training images, as data "
        "URIs. The field resize says what of an image became the network's square: all of it (stretch, pad) or its middle (crop).",
        "curl -F file=@one.jpg -F class='{label}' {url}explain",
    ),
    "predict": (
        "TensorFlow Serving: predict",
        "Rows or columns of encoded images in base64; the metadata names other signatures. Clients of TensorFlow Serving need no change.",
        """curl -d '{{"instances": [{{"b64": "'$(base64 -w0 one.jpg)'"}}]}}' {url}v1/models/{name}:predict""",
    ),
    "metadata": ("TensorFlow Serving: metadata", "The signatures of the model: inputs and outputs.", "curl {url}v1/models/{name}/metadata"),
    "status": ("TensorFlow Serving: status", "The version that is served.", "curl {url}v1/models/{name}"),
    "model": ("The model", "Its name, version, classes and model card.", "curl {url}model"),
    "health": ("Health", "Whether the model answers: for load balancers. It needs no key.", "curl {url}healthz"),
    "metrics": ("Counters", "Requests, images and times, as Prometheus reads them.", "curl {url}metrics"),
}
"""Operation -> title, text, and a command that tries it."""


def render(document: Mapping[str, Any], name: str, labels: list[str]) -> str:
    """Return the page.

    Args:
        document: the OpenAPI document.
        name: of the model.
        labels: its classes, for the examples.
    """
    found: dict[str, dict[str, Any]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            of_version = operation["operationId"].removesuffix("_version")
            entry = found.setdefault(of_version, {"method": method.upper(), "paths": [], "operation": operation})
            entry["paths"].append(path)
    given = {"url": "http://HOST:PORT/", "name": name, "label": labels[0] if labels else ""}
    operations = [_described(key, found[key], given) for key in _TEXTS if key in found]
    own = {"description": document["info"]["description"], "key": "security" in document}
    return _template().render(name=name, operations=operations, **own)


@functools.cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))


def _described(key: str, entry: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    title, text, example = _TEXTS[key]
    responses = entry["operation"]["responses"]
    content = responses["200"].get("content", {}).get("application/json", {})
    return {
        "id": key,
        "title": title,
        "text": text,
        "method": entry["method"],
        "paths": entry["paths"],
        "example": example.format_map(given),
        "fields": list(_fields(content.get("schema", {}))),
        "errors": [(status, answer["description"]) for status, answer in responses.items() if status != "200"],
    }


def _fields(schema: Mapping[str, Any], before: str = "", deep: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the fields of an answer with their types; those of the rows of a list, too."""
    for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        yield from _fields(choice, before, deep)
    for name, inner in schema.get("properties", {}).items():
        rows = inner.get("items", {})
        what = f"list of {rows.get('type', 'value')}s" if inner.get("type") == "array" else inner.get("type", "any")
        yield before + name, what
        if deep < _DEEPEST:
            yield from _fields(rows or inner, f"{before}{name}[]." if rows else f"{before}{name}.", deep + 1)
