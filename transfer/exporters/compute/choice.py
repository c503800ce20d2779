"""An export, and the engine that was chosen for it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from transfer.errors import EngineError
from transfer.exporters.compute.facts import Facts, Preference
from transfer.exporters.compute.kept import Say, kept
from transfer.exporters.compute.network import Network, engine_name
from transfer.exporters.served import Answers, Served
from transfer.models import openvino_engine
from transfer.system import devices


@dataclass(frozen=True)
class Classifier:
    """An export with the engine that computes it.

    Attributes:
        served: the export.
        network: OpenVINO's; None: TensorFlow computes everything.
        facts: of both engines on this machine, if they have been measured.
    """

    served: Served
    network: Network | None = None
    facts: Facts | None = None

    @property
    def engine(self) -> str:
        """The engine, with its version."""
        return engine_name() if self.network else f"TensorFlow {tf.__version__}"

    @property
    def engines(self) -> list[dict[str, Any]]:
        """A row for each engine that was measured, with `name`, `images_per_second`, `latency_ms`, `chosen`, and OpenVINO's agreement."""
        if self.facts is None:
            return []
        by_openvino = self.network is not None
        ours = {**self.facts.openvino, **self.facts.agreement, "images": self.facts.images, "chosen": by_openvino}
        return [{**self.facts.tensorflow, "chosen": not by_openvino}, ours]

    def answer_decoded(self, images: np.ndarray) -> Answers:
        """Classify n decoded images; see `Served.answer_decoded`.

        Raises:
            tf.errors.OpError, EngineError: if the engine fails.
        """
        return self.network(images) if self.network else self.served.answer_decoded(images)

    def outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return all that the signature `images` returns, strings as objects, for n decoded images; see `answer_decoded`."""
        answers = self.answer_decoded(images)
        names = np.array([name.encode("utf-8", "surrogateescape") for name in self.served.labels], object)
        return {
            "classes": np.tile(names, (len(images), 1)),
            "is_ood": answers.is_ood,
            "label": names[answers.probabilities.argmax(1)],
            "ood_score": answers.ood_score,
            "probabilities": answers.probabilities,
            "score": answers.probabilities.max(1),
        }


def alike(folder: Path, precision: str | None, trust: bool = False) -> Classifier:
    """Load an export for the engine that another process has chosen, which may run on another machine.

    Args:
        folder, trust: see `load`.
        precision: in which OpenVINO computes there; None: TensorFlow computes.

    Raises:
        RunError: if the export cannot be loaded.
        EngineError: if OpenVINO computes there and cannot do the same here.
    """
    served = Served(folder, trust)
    if precision is None:
        return Classifier(served)
    source = served.source()
    network = Network.of(source.definition, source.outputs, served.size, precision)
    if network.precision != precision:
        raise EngineError(
            f"OpenVINO does not compute in {precision} on this processor, as it does where it was chosen. Use another --compute."
        )
    return Classifier(served, network)


def load(folder: Path, preference: Preference, say: Say, trust: bool = False) -> Classifier:
    """Load an export and choose its engine. `auto` is TensorFlow on a GPU, and where OpenVINO is not installed.

    Args:
        folder: of one version, such as `export/1`.
        preference: with `openvino`, that is used even where it is slower.
        say: called with a line if something is measured, if OpenVINO computes, and if `auto` finds that it cannot.
        trust: load it whatever it could do; see `foreign.load`.

    Raises:
        RunError: if the export cannot be loaded.
        EngineError: if OpenVINO is asked for, and is missing, fails, or gives other answers.
    """
    served = Served(folder, trust)
    asked = preference.compute == "openvino"
    if not asked and (preference.compute == "tensorflow" or openvino_engine.version() is None or devices.gpu_names()):
        return Classifier(served)
    try:
        found = kept(served, folder, preference, say)
        if wrong := found.facts.disagreement(preference):
            raise EngineError(f"OpenVINO does not give the answers of this export: {wrong}.")
        if not found.facts.chooses_openvino(preference):
            return Classifier(served, None, found.facts)
        classifier = Classifier(served, found.network(served.size, preference.precision), found.facts)
        say(f"Computing with {classifier.engine}")
        return classifier
    except EngineError as error:
        if asked:
            raise
        say(f"{error} TensorFlow computes instead.")
        return Classifier(served)
