"""The fast test of pixels never says other than the decoder that everything else uses."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.decoding import encoders as e
from tests.data.decoding.test_decode_in_graph import BOMBS, EDITS, damaged
from tests.data.samples import CLOSE, EXACT, RGB
from transfer.data import pipeline
from transfer.data.decoding import decodable
from transfer.data.decoding.decodable import TOGETHER, DecodeTest
from transfer.data.decoding.examination import examine

NOT_WHOLE = "damaged: not a whole {} (truncated or broken)"
ALL = {**EXACT, **CLOSE, "turned JPEG": e.with_orientation(RGB, 6)}


TESTER = DecodeTest(1.0)


@pytest.fixture
def tester() -> DecodeTest:
    return TESTER  # its graphs take a second to build


def reasons(tester: DecodeTest, data: Sequence[bytes]) -> list[str]:
    return tester.reasons([(one, examine(one, "0" * 64, tester.max_megapixels)) for one in data])


def test_every_kind_that_the_decoder_reads_passes(tester: DecodeTest) -> None:
    assert dict(zip(ALL, reasons(tester, list(ALL.values())), strict=True)) == dict.fromkeys(ALL, "")


@pytest.mark.parametrize(
    ("kind", "name"), [("JPEG", "JPEG"), ("progressive JPEG", "JPEG"), ("PNG", "PNG"), ("GIF", "GIF"), ("lossy WebP", "WebP")]
)
def test_a_cut_file_fails_with_the_reason_of_the_decoder(tester: DecodeTest, kind: str, name: str) -> None:
    data = e.cut(ALL[kind], 0.8)
    assert reasons(tester, [data, ALL[kind]]) == [NOT_WHOLE.format(name), ""]


@pytest.mark.parametrize("size", [1, 5, TOGETHER, TOGETHER + 1, 2 * TOGETHER + 7])
def test_damaged_files_are_named_and_take_none_of_their_neighbours_with_them(tester: DecodeTest, size: int) -> None:
    files = [ALL[kind] for number, kind in zip(range(size), ["JPEG", "PNG", "grey JPEG", "grey PNG", "GIF"] * size, strict=False)]
    bad = sorted({0, size // 2, size - 1})
    for number in bad:
        files[number] = e.cut(files[number], 0.7)
    found = reasons(tester, files)
    assert [number for number, reason in enumerate(found) if reason] == bad
    assert {found[number].split(":")[0] for number in bad} == {"damaged"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_ordinary_images_do_not_need_the_slow_decoder(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tester, built = DecodeTest(1.0), []
    really: Callable[..., object] = decodable._compiled
    monkeypatch.setattr(decodable, "_compiled", lambda *what: built.append(what[:2]) or really(*what))
    assert reasons(tester, [ALL[kind]] * (2 * TOGETHER + 1)) == [""] * (2 * TOGETHER + 1)
    assert built == [(kind, TOGETHER), (kind, 1)]


def test_a_size_that_the_header_hides_is_refused_before_pixels_are_allocated(tester: DecodeTest) -> None:
    hidden = BOMBS["GIF with a large frame"]
    assert reasons(tester, [hidden]) in (["damaged: its header hides how large it is"], [NOT_WHOLE.format("GIF")])


def test_large_images_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decodable, "_LARGE", 100)
    tester, together = DecodeTest(1.0), []
    really = tester._decodes
    monkeypatch.setattr(tester, "_decodes", lambda kind, size, numbers, given: together.append(size) or really(kind, size, numbers, given))
    assert reasons(tester, [ALL["JPEG"]] * 6) == [""] * 6
    assert together == [1] * 6


@given(st.sampled_from(sorted(ALL)), st.one_of(st.just(1.0), st.floats(0, 1)), EDITS)
@settings(max_examples=150, deadline=None)
def test_damaged_bytes_get_the_verdict_of_the_decoder(kind: str, share: float, edits: list[tuple[float, int]]) -> None:
    data = damaged(ALL[kind], share, edits)
    header = examine(data, "0" * 64, 1.0)
    if data and not header.reason:
        assert TESTER.reasons([(data, header)]) == [TESTER._final_reason(data)]


def test_the_reasons_are_those_of_feature_extraction(tester: DecodeTest, tmp_path: Path) -> None:
    files = [e.cut(ALL[kind], share) for kind in ("JPEG", "PNG", "BMP", "lossy WebP") for share in (0.6, 0.95)]
    for number, data in enumerate(files):
        (tmp_path / str(number)).write_bytes(data)
    image_spec = pipeline.ImageSpec(16)
    expected = [pipeline.why_undecodable(str(tmp_path / str(number)).encode(), image_spec) for number in range(len(files))]
    headers = [examine(data, "0" * 64, 100.0) for data in files]
    readable = [number for number, header in enumerate(headers) if not header.reason]
    found = tester.reasons([(files[number], headers[number]) for number in readable])
    assert found == [expected[number] for number in readable]
    assert all(found)
