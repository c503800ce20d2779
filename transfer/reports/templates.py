"""Templates -> pages: everything is escaped, and nothing is left undefined."""

import functools
import re
from typing import Any

import jinja2
from markupsafe import Markup, escape


def render(template: str, **content: Any) -> str:
    """Return a page from a template, named by its path from this folder, as text that can be written as UTF-8."""
    page = _environment().get_template(template).render(**content)
    return page.encode("utf-8", "replace").decode()


@functools.cache
def _environment() -> jinja2.Environment:
    loader = jinja2.PackageLoader("transfer.reports", ".")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["code"] = _code
    environment.filters["thousands"] = "{:,}".format
    return environment


def _code(text: str) -> Markup:
    """Escape a text and mark up what is between backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))
