"""Segments of files -> what the export says of them, with reading and decoding ahead of the network.

Which images make a batch depends on the files of their segment alone, never on how fast anything was: the same files get
the same answers to the last bit, whatever was interrupted in between.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from transfer.errors import RunError
from transfer.exporters.served import Answers, Served
from transfer.serving.batch.images import Decoded, Decoder
from transfer.serving.batch.room import ahead
from transfer.serving.batch.rows import Rows
from transfer.system.progress import Advance
from transfer.system.resources import cores

_SEGMENT = 128  # files, about


def batch_of(size: int) -> int:
    """Return how many images of this side, in pixels, are best given to a network at once: about a megapixel, 4 to 256.

    Activations grow with the pixels, and small images need large batches to keep the processor busy.
    """
    return min(256, max(4, 2**20 // size**2))


def segment_size(batch_size: int) -> int:
    """Return the files of a segment: some whole batches."""
    return batch_size * -(-_SEGMENT // batch_size)


@dataclass
class _Segment:
    """Files under way: how many groups of them are still to come, and decoded images that wait for the network."""

    groups: int
    errors: list[str] = field(default_factory=list)
    images: list[np.ndarray] = field(default_factory=list)
    waiting: int = 0
    answers: list[Answers] = field(default_factory=list)

    def add(self, decoded: Decoded) -> None:
        self.groups -= 1
        self.errors += decoded.errors
        if len(decoded.images):
            self.images.append(decoded.images)
            self.waiting += len(decoded.images)

    def take(self, count: int) -> np.ndarray:
        """Take the first images that wait."""
        whole = np.concatenate(self.images)
        self.images, self.waiting = [whole[count:]], self.waiting - count
        return whole[:count]

    def rows(self, classes: int) -> Rows:
        rows = Rows.empty(self.errors, classes)
        if self.answers:
            good = np.array([not error for error in self.errors])
            for name in ("probabilities", "ood_score", "is_ood"):
                getattr(rows, name)[good] = np.concatenate([getattr(answer, name) for answer in self.answers])
        return rows


def answers(served: Served, decoder: Decoder, segments: Iterable[Sequence[str]], batch_size: int, advance: Advance) -> Iterator[Rows]:
    """Yield the rows of each segment; `advance` is told of each batch.

    Raises:
        RunError: where the network fails, for example for lack of memory.
    """
    under_way: deque[_Segment] = deque()

    def groups() -> Iterator[Sequence[str]]:
        for files in segments:
            own = [files[start : start + decoder.together] for start in range(0, len(files), decoder.together)]
            under_way.append(_Segment(len(own)))
            yield from own

    threads = cores()
    waiting = 2 * -(-batch_size // decoder.together) + 2 * threads
    with closing(ahead(decoder.decode, groups(), threads, waiting)) as all_decoded:
        for decoded in all_decoded:
            segment = under_way[0]
            segment.add(decoded)
            if failed := sum(map(bool, decoded.errors)):
                advance(failed)
            while segment.waiting >= batch_size or (segment.waiting and not segment.groups):
                count = min(segment.waiting, batch_size)
                segment.answers.append(_ask(served, segment.take(count)))
                advance(count)
            if not segment.groups:
                under_way.popleft()
                yield segment.rows(len(served.labels))


def _ask(served: Served, images: np.ndarray) -> Answers:
    try:
        return served.answer_decoded(images)
    except tf.errors.ResourceExhaustedError:
        what = "There is too little memory for so many images at once. Choose a smaller --batch-size"
        raise RunError(f"{what}. Received {len(images)}.") from None
    except tf.errors.OpError as error:
        raise RunError(f"The export fails: {error.message.splitlines()[0]}. Received {len(images)} images.") from None
