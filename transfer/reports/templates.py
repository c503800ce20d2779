"""Templates -> pages: everything is escaped, and nothing is left undefined."""

import functools
import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

# Pages load nothing: whatever text in them became markup, it could run no script, send no form, and reach no other place. (Who may
# frame a page cannot be said in the page; files have no headers.)
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

STYLE = Path(__file__).with_name("style.css")
"""The style sheet of all pages, with their colours for light and dark screens and for paper."""


def render(template: str, **content: Any) -> str:
    """Return a page from a template, named by its path from this folder, as text that can be written as UTF-8."""
    page = _environment().get_template(template).render(**content)
    return page.encode("utf-8", "replace").decode()


@functools.cache
def _environment() -> jinja2.Environment:
    loader = jinja2.PackageLoader("transfer.reports", ".")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["code"] = _code
    environment.globals["policy"] = Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">')
    environment.globals["style"] = Markup(STYLE.read_text(encoding="utf-8"))
    environment.filters["thousands"] = "{:,}".format
    return environment


def _code(text: str) -> Markup:
    """Escape a text and mark up what is between backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))
