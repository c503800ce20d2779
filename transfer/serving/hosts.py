"""Which requests a server without a key takes from browsers: those of its own pages, whatever name a stranger gives this machine.

A page anywhere on the web can let a name of its own point to 127.0.0.1 (DNS rebinding), or post a form to it. Both carry a foreign
name: in the header Host, or in Origin.
"""

import functools
import ipaddress
import re
import socket
from collections.abc import Iterable, Sequence

from transfer.serving.refusals import RefusedError, shortened

ANY = "*"
_AUTHORITY = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[0-9a-z_.-]+)(?::(?P<port>[0-9]{1,5}))?")
_ORIGIN = re.compile(r"https?://(?P<authority>[^/?#@]+)", re.IGNORECASE)
_LONGEST = 300
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@functools.lru_cache(1024)
def _split(authority: bytes) -> tuple[str, str] | None:
    """Return name and port (empty where it is a scheme's own) of a Host header; None if it is none."""
    found = _AUTHORITY.fullmatch(authority.decode("latin-1").strip().lower())
    if found is None:
        return None
    port = found["port"] or ""
    return _canonical(found["name"]), "" if port in ("80", "443") else port


@functools.lru_cache(1024)
def address_in(name: str) -> _Address | None:
    """Return a name's IP address if it is one, of IPv4 also where it is written as IPv6."""
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def _canonical(name: str) -> str:
    address = address_in(name)
    return str(address) if address else name.lower().removesuffix(".")


def is_host(text: str) -> bool:
    """Return whether a text is the name or the address of a host, without a port."""
    return address_in(text) is not None or ((found := _AUTHORITY.fullmatch(text.lower())) is not None and found["port"] is None)


class Hosts:
    """The names that one server answers to."""

    def __init__(self, listening: str, allowed: Iterable[str]) -> None:
        """Answer to localhost, to the address listened on, and to those allowed.

        Args:
            listening: address or name listened on. If it stands for all addresses of this machine, all IP addresses and this
                machine's own name are answered to: a stranger's page has a name of its own, or an address that is not this machine's.
            allowed: further names; `*`: any.
        """
        names = [name for name in allowed if name != ANY]
        self._every = ANY in allowed
        own = address_in(listening)
        self._addresses = own is not None and own.is_unspecified
        self._names = {_canonical(name) for name in ("localhost", socket.gethostname() if self._addresses else listening, *names)}

    def check(self, method: str, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Check a request's Host, and where it comes from if it makes the server work.

        Raises:
            RefusedError: 403 if it is for another host, or from another site.
        """
        hosts = [value for name, value in headers if name == b"host"]
        host = _split(hosts[0]) if len(hosts) == 1 and len(hosts[0]) <= _LONGEST else None
        if not self._every and (host is None or not self._answers_to(host[0])):
            received = shortened(hosts[0].decode("latin-1")) if hosts else "none"
            raise RefusedError(
                403,
                "Without a key, this server answers to localhost, its own address, and what --allowed-host names. "
                f"Received the Host {received!r}.",
            )
        if method in _SAFE:
            return
        for name, value in headers:
            if name == b"origin" and not self._own_site(value, host):
                raise RefusedError(
                    403,
                    "Without a key, this server takes nothing from pages of other sites, unless --allowed-host names them. "
                    f"Received the Origin {shortened(value.decode('latin-1'))!r}.",
                )

    def _answers_to(self, name: str) -> bool:
        address = address_in(name)
        return name in self._names or (address is not None and (self._addresses or address.is_loopback))

    def _own_site(self, origin: bytes, host: tuple[str, str] | None) -> bool:
        found = _ORIGIN.fullmatch(origin[:_LONGEST].decode("latin-1"))
        site = _split(found["authority"].encode("latin-1")) if found else None
        if site is None:
            return False
        address = address_in(site[0])
        return site == host or site[0] in self._names or (address is not None and address.is_loopback)
