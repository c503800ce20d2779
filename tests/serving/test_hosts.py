"""Which Host and Origin a server without a key accepts."""

import socket

import pytest

from tests.serving.running import Running
from transfer.errors import ConfigError
from transfer.serving.hosts import Hosts
from transfer.serving.refusals import RefusedError
from transfer.serving.settings import build


def taken(hosts: Hosts, host: str | None, origin: str | None = None, method: str = "POST") -> bool:
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    headers += [] if origin is None else [(b"origin", origin.encode("latin-1"))]
    try:
        hosts.check(method, headers)
    except RefusedError as refusal:
        assert refusal.status == 403
        return False
    return True


_LOCAL = ["localhost", "LocalHost:8501", "localhost.", "localhost.:80", "127.0.0.1:8501", "127.8.8.8", "[::1]:8501", "[::ffff:127.0.0.1]"]
_FOREIGN = [
    "evil.example", "localhost.evil.example", "evil.example:8501", "127.0.0.1.evil.example", "localhost@evil.example", "localhost:x",
    "localhost, evil.example", "", "[::1", "192.168.1.5", "0.0.0.0", "2130706433", "127.1", "\xff", "a" * 1000, None,
]  # fmt: skip


@pytest.mark.parametrize("host", _LOCAL)
def test_names_of_this_machine_are_answered_to(host: str) -> None:
    assert taken(Hosts("127.0.0.1", ()), host)


@pytest.mark.parametrize("host", _FOREIGN)
def test_other_names_are_not(host: str | None) -> None:
    assert not taken(Hosts("127.0.0.1", ()), host)
    assert not taken(Hosts("127.0.0.1", ()), host, method="GET")


def test_two_headers_are_refused_even_if_both_are_good() -> None:
    with pytest.raises(RefusedError):
        Hosts("127.0.0.1", ()).check("GET", [(b"host", b"localhost")] * 2)


@pytest.mark.parametrize("listening", ["0.0.0.0", "::"])
def test_listening_on_all_addresses_any_address_is_answered_to_and_this_machines_name(listening: str) -> None:
    hosts = Hosts(listening, ("classifier",))
    good = ["10.1.2.3:8501", "[fd00::5]:8501", "localhost", "classifier:8501", f"{socket.gethostname()}:8501"]
    assert [taken(hosts, host) for host in good] == [True] * len(good)
    assert not taken(hosts, "evil.example")
    assert not taken(hosts, "10.1.2.3:8501", "http://6.6.6.6"), "another machine's page"
    assert taken(hosts, "10.1.2.3:8501", "http://10.1.2.3:8501")


def test_named_hosts_are_answered_to() -> None:
    assert taken(Hosts("192.168.1.5", ("Pictures.example.",)), "pictures.example:443")
    assert taken(Hosts("192.168.1.5", ()), "192.168.1.5:8501")
    assert not taken(Hosts("192.168.1.5", ()), "192.168.1.6:8501")
    assert taken(Hosts("127.0.0.1", ("*",)), "anything.example")
    assert not taken(Hosts("127.0.0.1", ("*",)), "anything.example", "http://evil.example")


@pytest.mark.parametrize(
    ("origin", "good"),
    [
        ("http://localhost:8501", True), ("http://127.0.0.1:3000", True), ("https://localhost", True), ("http://[::1]:8501", True),
        ("http://pictures.example", True), ("null", False), ("http://evil.example", False), ("file://", False), ("", False),
        ("http://localhost.evil.example", False), ("http://localhost@evil.example", False), ("http://6.6.6.6", False),
    ],
)  # fmt: skip
def test_what_makes_the_server_work_comes_from_its_own_pages(origin: str, good: bool) -> None:
    hosts = Hosts("127.0.0.1", ("pictures.example",))
    assert taken(hosts, "localhost:8501", origin) == good
    assert taken(hosts, "localhost:8501", origin, "GET"), "no page can read the answer"


def test_a_server_without_a_key_refuses_other_hosts_and_sites(server: Running) -> None:
    with server.client() as client:
        for path in ("/", "/healthz", "/page/page.js", "/v1/models/tiny", "/metrics"):
            assert client.get(path).status_code == 200
            assert client.get(path, headers={"Host": "evil.example", "X-Forwarded-Host": "localhost"}).status_code == 403
        answer = client.post("/explain", headers={"Origin": "http://evil.example"})
        assert answer.status_code == 403
        assert "--allowed-host" in answer.json()["error"]


def test_every_answer_forbids_other_sites_to_frame_load_or_guess_it(server: Running) -> None:
    with server.client() as client:
        for path in ("/", "/page/page.css", "/nothing", "/v1/models/tiny", "/healthz"):
            headers = client.get(path).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("name", ["http://a.example", "a.example:80", "a b", "", "[::1]:80"])
def test_allowed_hosts_are_names(name: str) -> None:
    with pytest.raises(ConfigError, match="without scheme and port"):
        build({"allowed_host": [name]})
    assert build({"allowed_host": ["a.example", "10.0.0.1", "::1", "*"]}).allowed_host[0] == "a.example"
