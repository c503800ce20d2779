"""Checksums of what is kept on disk."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from transfer.system.checksums import BYTES, checksum, checksum_of_file, sealed, unsealed


@given(st.binary(max_size=300))
def test_what_was_sealed_is_read_back_as_bytes_and_as_a_view(data: bytes) -> None:
    assert unsealed(sealed(data)) == data
    assert unsealed(memoryview(sealed(data))) == data


@given(st.binary(max_size=300), st.data())
def test_one_changed_bit_is_noticed(data: bytes, draw: st.DataObject) -> None:
    record = bytearray(sealed(data))
    bit = draw.draw(st.integers(0, 8 * len(record) - 1))
    record[bit // 8] ^= 1 << bit % 8
    assert unsealed(bytes(record)) is None


@given(st.binary(max_size=300), st.data())
def test_a_record_that_is_cut_is_noticed(data: bytes, draw: st.DataObject) -> None:
    assert unsealed(sealed(data)[: draw.draw(st.integers(0, len(data) + BYTES - 1))]) is None


def test_the_checksum_of_a_file_is_that_of_its_content(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000  # more than two blocks
    (tmp_path / "file").write_bytes(content)
    assert checksum_of_file(tmp_path / "file") == checksum(content).hex()
