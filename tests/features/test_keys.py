"""Keys of many records at once are those of each."""

from hypothesis import given
from hypothesis import strategies as st

from transfer.features.keys import by_image, by_name, key

digests = st.lists(st.binary(min_size=32, max_size=32).map(bytes.hex), max_size=6)
names = st.lists(st.tuples(st.sampled_from(["0", "1:augment", "2:augment"]), st.sampled_from(["top:avg", "top:max"])), max_size=5)


@given(digests, names)
def test_keys_of_many_are_those_of_each(digests: list[str], names: list[tuple[str, str]]) -> None:
    assert list(by_image(digests, names)) == [key(digest, *name) for digest in digests for name in names]
    assert list(by_name(digests, names)) == [key(digest, *name) for name in names for digest in digests]
