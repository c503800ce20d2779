"""What a cell of a CSV file that people open in a spreadsheet may hold, and how any text is kept in one unchanged.

Two kinds of text do not survive there. A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula and
runs it: such a cell is written with an apostrophe before it (`'=cats`), which spreadsheets and `text` below take for "this
is text". A path gets `./` instead, and stays a path. The other kind are names of files that are no Unicode: their bytes
are written as `\\udce9` (the byte E9), so that the file as a whole stays UTF-8.

Formulas: https://owasp.org/www-community/attacks/CSV_Injection.
"""

import re

_STARTS = "=+\\-@\t\r\n"
_TO_GUARD = re.compile(f"'*[{_STARTS}]")
_GUARDED = re.compile(f"'+[{_STARTS}]")
_ESCAPED = re.compile(r"\\udc([0-9a-f]{2})")
_SURROGATES = re.compile("[\udc80-\udcff]")
_LOOKS_ESCAPED = re.compile(r"\\(?=udc[0-9a-f]{2})")


def cell(value: str) -> str:
    """Return a text as it is written into a cell; `text` gives it back."""
    value = escaped(value)
    return "'" + value if _TO_GUARD.match(value) else value


def text(value: str) -> str:
    """Return the text that a cell stands for."""
    return unescaped(value[1:] if _GUARDED.match(value) else value)


def path_cell(path: str) -> str:
    """Return a relative path as it is written into a cell; it names the same file, once `unescaped`."""
    path = escaped(path)
    return "./" + path if path[:1] in tuple("=+-@\t\r\n") else path


def unescaped(value: str) -> str:
    """Return a text with `\\udce9` and its kind turned into the byte they stand for (as Python keeps it: a surrogate)."""
    if "\\udc" not in value:
        return value
    return _ESCAPED.sub(lambda found: chr(code if (code := int(found[1], 16)) < 128 else 0xDC00 + code), value)


def escaped(value: str) -> str:
    """Return a text as UTF-8 can hold it; `unescaped` gives it back."""
    value = _LOOKS_ESCAPED.sub(r"\\udc5c", value)
    return _SURROGATES.sub(lambda found: f"\\udc{ord(found[0]) - 0xDC00:02x}", value)
