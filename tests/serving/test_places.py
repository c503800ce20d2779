"""Who gets a place on a server, and what stands for one client."""

import pytest

from transfer.serving.places import Places, owner


def test_one_address_takes_its_share_and_leaves_the_rest() -> None:
    places = Places(4, 2)
    assert [places.take("a") for _ in range(3)] == [None, None, "Too many connections from one address."]
    assert places.refused == 1
    assert [places.take(address) for address in ("b", "c", "d")] == [None, None, "Too many connections."]
    places.leave("a", True)
    places.leave("d", False)
    assert (places.take("d"), places.refused) == (None, 1)


@pytest.mark.parametrize(
    ("host", "stands"),
    [
        ("10.0.0.1", "10.0.0.1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("2001:db8::1", "2001:db8::/64"), ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"), ("", ""),
    ],
)  # fmt: skip
def test_a_network_of_ipv6_counts_as_one_address(host: str, stands: str) -> None:
    assert owner(host) == stands
