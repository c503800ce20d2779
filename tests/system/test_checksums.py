"""Checksums of what is kept on disk."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from transfer.system.checksums import BYTES, checksum, checksum_of_file


@given(st.binary(min_size=1, max_size=300), st.data())
def test_one_changed_bit_changes_the_checksum(data: bytes, draw: st.DataObject) -> None:
    changed = bytearray(data)
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    changed[bit // 8] ^= 1 << bit % 8
    assert len(checksum(data)) == BYTES and checksum(bytes(changed)) != checksum(data) == checksum(memoryview(data))


def test_the_checksum_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000  # more than two blocks
    (tmp_path / "file").write_bytes(content)
    assert checksum_of_file(tmp_path / "file") == checksum(content).hex()
