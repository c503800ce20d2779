"""Any text as a cell of a CSV file that people open in a spreadsheet, and back again.

Two kinds of text do not survive there. A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@` as a formula: such a
cell is written with an apostrophe before it (`'=cats`), which means "this is text" to spreadsheets and to `text` below. A path
gets `./` instead, and stays a path. The other kind is file names that are not Unicode: their bytes are written as `\\udce9`
(the byte E9), so that the file stays UTF-8.

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
    """Return a text as it is written into a cell; `text` is the inverse."""
    value = escaped(value)
    return "'" + value if _TO_GUARD.match(value) else value


def text(value: str) -> str:
    """Return the text that a cell stands for."""
    return unescaped(value[1:] if _GUARDED.match(value) else value)


def path_cell(path: str) -> str:
    """Return a relative path as it is written into a cell; it names the same file once `unescaped`."""
    path = escaped(path)
    return "./" + path if path[:1] in tuple("=+-@\t\r\n") else path


def unescaped(value: str) -> str:
    """Return a text with `\\udce9` and the like turned into the bytes they stand for (in Python: surrogates)."""
    if "\\udc" not in value:
        return value
    return _ESCAPED.sub(lambda found: chr(code if (code := int(found[1], 16)) < 128 else 0xDC00 + code), value)


def escaped(value: str) -> str:
    """Return a text that UTF-8 can hold; `unescaped` is the inverse."""
    value = _LOOKS_ESCAPED.sub(r"\\udc5c", value)
    return _SURROGATES.sub(lambda found: f"\\udc{ord(found[0]) - 0xDC00:02x}", value)
