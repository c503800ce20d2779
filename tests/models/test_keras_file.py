"""Keras files and weights that hold more than a network are refused before Keras reads them."""

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from transfer.errors import RunError, WeightsError
from transfer.models import backbones, keras_file, weights
from transfer.models.registry import BACKBONES
from transfer.system.progress import Silent


def small() -> keras.Model:
    images = keras.Input((4, 4, 3))
    return keras.Model(images, keras.layers.Dense(2, activation="relu", name="dense")(keras.layers.Flatten()(images)))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keras") / "model.keras"
    small().save(path)
    return path


@pytest.fixture
def not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise AssertionError("Keras has read it")

    monkeypatch.setattr(keras.saving, "load_model", load)
    monkeypatch.setattr(keras.Model, "load_weights", load)


def changed(good: Path, path: Path, change: Callable[[dict[str, bytes]], object], links: tuple[str, ...] = ()) -> Path:
    """Write a copy of a `.keras` file with other members; those in `links` are symbolic links."""
    with zipfile.ZipFile(good) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16 if name in links else 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def in_config(**dense: object) -> Callable[[dict[str, bytes]], object]:
    def change(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Dense").update(dense)
        members["config.json"] = json.dumps(config).encode()

    return change


def weights_of(path: Path, fill: Callable[[h5py.File], object]) -> Path:
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.ones((3, 2), np.float32)
        fill(file)
    return path


def external(file: h5py.File) -> None:
    file.create_dataset("layers/dense/vars/1", (8,), np.uint8, external=[("/etc/hostname", 0, 8)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), np.float32)
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "secret", (4,))
    file.create_virtual_dataset("layers/dense/vars/1", layout)


def enormous(file: h5py.File) -> None:
    file.create_dataset("layers/dense/vars/1", (1 << 40,), np.float32, chunks=(1 << 20,), compression="gzip")


def linked(file: h5py.File) -> None:
    file["layers/dense/vars/1"] = h5py.ExternalLink("/tmp/other.h5", "/secret")


def linked_above(file: h5py.File) -> None:
    file["elsewhere"] = h5py.ExternalLink("/tmp/other.h5", "/")
    file["layers/dense/vars/1"] = h5py.SoftLink("/elsewhere/secret")


WEIGHTS = {
    "a link to another file": (linked, "a link to another file: '/layers/dense/vars/1' is '/secret' in '/tmp/other.h5'"),
    "a link through a link": (linked_above, "a link to another file: '/elsewhere' is '/' in '/tmp/other.h5'"),
    "values in another file": (external, "values kept in another file: those of '/layers/dense/vars/1'"),
    "values of another file": (virtual, "values kept in another file: those of '/layers/dense/vars/1'"),
    "more values than there is memory": (enormous, "4,398 GB in a file of 0.0 MB"),
}

MEMBERS: dict[str, tuple[Callable[[dict[str, bytes]], object], str]] = {
    "a member above": (lambda members: members.update({"../../x.py": b"x"}), "the member '../../x.py'"),
    "a member anywhere": (lambda members: members.update({"/tmp/x.py": b"x"}), "the member '/tmp/x.py'"),
    "an asset": (lambda members: members.update({"assets/x": b"x"}), "the member 'assets/x'"),
    "a folder": (lambda members: members.update({"assets/": b""}), "the member 'assets/'"),
    "shards": (lambda members: members.update({"model.weights.json": b"{}"}), "the member 'model.weights.json'"),
    "arrays": (lambda members: members.update({"model.weights.npz": b""}), "the member 'model.weights.npz'"),
    "a bomb": (lambda members: members.update({"config.json": bytes(2 << 20)}), "0 GB in a file of 0.0 MB"),
    "a long configuration": (lambda members: members.update({"config.json": bytes((64 << 20) + 1)}), "a config.json of 67,108,865 bytes"),
    "a Lambda": (in_config(class_name="Lambda"), "Lambda, which brings code of its own"),
    "a lambda": (in_config(config={"activation": {"class_name": "__lambda__", "config": {}}}), "__lambda__, which brings code of its own"),
    "a SavedModel": (in_config(class_name="TFSMLayer", config={"filepath": "/tmp/x"}), "TFSMLayer, which brings code of its own"),
    "a vocabulary": (in_config(class_name="StringLookup"), "the layer StringLookup, which can read a file"),
    "another package": (in_config(module="os", class_name="system"), "os.system, which is not of Keras"),
    "a package like Keras": (in_config(module="keras_evil.layers"), "keras_evil.layers.Dense, which is not of Keras"),
}  # fmt: skip


@pytest.mark.parametrize("what", MEMBERS)
def test_a_keras_file_with_more_than_a_network_is_refused(
    what: str, good: Path, tmp_path: Path, not_read: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras_file, "_SMALL", 1 << 20 if what == "a bomb" else 1 << 30)
    change, found = MEMBERS[what]
    path = changed(good, tmp_path / "model.keras", change)
    with pytest.raises(RunError) as caught:
        keras_file.load(path)
    text = str(caught.value)
    assert f"Found {found}" in text
    assert "--trust" in text
    assert text.endswith(f"Received {str(path)!r}.")
    assert "\n" not in text


@pytest.mark.parametrize("what", WEIGHTS)
def test_weights_in_a_keras_file_lie_in_it(what: str, good: Path, tmp_path: Path, not_read: None) -> None:
    fill, found = WEIGHTS[what]
    inside = weights_of(tmp_path / "inside.h5", fill).read_bytes()
    path = changed(good, tmp_path / "model.keras", lambda members: members.update({"model.weights.h5": inside}))
    with pytest.raises(RunError, match="--trust") as caught:
        keras_file.load(path)
    assert f"Found {found}" in str(caught.value)


@pytest.mark.parametrize("ending", [".h5", ".weights.h5"])
@pytest.mark.parametrize("what", WEIGHTS)
def test_a_file_of_weights_is_whole(what: str, ending: str, tmp_path: Path, not_read: None) -> None:
    fill, found = WEIGHTS[what]
    path = weights_of(tmp_path / f"mine{ending}", fill)
    row = BACKBONES["mobilenet_v2"]
    with pytest.raises(WeightsError) as caught:
        weights.load(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")]), row, str(path), 0, Silent())
    assert f"Found {found}" in str(caught.value)
    assert str(caught.value).endswith(f"Save the network again with Keras, in one file. Received {str(path)!r}.")


def test_a_keras_file_of_weights_is_looked_at_too(good: Path, tmp_path: Path, not_read: None) -> None:
    path = changed(good, tmp_path / "mine.keras", in_config(class_name="Lambda"))
    with pytest.raises(WeightsError, match="Found Lambda"):
        weights.load(small(), BACKBONES["mobilenet_v2"], str(path), 0, Silent())


def test_links_within_the_file_are_followed_once(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        file["again"] = file["layers"]
        file["layers/round"] = file["/"]
        file["soft"] = h5py.SoftLink("/layers/dense")
        file["nowhere"] = h5py.SoftLink("/no/such")

    assert keras_file.found_in(weights_of(tmp_path / "own.h5", fill)) == ""


def test_a_model_of_keras_is_loaded(good: Path) -> None:
    assert keras_file.found_in(good) == ""
    assert keras_file.load(good).output_shape == (None, 2)


def test_a_lambda_is_loaded_where_the_user_trusts_it(tmp_path: Path) -> None:
    images = keras.Input((4,))
    keras.Model(images, keras.layers.Lambda(lambda x: x * 2, output_shape=(4,))(images)).save(tmp_path / "model.keras")
    with pytest.raises(RunError, match="Found Lambda"):
        keras_file.load(tmp_path / "model.keras")
    assert keras_file.load(tmp_path / "model.keras", trust=True).output_shape == (None, 4)


def test_every_backbone_is_one_that_is_loaded() -> None:
    # Without weights: what is looked at is the configuration.
    with keras.StatelessScope(initialize_variables=False):
        for row in BACKBONES.values():
            assert keras_file._in_config(json.loads(backbones.build(row, row.size).to_json())) == ""


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"noise" * 99], ids=["empty", "cut", "noise"])
def test_a_damaged_file_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(RunError, match="The Keras model could not be read: ") as caught:
        keras_file.load(path)
    assert "\n" not in str(caught.value)
