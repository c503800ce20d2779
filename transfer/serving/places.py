"""The places of a server: how many connections are served at the same time, and how many of one address."""

import ipaddress
from collections import Counter


class Places:
    """Who is served.

    Attributes:
        refused: connections that are open without having a place.
    """

    def __init__(self, connections: int, for_each: int) -> None:
        """Have room for so many connections, of one address at most `for_each`."""
        self._connections, self._for_each = connections, for_each
        self._taken: Counter[str] = Counter()
        self._all = self.refused = 0

    def take(self, address: str) -> str | None:
        """Give a connection a place; return why it gets none. Either way it must `leave`."""
        full = self._all >= self._connections
        if full or self._taken[address] >= self._for_each:
            self.refused += 1
            return "Too many connections." if full else "Too many connections from one address."
        self._all += 1
        self._taken[address] += 1
        return None

    def leave(self, address: str, had_place: bool) -> None:
        """Note that a connection is closed."""
        if not had_place:
            self.refused -= 1
            return
        self._all -= 1
        self._taken[address] -= 1
        if not self._taken[address]:
            del self._taken[address]


def owner(host: str) -> str:
    """Return what stands for whoever has an address: an IPv4 address itself, of an IPv6 address the network of one household."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:  # a socket without one
        return host
    if address.version == 4:
        return str(address)
    mapped = address.ipv4_mapped
    return str(mapped or ipaddress.ip_network((address, 64), strict=False))
