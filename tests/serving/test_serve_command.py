"""`transfer serve` as a command: one line when ready, a clean end on a signal, one line for what is wrong; the key."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.serving.raw import received, statuses
from tests.serving.running import ROOT, command, image, served, tiny_run
from tests.serving.test_tf_serving_api import b64
from transfer.cli import main
from transfer.errors import ConfigError
from transfer.serving.listening import is_loopback
from transfer.serving.settings import Settings, build, key_in

BODY = json.dumps({"instances": [b64(image())] * 100}).encode()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run(tmp_path_factory.mktemp("runs") / "colours")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_request_in_progress_is_answered_before_the_server_stops(run: Path, number: signal.Signals) -> None:
    with command(run) as (process, url):
        answers: list[httpx.Response] = []
        post = threading.Thread(target=lambda: answers.append(httpx.post(f"{url}/v1/models/colours:predict", content=BODY, timeout=60)))
        post.start()
        while post.is_alive() and "transfer_held_bytes 0.0" in httpx.get(f"{url}/metrics", timeout=60).text:
            time.sleep(0.001)  # the request has not arrived yet
        process.send_signal(number)
        post.join()
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(60) == 0
    assert answers[0].status_code == 200
    assert said == "Stopped; all requests in progress were answered.\n"


def test_requests_that_were_not_answered_before_the_server_stopped_are_told_and_counted(run: Path) -> None:
    with command(run, "--stop-seconds", "1") as (process, url):
        port = int(url.rpartition(":")[2])
        begun = (
            b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 9\r\n\r\n--x"
        )
        with socket.create_connection(("127.0.0.1", port)) as first, socket.create_connection(("127.0.0.1", port)) as second:
            for connection in (first, second):
                connection.settimeout(20)
                connection.sendall(begun)
            assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
            process.send_signal(signal.SIGTERM)
            answers = [received(connection) for connection in (first, second)]
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(60) == 0
    assert [statuses(answer) for answer in answers] == [[503], [503]]
    assert b"The server stopped before the request was answered." in answers[0]
    assert said == "Stopped; 2 requests were not answered.\n"


def run_command(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "transfer", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_port_in_use_is_one_line_before_tensorflow_is_loaded(run: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        began = time.monotonic()
        done = run_command("serve", str(run), "--port", str(port))
    assert time.monotonic() - began < 20
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"address already in use. Choose another --port (0: any that is free) or --host. Received 127.0.0.1:{port}." in done.stderr


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--port", "70000"], "--port must be at most 65535. Received --port 70000."),
        (["--name", "a/b"], "no slash and no colon. Received --name a/b."),
        (["--compute", "onnx"], "--compute must be one of: auto, tensorflow, openvino"),
        (["--max-images", "5000"], "queue_images must hold one request: at least max_images (5000)"),
        (["--allowed-host", "http://a.example"], "without scheme and port (*: any). Received --allowed-host"),
        (["--host", "no.such.host.invalid"], "There is no such address."),
        (["--api-key-env", "NOT_SET_ANYWHERE"], "Set it first. Received 'NOT_SET_ANYWHERE'"),
    ],
)
def test_wrong_options_are_one_line(run: Path, options: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", str(run), *options])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert error in said


def test_a_folder_that_is_no_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", str(tmp_path)])
    assert ended.value.code == 2
    assert "The folder is not a run" in capsys.readouterr().err


@pytest.mark.parametrize(("key", "warned"), [("", True), ("secret", False)])
def test_a_public_address_without_a_key_gives_a_warning(
    run: Path, key: str, warned: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Settings] = []
    monkeypatch.setattr("transfer.serving.server.serve", lambda opened, settings, taken: (served.append(settings), taken.close()))
    monkeypatch.setenv("TRANSFER_API_KEY", key)
    with pytest.raises(SystemExit) as ended:
        main(["serve", str(run), "--host", "0.0.0.0", "--port", "0"])
    assert (ended.value.code, served[0].host) == (0, "0.0.0.0")
    said = capsys.readouterr().err
    assert ("warning: anyone who can reach 0.0.0.0 can use this server" in said and "TRANSFER_API_KEY" in said) == warned
    assert "secret" not in said


def test_only_loopback_addresses_are_private() -> None:
    assert [is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "::", "example.org")] == [True] * 3 + [False] * 3


def test_the_key_is_required_everywhere_except_for_health_and_the_page(export: Path) -> None:
    asked = ["/v1/models/tiny", "/v1/models/tiny/metadata", "/metrics"]
    with served(export, api_key="secret") as running, running.client() as client:
        for path in asked:
            for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer secre"}, {"Authorization": "secret"}, {"X-API-Key": ""}):
                answer = client.get(path, headers=headers)
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
                assert "A key is required" in answer.json()["error"]
            for headers in ({"X-API-Key": "secret"}, {"Authorization": "Bearer secret"}, {"Authorization": "bearer secret"}):
                assert client.get(path, headers=headers).status_code == 200
        for path in ("/predict", "/explain", "/v1/models/tiny:predict"):
            assert client.post(path).status_code == 401
        for path in ("/healthz", "/", "/page/page.js", "/openapi.json"):
            assert client.get(path).status_code == 200
        document = client.get("/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key"}


def test_the_key_comes_from_the_environment_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRANSFER_API_KEY", raising=False)
    assert key_in("TRANSFER_API_KEY") is None
    monkeypatch.setenv("OTHER", "secret")
    key = key_in("OTHER")
    assert key is not None
    assert key.get_secret_value() == "secret"
    assert "secret" not in repr(Settings(api_key=key))
    monkeypatch.setenv("OTHER", "schlüssel")
    with pytest.raises(ConfigError, match="printable ASCII"):
        key_in("OTHER")


def test_settings_that_are_not_given_keep_their_defaults() -> None:
    assert build({"port": None, "name": "x"}) == Settings(name="x")
    with pytest.raises(ConfigError, match="held_mb must hold one request"):
        build({"max_body_mb": 1000})


@pytest.mark.parametrize(("side", "batch"), [(28, 256), (64, 128), (224, 10), (299, 8), (1024, 8)])
def test_batches_are_smaller_where_images_are_larger(side: int, batch: int) -> None:
    assert Settings().batch_of(side) == batch
    assert Settings(batch_images=3).batch_of(side) == 3


def test_help_names_the_environment_variable() -> None:
    done = run_command("serve", "--help")
    assert "TRANSFER_API_KEY" in done.stdout
    assert os.environ.get("TRANSFER_API_KEY") is None or os.environ["TRANSFER_API_KEY"] not in done.stdout
