#!/usr/bin/env python3
"""Cost of progress and logging in a fit, against one hundredth of its time.

python tests/benchmarks/logging_overhead.py --data FOLDER [--backbone vgg16] [--rounds 1]

Each round fits twice in this process, each time with an empty store: silently, and with lines of progress, TensorBoard and MLflow. The time
of a fit differs by more than a hundredth from one to the next, so what is judged is the time spent inside the calls themselves: every
report of progress, and every call of a tracker, from its start to the logged model. The pair is printed beside it.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
LIMIT = 0.01


class Timed:
    """Progress of the terminal, and the seconds that its calls took."""

    def __init__(self) -> None:
        from transfer.system.terminal import Terminal

        self.seconds, self._terminal = 0.0, Terminal()

    @contextmanager
    def measured(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started

    @contextmanager
    def step(self, title: str, total: int | None, unit: str = "images") -> Iterator[Any]:
        with self.measured():
            step = self._terminal.step(title, total, unit)
            advance = step.__enter__()

        def counted(count: int) -> None:
            with self.measured():
                advance(count)

        yield counted
        with self.measured():
            step.__exit__(None, None, None)

    def say(self, text: str) -> None:
        with self.measured():
            self._terminal.say(text)


def fit(data: str, backbone: str, folder: Path, told: Timed | None, trackers: list[str]) -> float:
    """Return the seconds of a fit, with all that is recorded of it."""
    from transfer.workflows.fit import fit as workflow

    weights = Path(os.environ["TRANSFER_HOME_OF_WEIGHTS"])
    home = folder / "home"
    home.mkdir(parents=True)
    if weights.is_dir():
        (home / "weights").symlink_to(weights)
    os.environ["TRANSFER_HOME"] = str(home)
    started = time.perf_counter()
    workflow(data, {"backbone": backbone}, name="run", output=folder / "runs", progress=told or False, logging={"to": trackers})
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--backbone", default="vgg16")
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    from transfer.system.home import cache_home
    from transfer.system.startup import import_tensorflow_quietly
    from transfer.tracking import opened

    import_tensorflow_quietly()
    os.environ["TRANSFER_HOME_OF_WEIGHTS"] = str(cache_home() / "weights")
    plain, logged, shares, parts = [], [], [], []
    begin, tell = opened._trackers, opened.Recording.tell
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as folder:
            plain.append(fit(args.data, args.backbone, Path(folder), None, []))
        told, trackers = Timed(), Timed()
        with tempfile.TemporaryDirectory() as folder:

            def begun(*given: Any, timed: Timed = trackers) -> Any:
                with timed.measured():
                    return begin(*given)

            def timed_tell(self: Any, what: Any, timed: Timed = trackers) -> None:
                with timed.measured():
                    tell(self, what)

            opened._trackers, opened.Recording.tell = begun, timed_tell  # type: ignore[method-assign]
            logged.append(fit(args.data, args.backbone, Path(folder), told, ["tensorboard", "mlflow"]))
        shares.append((told.seconds + trackers.seconds) / (logged[-1] - told.seconds - trackers.seconds))
        parts.append((told.seconds, trackers.seconds))
    share = statistics.median(shares)
    facts = {
        "benchmark": "logging_overhead", "ratio": round(share / LIMIT, 3), "share": round(share, 5),
        "seconds": [round(one, 1) for one in logged],
        "seconds_silent": [round(one, 1) for one in plain], "progress_and_trackers": [[round(one, 3) for one in pair] for pair in parts],
    }  # fmt: skip
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
