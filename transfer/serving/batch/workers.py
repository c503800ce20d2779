"""Files -> rows of whole segments, by the workers of an engine: this process, or others on any machine.

Which images make a batch depends on the files alone, so each worker gets whole segments and the answers are the same bit for bit,
wherever they were computed. One exception: a segment whose worker ended twice is divided, to find the image that ends it, and its images
are computed one by one. TensorFlow may then give other last bits than for a batch.
"""

import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from transfer.data.pipeline import ImageSpec
from transfer.engines import LOCAL, Engine, Lost, Worker
from transfer.exporters.compute import choice
from transfer.runs import Run
from transfer.serving.batch.answering import Predictor
from transfer.serving.batch.images import Decoder
from transfer.serving.batch.shards import identities_of
from transfer.serving.batch.tables import Rows
from transfer.system.progress import Advance


@dataclass(frozen=True)
class Packed:
    """All that another machine needs to answer as this process does; called there, it returns the worker.

    Attributes:
        name: of the export's folder.
        files: of the export, as their bytes: no folder need be shared.
        trust: see `foreign.load`.
        precision: in which OpenVINO computes; None: TensorFlow computes. It was chosen here, and holds for all workers.
        image_spec: how files become pixels.
        batch_size: most images given to the network at once.
        threads: that read and decode.
    """

    name: str
    files: dict[str, np.ndarray]
    trust: bool
    precision: str | None
    image_spec: ImageSpec
    batch_size: int
    threads: int

    @classmethod
    def of(cls, predictor: Predictor, run: Run, threads: int) -> Self:
        """Return the predictor of a run's export, for other machines."""
        folder, network = run.export, predictor.classifier.network
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {str(path.relative_to(folder)): np.fromfile(path, np.uint8) for path in paths}
        precision = network.precision if network else None
        return cls(folder.name, files, run.trust, precision, predictor.decoder.image_spec, predictor.batch_size, threads)

    def __call__(self) -> Worker[Rows]:
        with tempfile.TemporaryDirectory(prefix="transfer-") as folder:
            for name, content in self.files.items():
                path = Path(folder, self.name, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            classifier = choice.alike(Path(folder, self.name), self.precision, self.trust)
        return Predictor(classifier, Decoder(self.image_spec), self.batch_size, self.threads).answers


def answered(
    engine: Engine, predictor: Predictor, run: Run, files: Sequence[str], advance: Advance, threads: int = 1
) -> Generator[tuple[int, Rows], None, None]:
    """Yield the rows of each segment of files with the position of its first file, in any order.

    Args:
        predictor: of the run's export, loaded here.
        advance: called with the number of files that are done.
        threads: of each worker on another machine, that read and decode.

    Raises:
        RunError: if the network fails, for example for lack of memory.
        EngineError: if no worker can be kept running.
    """
    here = engine is LOCAL
    make: Any = (lambda: partial(predictor.answers, advance=advance)) if here else Packed.of(predictor, run, threads)
    told: Advance = (lambda count: None) if here else advance
    found: Any = engine.stream(make, files, predictor.segment)
    with closing(found):
        yield from _whole(found, files, predictor.segment, len(predictor.served.labels), told)


def _whole(
    found: Iterable[tuple[np.ndarray, Rows | Lost]], files: Sequence[str], segment: int, classes: int, advance: Advance
) -> Iterator[tuple[int, Rows]]:
    """Yield whole segments of what was found of any positions; what was lost has its reason for an error."""
    pieces: dict[int, list[tuple[np.ndarray, Rows]]] = {}
    for positions, result in found:
        advance(len(positions))
        if isinstance(result, Lost):
            result = Rows.refused([result.reason] * len(positions), classes, identities_of([files[number] for number in positions]))
        of = positions // segment
        for number in np.unique(of).tolist():
            own = np.flatnonzero(of == number)
            parts = pieces.setdefault(number, [])
            parts.append((positions[own], result.taken(own) if len(own) < len(of) else result))
            if sum(len(part) for part, _ in parts) == min(segment, len(files) - number * segment):
                yield number * segment, _joined(pieces.pop(number))


def _joined(parts: Sequence[tuple[np.ndarray, Rows]]) -> Rows:
    """Return the rows of a segment in the order of its files."""
    if len(parts) == 1:
        return parts[0][1]
    return Rows.joined([rows for _, rows in parts]).taken(np.argsort(np.concatenate([positions for positions, _ in parts])))


def in_order(found: Iterable[tuple[int, Rows]]) -> Iterator[Rows]:
    """Yield rows in the order of their files; those that come too early wait."""
    waiting: dict[int, Rows] = {}
    expected = 0
    for first, rows in found:
        waiting[first] = rows
        while expected in waiting:
            rows = waiting.pop(expected)
            expected += len(rows)
            yield rows
