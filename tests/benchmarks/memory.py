#!/usr/bin/env python3
"""Peak memory of `transfer fit`, `check` and `predict` on many images, against the limit of 3 GB.

    python tests/benchmarks/memory.py --data FOLDER [--commands fit,check,predict] [--set KEY=VALUE ...] [--home FOLDER]
    python tests/benchmarks/memory.py --images 200000 --set backbone=mobilenetv2 --set weights=random --set image_size=32

`ratio` is the largest peak over 3 GB. The peak is what the operating system reports (ru_maxrss) for the finished process of each
command. With --images, so many made-up PNG of 28 px in 10 classes are written first, four bytes in five of which are equal in a class.
With --home, the features that lie there are used, and those computed are kept. For more rows than files can be made, see `tables`.
"""

import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 3e9
SIDE, CLASSES = 28, 10


def make_images(folder: Path, count: int) -> None:
    """Write so many different grey PNG."""
    generator = np.random.default_rng(0)
    base = generator.integers(0, 256, (CLASSES, SIDE, SIDE), np.uint8)
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0))
    for label in range(CLASSES):
        (folder / f"class {label}").mkdir(parents=True)
    for number in range(count):
        rows = np.zeros((SIDE, SIDE + 1), np.uint8)
        noise = generator.integers(0, 256, (SIDE, SIDE), np.uint8)
        rows[:, 1:] = np.where(generator.random((SIDE, SIDE)) < 0.2, noise, base[number % CLASSES])
        data = head + _chunk(b"IDAT", zlib.compress(rows.tobytes(), 1)) + _chunk(b"IEND", b"")
        (folder / f"class {number % CLASSES}" / f"{number:07}.png").write_bytes(data)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def measure(words: list[str], home: str) -> dict[str, float]:
    """Run one command; return its peak, and its seconds by the clock and of the processor."""
    environment, began = os.environ | {"TRANSFER_HOME": home, "PYTHONPATH": str(ROOT)}, time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "transfer", *words], env=environment, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(code)
    seconds, processor = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
    return {"peak_gb": round(usage.ru_maxrss * 1024 / 1e9, 2), "seconds": round(seconds, 1), "processor_s": round(processor, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path)
    source.add_argument("--images", type=int, help="made-up files")
    parser.add_argument("--commands", default="fit,check,predict")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--home", help="the cache folder; none: a temporary one")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    args = parser.parse_args()
    from tests.benchmarks.common import describe_machine

    settings = [word for setting in args.set for word in ("--set", setting)]
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=args.folder) as folder:
        data, home = args.data or Path(folder) / "images", args.home or f"{folder}/home"
        if args.images:
            make_images(data, args.images)
        run, peaks, result = f"{folder}/runs/memory", {}, dict[str, Any]()
        words = {
            "fit": ["fit", str(data), "--name", "memory", "--output", f"{folder}/runs", *settings],
            "check": ["check", str(data), "--output", f"{folder}/check", *settings],
            "predict": ["predict", run, str(data), "--output", f"{folder}/predicted.csv"],
        }
        for command in args.commands.split(","):
            peaks[command] = measure(words[command], home)
        if "fit" in peaks:
            metrics = json.loads(Path(f"{run}/metrics.json").read_text())
            result = {"images": sum(metrics["images"].values()), "timing": metrics["timing"]}
    largest = max(peak["peak_gb"] for peak in peaks.values())
    result = {"benchmark": "memory", "ratio": round(largest * 1e9 / LIMIT, 3), "commands": peaks, **result}
    print(json.dumps(result | {"settings": args.set, "machine": describe_machine()}))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
