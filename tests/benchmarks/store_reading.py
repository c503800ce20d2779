#!/usr/bin/env python3
"""Reading the feature store as training does, against an older checkout of this project.

    python tests/benchmarks/store_reading.py [--baseline CHECKOUT] [--records 100000] [--bytes 2048] [--block 32] [--rounds 15]

Each checkout writes its own store in a process of its own, then both read all records in turn, warm, in blocks: in the order of the
keys, and in one drawn at random, as an epoch does. `ratio` is the median over the pairs of records a second here over those of the
baseline, the lower one of the two orders; `spread` is the range of the middle half of the pairs. `checksums` is the share
of reading that checksums cost: the same reads with and without comparing them, in turn. Seconds are those of the processor, which
other work on the machine disturbs least; a warm store waits for nothing else.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
ORDERS = ("ordered", "random")


class Reader:
    """A store that a checkout has written, in this process; its root must be first in `sys.path`."""

    def __init__(self, records: int, width: int, block: int) -> None:
        from dataclasses import fields

        from transfer.features.store import FeatureSet, key, open_store

        numbers = {"int": 224}
        words: dict[str, Any] = {
            field.name: numbers.get(getattr(field.type, "__name__", str(field.type)), "benchmark") for field in fields(FeatureSet)
        }
        self._keys = sorted(key(f"{number * 0x9E3779B97F4A7C15 % 2**64:064x}"[::-1], "0", "top/avg") for number in range(records))
        self._block, self._out = block, np.empty((block, width), np.float32)
        self._opened = contextlib.ExitStack()
        self._store = self._opened.enter_context(open_store(FeatureSet(**words)))
        generator = np.random.default_rng(0)
        for start in range(0, records, 4096):
            own = self._keys[start : start + 4096]
            values = generator.normal(size=(len(own), width)).astype(np.float32)
            self._store.put({one: row.tobytes() for one, row in zip(own, values, strict=True)})
        self._shuffled = [self._keys[number] for number in generator.permutation(records)]

    def read(self, order: str) -> float:
        """Read all records; return how many a second of the processor."""
        keys, get, out = (self._keys if order == "ordered" else self._shuffled), self._store.get, self._out
        began = time.process_time()
        for start in range(0, len(keys), self._block):
            own = keys[start : start + self._block]
            get(own, out.dtype, out[: len(own)])
        return len(keys) / (time.process_time() - began)

    def without_checksums(self, order: str) -> float | None:
        """As `read`, but no checksum is computed; none where the store has none."""
        with _unchecked() as found:
            return self.read(order) if found else None


@contextlib.contextmanager
def _unchecked() -> Iterator[bool]:
    """Take all records for whole: what is computed from them equals whatever is stored. Yield whether the store has checksums."""
    try:
        from transfer.features import records
    except ImportError:
        yield False
        return
    with mock.patch.object(records, "_checksums", lambda names, contents: mock.ANY):
        yield True


def serve_reads(args: argparse.Namespace) -> None:
    """Answer each line of the input, an order and whether checksums are compared, with records a second."""
    reader = Reader(args.records, args.bytes // 4, args.block)
    for order in ORDERS:
        reader.read(order)  # warm
    print("ready", flush=True)
    for line in sys.stdin:
        order, how = line.split()
        print(json.dumps(reader.read(order) if how == "checked" else reader.without_checksums(order)), flush=True)


class Checkout:
    """A checkout's reader, in a process of its own with a cache folder of its own."""

    def __init__(self, root: Path, folder: Path, words: list[str]) -> None:
        self._root = root
        environment = os.environ | {"PYTHONPATH": str(root), "TRANSFER_HOME": str(folder)}
        command = [sys.executable, "-P", str(Path(__file__).resolve()), "--reads", *words]
        self._process = subprocess.Popen(command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._line("ready")

    def _line(self, wanted: str = "") -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line or (wanted and line != wanted):
            raise SystemExit(f"The reader of {self._root} ended: {line}")
        return line

    def read(self, order: str, how: str = "checked") -> Any:
        """Let it read; return records a second, or none where it has no checksums."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order} {how}\n")
        self._process.stdin.flush()
        return json.loads(self._line())

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def measured(here: Checkout, other: Checkout | None, order: str, rounds: int) -> dict[str, Any]:
    """Return the figures of one order: each round reads with checksums, without, and by the baseline."""
    rates: list[tuple[float, float | None, float | None]] = []
    for number in range(rounds):
        turns = [lambda: here.read(order), lambda: here.read(order, "unchecked"), lambda: other.read(order) if other else None]
        found = {turn: turns[turn]() for turn in (range(3) if number % 2 else range(2, -1, -1))}
        rates.append((found[0], found[1], found[2]))
    figures: dict[str, Any] = {"records_per_s": round(statistics.median(ours for ours, _, _ in rates))}
    shares = [1 - ours / unchecked for ours, unchecked, _ in rates if unchecked]
    figures["checksums"] = round(statistics.median(shares), 4) if shares else "the store has none"
    if ratios := sorted(ours / theirs for ours, _, theirs in rates if theirs):
        figures["baseline_records_per_s"] = round(statistics.median(theirs for _, _, theirs in rates if theirs))
        low, _, high = statistics.quantiles(ratios, n=4)
        figures |= {"ratio": round(statistics.median(ratios), 3), "spread": [round(low, 3), round(high, 3)]}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baseline", type=Path, metavar="CHECKOUT", help="root of an older checkout")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--bytes", type=int, default=2048, help="in each record")
    parser.add_argument("--block", type=int, default=32, help="records read at once: the size of a training batch")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--reads", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.reads:
        serve_reads(args)
        return
    words = ["--records", str(args.records), "--bytes", str(args.bytes), "--block", str(args.block)]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, contextlib.ExitStack() as opened:
        checkouts = [
            Checkout(root.resolve(), Path(folder) / str(number), words) for number, root in enumerate([ROOT, args.baseline]) if root
        ]
        for checkout in checkouts:
            opened.callback(checkout.close)
        here, other = (*checkouts, None)[:2]
        assert here is not None
        orders = {order: measured(here, other, order, args.rounds) for order in ORDERS}
    ratio = min(figures["ratio"] for figures in orders.values()) if args.baseline else None
    result = {"benchmark": "store_reading", "ratio": ratio, "orders": orders, "records": args.records, "bytes": args.bytes}
    print(json.dumps(result | {"block": args.block, "load_before": round(os.getloadavg()[0], 1)}))


if __name__ == "__main__":
    main()
