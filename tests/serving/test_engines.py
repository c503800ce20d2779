"""The server with OpenVINO: the same answers as with TensorFlow, its own decoder's errors, and new versions with their engine."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.serving import running, tiny_export
from tests.serving.running import Running, image, served, truncated
from tests.serving.test_tf_serving_api import ask, b64
from transfer.errors import EngineError, RunError
from transfer.exporters.compute.facts import Preference
from transfer.models import openvino_engine
from transfer.serving.model import Loaded, load
from transfer.serving.versions import Versions

if openvino_engine.version() is None:
    pytest.skip("needs: pip install -e '.[openvino]'", allow_module_level=True)

OPENVINO = Preference("openvino", "float32", 1e-3, 0.05, Path("none.npz"))
IMAGES = [image("red"), image("blue", kind="PNG"), image("white", (300, 200)), image("green")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSFER_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def both(export: Path, home: None) -> tuple[Loaded, Loaded]:
    said: list[str] = []
    by_openvino, by_tensorflow = load(export / "1", preference=OPENVINO, say=said.append), load(export / "1")
    assert by_openvino.engine.startswith("OpenVINO ") and said[-1] == f"Computing with {by_openvino.engine}"
    return by_openvino, by_tensorflow


@pytest.fixture(scope="module")
def server(export: Path, both: tuple[Loaded, Loaded]) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "_load", lambda folder: both[0])
        with served(export) as started:
            yield started


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("signature", ["serving_default", "images", "explain"])
def test_every_signature_answers_as_it_does_in_tensorflow(both: tuple[Loaded, Loaded], signature: str, count: int) -> None:
    inputs = {
        "serving_default": {"image_bytes": IMAGES[:count]},
        "images": {"images": np.random.default_rng(0).uniform(0, 255, (count, 32, 32, 3)).tolist()},
        "explain": {"image_bytes": IMAGES[:count], "class_number": [1] * count},
    }[signature]
    ours, theirs = (loaded.signatures[signature].run(inputs) for loaded in both)
    assert set(ours) == set(theirs)
    for name, expected in theirs.items():
        assert (ours[name].dtype, ours[name].shape) == (expected.dtype, expected.shape)
        if expected.dtype == np.float32:
            np.testing.assert_allclose(ours[name], expected, atol=1e-5)
        else:
            assert ours[name].tolist() == expected.tolist()


def test_clients_get_the_same_answers(server: Running, both: tuple[Loaded, Loaded]) -> None:
    expected = both[1].signatures["serving_default"].run({"image_bytes": IMAGES})
    status, answer = ask(server, {"instances": [b64(one) for one in IMAGES]})
    assert status == 200
    rows = answer["predictions"]
    assert [row["label"] for row in rows] == [label.decode() for label in expected["label"]]
    assert [row["is_ood"] for row in rows] == expected["is_ood"].tolist()
    np.testing.assert_allclose([row["probabilities"] for row in rows], expected["probabilities"], atol=1e-5)
    with server.client() as client:
        uploaded = client.post("/predict", files=[("file", ("a.jpg", one)) for one in IMAGES]).json()
    assert [row["label"] for row in uploaded["predictions"]] == [row["label"] for row in rows]


def test_a_damaged_image_is_still_the_clients_error_and_spares_the_others(server: Running) -> None:
    status, answer = ask(server, {"instances": [b64(IMAGES[0]), b64(truncated())]})
    assert status == 400 and "error" in answer
    assert ask(server, {"instances": [b64(IMAGES[0])]})[0] == 200
    assert ask(server, {"instances": []})[0] == 400


def test_a_new_version_gets_its_engine_too(export: Path, home: None, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    shutil.copytree(export, folder)
    said: list[str] = []
    versions = Versions(folder, partial(load, preference=OPENVINO, say=said.append), said.append)
    tiny_export.write(folder / "2", sharpness=2.0)
    assert versions.look() is None
    newer = versions.look()
    assert newer is not None and newer.version == 2 and newer.engine.startswith("OpenVINO ")
    expected = load(folder / "2").signatures["serving_default"].run({"image_bytes": IMAGES})
    answers = newer.signatures["serving_default"].run({"image_bytes": IMAGES})
    np.testing.assert_allclose(answers["probabilities"], expected["probabilities"], atol=1e-5)


def test_an_engine_that_is_asked_for_and_fails_is_one_line(export: Path, home: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise EngineError("OpenVINO 2026.4 cannot compile this network.")

    monkeypatch.setattr(openvino_engine, "compiled", refused)
    with pytest.raises(RunError, match=r"^OpenVINO 2026\.4 cannot compile this network\.$"):
        load(export / "1", preference=OPENVINO)
