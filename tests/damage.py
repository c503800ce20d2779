"""What disks do to files: a bit that flips, a page of zeros, an end that is missing."""

from hypothesis import strategies as st


def damaged(drawn: st.DataObject, content: bytes) -> bytes:
    """Return some bytes with one damage; pages of zeros are the only ones that may change nothing."""
    kind = drawn.draw(st.sampled_from(["bit", "page", "cut"]), "kind")
    if kind == "cut":
        return content[: drawn.draw(st.integers(0, len(content) - 1), "length")]
    spoiled = bytearray(content)
    if kind == "bit":
        bit = drawn.draw(st.integers(0, 8 * len(content) - 1), "bit")
        spoiled[bit // 8] ^= 1 << bit % 8
    else:
        size = drawn.draw(st.sampled_from([16, 512, 4096]), "size")
        start = size * drawn.draw(st.integers(0, (len(content) - 1) // size), "page")
        spoiled[start : start + size] = bytes(len(spoiled[start : start + size]))
    return bytes(spoiled)
