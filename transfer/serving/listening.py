"""The address that a server listens on: taken before anything slow is loaded. Imports neither TensorFlow nor FastAPI."""

import ipaddress
import socket

from transfer.errors import RunError


def bound(host: str, port: int) -> socket.socket:
    """Take an address; nobody is let in yet.

    Raises:
        RunError: where it cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError):
        raise RunError(
            f"There is no such address. Expected a name or an IP address of this machine for --host. Received {host!r}."
        ) from None
    taken = socket.socket(family, kind, protocol)  # asyncio sends small answers at once (TCP_NODELAY) only where TCP is named
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except OSError as error:
        taken.close()
        raise not_had(host, port, error) from None
    return taken


def not_had(host: str, port: int, error: OSError) -> RunError:
    """Return what is said of an address that the system refuses."""
    reason = (error.strerror or str(error)).lower()
    return RunError(f"The address cannot be used: {reason}. Choose another --port (0: any that is free) or --host. Received {host}:{port}.")


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
