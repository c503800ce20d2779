"""The address that a server listens on, bound before anything slow is loaded. Imports neither TensorFlow nor FastAPI."""

import ipaddress
import socket

from transfer.errors import RunError


def bound(host: str, port: int, shared: bool = False) -> socket.socket:
    """Bind an address without accepting connections yet.

    Args:
        shared: bind it beside other sockets of this user that are shared (`share`).

    Raises:
        RunError: if it is invalid or in use.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError):
        raise RunError(
            f"There is no such address. Expected a name or an IP address of this machine for --host. Received {host!r}."
        ) from None
    taken = socket.socket(family, kind, protocol)  # asyncio sets TCP_NODELAY only if the protocol is given
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            share(taken)
        taken.bind(address)
    except OSError as error:
        taken.close()
        raise refused(host, port, error) from None
    return taken


def share(taken: socket.socket) -> None:
    """Let other sockets of this user be bound to the same address; the system shares out connections among those that listen."""
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def refused(host: str, port: int, error: OSError) -> RunError:
    """Return the error for an address that the system refuses."""
    reason = (error.strerror or str(error)).lower()
    return RunError(f"The address cannot be used: {reason}. Choose another --port (0: any that is free) or --host. Received {host}:{port}.")


def limit_unsent(listening: socket.socket, kilobytes: float, seconds: float) -> None:
    """Bound what the system keeps of answers that a client does not read, and for how long, on each connection to be accepted."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, round(kilobytes * 1000))
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
