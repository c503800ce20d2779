"""Files -> what a run's export says of them, with reading and decoding ahead of the network.

Which images make a batch depends on the files alone, never on timing: the same files get the same answers to the last bit,
whatever was interrupted in between.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain, islice

import numpy as np
import tensorflow as tf

from transfer.data.storage import CONNECTIONS
from transfer.errors import EngineError, RunError
from transfer.exporters.compute.choice import Classifier
from transfer.exporters.served import Answers, Served
from transfer.runs import Run
from transfer.serving.batch.images import Decoded, Decoder, Fetched, spec_of
from transfer.serving.batch.shards import identities_of
from transfer.serving.batch.tables import Rows
from transfer.serving.settings import images_at_once
from transfer.system.progress import Advance
from transfer.system.resources import ahead, cores

_SEGMENT = 128  # files in a segment, rounded up to whole batches


@dataclass(frozen=True)
class Predictor:
    """An export with its engine, and the decoder that works ahead of it.

    Attributes:
        batch_size: most images given to the network at once.
        threads: that read and decode.
    """

    classifier: Classifier
    decoder: Decoder
    batch_size: int
    threads: int = field(default_factory=cores)

    @classmethod
    def of(cls, run: Run, classifier: Classifier, batch_size: int | None, connections: int = CONNECTIONS) -> "Predictor":
        """Return the predictor of a run whose export is loaded.

        Args:
            batch_size: None: depends on the size of its images.
            connections: see `spec_of`.
        """
        size = classifier.served.size
        return cls(classifier, Decoder(spec_of(run, size, connections)), batch_size or images_at_once(size))

    @property
    def served(self) -> Served:
        """The export."""
        return self.classifier.served

    @property
    def segment(self) -> int:
        """Files whose answers are yielded together."""
        return self.batch_size * -(-_SEGMENT // self.batch_size)

    def answers(self, files: Sequence[str], advance: Advance = lambda count: None) -> Iterator[tuple[np.ndarray, Rows]]:
        """Yield the positions of the files of each segment, int64 [m], and their rows: a worker of an engine.

        Args:
            advance: called with the number of files in each batch.

        Raises:
            RunError: if the network fails, for example for lack of memory.
        """
        segments = [range(start, min(start + self.segment, len(files))) for start in range(0, len(files), self.segment)]
        together = self.decoder.together
        identities = deque[np.ndarray]()

        def groups() -> Iterator[tuple[Sequence[str], list[Fetched]]]:
            for segment in segments:
                own = files[segment.start : segment.stop]
                identities.append(identities_of(own))  # before they are read
                for start in range(0, len(own), together):
                    group = own[start : start + together]
                    yield group, list(islice(fetched, len(group)))

        waiting = 2 * -(-self.batch_size // together) + 2 * self.threads
        with (
            closing(self.decoder.fetched(files)) as fetched,
            closing(ahead(lambda group: self.decoder.decode(*group), groups(), self.threads, waiting)) as decoded,
        ):
            images = chain.from_iterable(decoded)
            for segment in segments:
                errors, found = self._answered(islice(images, len(segment)), advance)
                yield np.arange(segment.start, segment.stop), _filled(errors, found, len(self.served.labels), identities.popleft())

    def _answered(self, images: Iterator[Decoded], advance: Advance) -> tuple[list[str], list[Answers]]:
        """Classify the images of one segment, batch by batch; return the reason for each file that is none, and the answers."""
        errors: list[str] = []
        batch: list[np.ndarray] = []
        answers: list[Answers] = []

        def classify() -> None:
            answers.append(self._classified(np.stack(batch)))
            advance(len(batch))
            batch.clear()

        for image in images:
            if isinstance(image, str):
                errors.append(image)
                advance(1)
                continue
            errors.append("")
            batch.append(image)
            if len(batch) == self.batch_size:
                classify()
        if batch:
            classify()
        return errors, answers

    def _classified(self, images: np.ndarray) -> Answers:
        try:
            return self.classifier.answer_decoded(images)
        except tf.errors.ResourceExhaustedError:
            what = "There is too little memory for a batch of this size. Choose a smaller --batch-size"
            raise RunError(f"{what}. Received {len(images)}.") from None
        except EngineError as error:
            raise RunError(f"{error} Received {len(images)} images.") from None
        except tf.errors.OpError as error:
            raise RunError(f"The export fails: {error.message.splitlines()[0]}. Received {len(images)} images.") from None


def _filled(errors: list[str], answers: Sequence[Answers], classes: int, identities: np.ndarray) -> Rows:
    """Return one row for each file: the answers in order, NaN and False if there is an error."""
    rows = Rows.refused(errors, classes, identities)
    if answers:
        good = np.array([not error for error in errors])
        for name in ("probabilities", "ood_score", "is_ood"):
            getattr(rows, name)[good] = np.concatenate([getattr(answer, name) for answer in answers])
    return rows
