"""What a server says of itself: its model, the card beside it, and its interface for programs."""

import os
import shutil
from pathlib import Path

from tests.reports.page import Page
from tests.serving.running import Running, served
from transfer.runs import CARD as CARD_NAME
from transfer.runs import EXPORT_CHECKSUMS
from transfer.serving import docs
from transfer.serving.model import card_of

CARD = Path(EXPORT_CHECKSUMS).with_name(CARD_NAME)
CARD_TEXT = "# A card\n<script>alert(1)</script> caf\u00e9"


def version_with(folder: Path, export: Path) -> Path:
    shutil.copytree(export, folder)
    (folder / "1" / CARD).parent.mkdir(exist_ok=True)
    return folder / "1"


def test_the_interface_is_told_on_a_page_of_the_server_that_needs_nothing_from_elsewhere(server: Running) -> None:
    with server.client() as client:
        answer, operations = client.get("/docs"), client.get("/openapi.json").json()["paths"]
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    page = Page(answer.text)
    assert "script" not in page.tags and not page.values("style")
    for address in (*page.values("href"), *page.values("src")):
        assert not address.startswith(("http", "//", "/")), "it also works below another address"
    assert {path for path in operations if path in answer.text} == set(operations), "every operation is there"
    assert page.headings[:2] == ["Classify image files", "Explain one image"]


def test_every_operation_is_described(server: Running) -> None:
    with server.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    known = {operation["operationId"].removesuffix("_version") for methods in paths.values() for operation in methods.values()}
    assert known == set(docs._TEXTS)


def test_with_a_key_the_interface_and_the_name_are_open_and_the_model_is_not(export: Path) -> None:
    with served(export, api_key="key") as running, running.client() as client:
        assert "requires a key" in client.get("/docs").text
        assert client.get("/healthz").json()["key_required"] is True
        assert client.get("/model").status_code == 401
        assert client.get("/model", headers={"X-API-Key": "key"}).json()["name"] == "tiny"


def test_the_model_says_its_classes_and_its_card(tmp_path: Path, export: Path) -> None:
    version = version_with(tmp_path / "export", export)
    (version / CARD).write_text(CARD_TEXT, encoding="utf-8")
    with served(version.parent) as running, running.client() as client:
        found = client.get("/model").json()
        assert client.get("/healthz").json()["key_required"] is False
    assert found | {"engine": ""} == {
        "name": "tiny", "version": "1", "engine": "", "side": 32, "labels": ["red", "green", "blue"], "card": CARD_TEXT,
    }  # fmt: skip


def test_a_card_that_is_a_link_out_of_the_export_or_a_pipe_is_none(tmp_path: Path) -> None:
    secret, card = tmp_path / "secret.md", tmp_path / "export" / "1" / CARD
    secret.write_text("secret", encoding="utf-8")
    card.parent.mkdir(parents=True)
    version = tmp_path / "export" / "1"
    assert card_of(version) == ""
    card.symlink_to(secret)
    assert card_of(version) == ""
    card.unlink()
    os.mkfifo(card)
    assert card_of(version) == ""
    card.unlink()
    card.write_bytes(b"\xff" * (1 << 17))
    assert len(card_of(version)) == 1 << 16
