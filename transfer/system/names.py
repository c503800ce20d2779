"""Names of files and classes made printable: one line, no control characters, no longer than there is room."""

import re

from rich.cells import cell_len, set_cell_size

_JOINERS = "\u200c\u200d"  # invisible, but part of the spelling of some languages and of some emoji
_GAP = "..."
_SURROGATES = re.compile("[\ud800-\udfff]")


def printable(name: str) -> str:
    r"""Return a name with everything that cannot be shown escaped: `\n`, `\x1b`, and `\xe9` for a byte that is no Unicode.

    A file's name may hold line breaks, codes that steer a terminal, marks that reverse the text, or bytes of another
    encoding (which Python keeps as surrogates). The result can be encoded as UTF-8 and stays on one line.
    """
    if name.isprintable():
        return name
    return "".join(letter if letter.isprintable() or letter in _JOINERS else _escaped(letter) for letter in name)


def utf8(text: str) -> str:
    r"""Return a text that can be encoded as UTF-8: as it is, but for bytes that are no Unicode, which are escaped: `\xe9`."""
    return text if text.isascii() else _SURROGATES.sub(lambda found: _escaped(found[0]), text)


def shortened(name: str, width: int) -> str:
    """Return a name of at most `width` columns of a terminal: the middle is left out where it is longer.

    The end of a path tells files apart, its beginning says which class: both stay.
    """
    if cell_len(name) <= width:
        return name
    room = max(width - len(_GAP), 2)
    head, tail = set_cell_size(name, room // 2), set_cell_size(name[::-1], room - room // 2)[::-1]
    return head.rstrip() + _GAP + tail.lstrip()


def _escaped(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps the bytes 0x80 to 0xff of a name that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode()
