"""What the cache keeps of an export's engines: the figures of both, and the graph if OpenVINO computes it. To freeze it takes seconds."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2

from transfer.errors import EngineError, StoreError
from transfer.exporters import foreign
from transfer.exporters.compute.facts import Facts, Preference, measured
from transfer.exporters.compute.network import Network, engine_name
from transfer.exporters.formats.graph import Source
from transfer.exporters.served import Served
from transfer.models import openvino_engine
from transfer.system import devices, sealed
from transfer.system.home import cache_home
from transfer.system.locks import alone
from transfer.system.resources import give_back

_FOLDER, _ENDING = "engines", ".npz"
_FORMAT = 1  # of a file
_FILES = 16  # the last used ones: with VGG16's graph, one takes 60 MB

Say = Callable[[str], None]


@dataclass(frozen=True)
class Kept:
    """What is kept of one export on one machine.

    Attributes:
        facts: the figures of both engines.
        outputs: name of each output -> name of its tensor in the graph.
        graph: frozen, serialized; empty where TensorFlow computes.
    """

    facts: Facts
    outputs: dict[str, str]
    graph: bytes

    @classmethod
    def read(cls, path: Path | None) -> Self | None:
        """Return it; None if it is missing or damaged."""
        stored = None if path is None else sealed.read_arrays(path)
        if path is None or stored is None:
            return None
        with suppress(OSError):
            os.utime(path)
        about = json.loads(str(stored["about"]))
        return cls(Facts(**about["facts"]), about["outputs"], stored["graph"].tobytes())

    def write(self, path: Path) -> None:
        """Write it atomically, and delete those that were not used for longest. On a full disk it is not kept, and measured again."""
        about = json.dumps({"facts": asdict(self.facts), "outputs": self.outputs})
        with suppress(OSError):
            sealed.write_arrays(path, {"about": np.array(about), "graph": np.frombuffer(self.graph, np.uint8)})
            for file in sorted(path.parent.glob(f"*{_ENDING}"), key=os.path.getmtime)[:-_FILES]:
                file.unlink(missing_ok=True)

    def network(self, size: int, precision: str) -> Network:
        """Return the network, compiled; see `Network.of`."""
        return Network.of(graph_pb2.GraphDef.FromString(self.graph), self.outputs, size, precision)


def kept(served: Served, folder: Path, preference: Preference, say: Say) -> Kept:
    """Return what is kept of an export; what is missing is measured or frozen now.

    Args:
        served: the export, loaded from `folder`.
        say: called with a line before and after the engines are measured.

    Raises:
        EngineError: if OpenVINO cannot be used, or not for this export.
    """
    openvino_engine.require()  # before anything is computed in vain

    def is_enough(found: Kept) -> bool:
        return bool(found.graph) or not found.facts.chooses_openvino(preference)

    path = _path(folder, preference)
    found = Kept.read(path)
    if found is not None and is_enough(found):
        return found
    with _turn(path):
        found = Kept.read(path)  # another process may just have written it
        if found is not None and is_enough(found):
            return found
        try:
            source = served.source()
            facts = found.facts if found else _measured(served, source, preference, say)
        except (tf.errors.OpError, RuntimeError, ValueError, KeyError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise EngineError(f"OpenVINO could not be tried with this export: {reason}.") from None
        made = Kept(facts, source.outputs, source.definition.SerializeToString())
        if path is not None:
            (made if facts.chooses_openvino(preference) else replace(made, graph=b"")).write(path)
    del source
    give_back()
    return made


def _measured(served: Served, source: Source, preference: Preference, say: Say) -> Facts:
    say("Measuring TensorFlow and OpenVINO, once for this machine and export")
    by_openvino = Network.of(source.definition, source.outputs, served.size, preference.precision)
    facts = measured(served, by_openvino, (source.name, engine_name()), preference.reference)
    rates = ", ".join(f"{engine['name']} {engine['images_per_second']:.1f}" for engine in (facts.tensorflow, facts.openvino))
    say(f"{rates} images/s; largest difference of a probability {facts.agreement['largest_difference']:.2g}")
    return facts


def _path(folder: Path, preference: Preference) -> Path | None:
    """Return the file of an export on this machine; None where there is no cache: then it is measured at each start."""
    identity = {
        "format": _FORMAT, "machine": devices.machine(), "openvino": openvino_engine.version(), "precision": preference.precision,
        "export": foreign.digest(folder),
    }  # fmt: skip
    name = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    try:
        place = cache_home() / _FOLDER
        place.mkdir(parents=True, exist_ok=True)
    except (OSError, StoreError):
        return None
    return place / f"{name}{_ENDING}"


@contextmanager
def _turn(path: Path | None) -> Iterator[None]:
    """Let one process at a time measure: two at once would disturb each other, and might disagree."""
    if path is None or not os.access(path.parent, os.W_OK):
        yield
        return
    with alone(path.parent / "lock"):
        yield
