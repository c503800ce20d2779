#!/usr/bin/env python3
"""Scan and feature extraction of a bucket against the same images in a local folder, in the same run.

    python tests/benchmarks/object_storage.py [--images 5000] [--bytes 20000] [--latency-ms 5] [--backbone vgg16] [--size 224]
        [--connections 32] [--cache-gb 10] [--rounds 1]

moto's server answers on 127.0.0.1 in a process of its own; each answer waits `--latency-ms`. `ratio` is the seconds of the folder
over those of the bucket, images read for the first time and no features stored. The server computes on the same cores, several
milliseconds for each answer: `server_cpu_s` says how much of the bucket's time that is. `cached_features_s` is the extraction alone
once the bytes are in the local cache, `again_scan_s` a second scan of the bucket.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.common import describe_machine
from tests.buckets import Bucket, environment

SERVE = """
import sys, time
from tests.buckets import Server
server = Server()
server.latency = float(sys.argv[1])
print(server.url, flush=True)
time.sleep(1e6)
"""
ROOT = Path(__file__).resolve().parents[2]


def write_images(folder: Path, count: int, size: int) -> None:
    """Write JPEG files of about `size` bytes, in two classes: noise, as coarse as gives that size."""
    from PIL import Image

    def encoded(number: int, side: int) -> bytes:
        pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).resize((224, 224), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    side = min(range(8, 224, 8), key=lambda one: abs(len(encoded(0, one)) - size))
    for number in range(count):
        file = folder / ("cats", "dogs")[number % 2] / f"{number:06d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(number, side))


class Work:
    """Scan and feature extraction of one source, with an empty cache."""

    def __init__(self, args: argparse.Namespace) -> None:
        from transfer.workflows.settings import resolve

        self.args = args
        self.layer = {
            "backbone": args.backbone, "weights": "random", "image_size": args.size, "compute": "tensorflow", "precision": "float32",
            "data.connections": args.connections, "data.cache_gb": args.cache_gb,
        }  # fmt: skip
        self.resolve = resolve

    def __call__(self, source: str, home: Path) -> dict[str, float]:
        """Return seconds; `home` is the cache folder, which may hold an earlier scan or bytes."""
        from transfer.data import sources
        from transfer.data.splits import split
        from transfer.features.extraction import extract
        from transfer.features.extractor import load_extractor
        from transfer.features.store import open_store
        from transfer.system.progress import Silent

        os.environ["TRANSFER_HOME"] = str(home)
        config = self.resolve([self.layer, {"data.source": source}])
        started = time.perf_counter()
        dataset = split(sources.read(config.data, Silent()), config.data, config.seed)
        scanned = time.perf_counter()
        extractor = load_extractor(config, dataset, Silent())
        with open_store(extractor.feature_set, Silent()) as store:
            ready = time.perf_counter()
            dataset = extract(dataset, extractor, store, config, Silent())
            done = time.perf_counter()
        if len(dataset.used) != self.args.images:
            raise SystemExit(f"{len(dataset.used)} of {self.args.images} images were used.")
        return {"scan": scanned - started, "features": done - ready}


def cpu_seconds(pid: int) -> float:
    """Return the processor seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--bytes", type=int, default=20_000)
    parser.add_argument("--latency-ms", type=float, default=5)
    parser.add_argument("--backbone", default="vgg16")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--cache-gb", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()

    from transfer.system.startup import import_tensorflow_quietly

    import_tensorflow_quietly()
    work = Work(args)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name, "data")
        write_images(folder, args.images, args.bytes)
        words = [sys.executable, "-c", SERVE, str(args.latency_ms / 1000)]
        server = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            os.environ |= environment(url)
            bucket = Bucket(type("Running", (), {"url": url})())  # type: ignore[arg-type]
            data = bucket.put_folder(folder, "data")
            size = statistics.median(file.stat().st_size for file in folder.rglob("*.jpg"))
            work(str(folder), Path(name, "warm-up"))  # choices that are measured once, traced graphs
            found: list[dict[str, dict[str, float]]] = []
            for number in range(args.rounds):
                before = cpu_seconds(server.pid)
                remote = work(data, Path(name, f"remote-{number}"))
                busy = cpu_seconds(server.pid) - before
                local = work(str(folder), Path(name, f"local-{number}"))
                home = Path(name, f"remote-{number}")
                (home / "features").rename(home / "features-before")
                again = work(data, home)
                found.append({"local": local, "remote": remote, "again": again, "server": {"cpu": busy}})
                print(f"round {number + 1}: {found[-1]}", file=sys.stderr)
        finally:
            server.kill()
            server.wait()
    ratios = [sum(one["local"].values()) / sum(one["remote"].values()) for one in found]
    middle = found[ratios.index(statistics.median_low(ratios))]
    result = {
        "benchmark": "object_storage",
        "ratio": round(statistics.median_low(ratios), 3),
        "local_s": {key: round(value, 2) for key, value in middle["local"].items()},
        "bucket_s": {key: round(value, 2) for key, value in middle["remote"].items()},
        "server_cpu_s": round(middle["server"]["cpu"], 1),
        "again_scan_s": round(middle["again"]["scan"], 2),
        "cached_features_s": round(middle["again"]["features"], 2),
        "images": args.images,
        "bytes": size,
        "latency_ms": args.latency_ms,
        "backbone": args.backbone,
        "size": args.size,
        "connections": args.connections,
        "cache_gb": args.cache_gb,
        "load_before": round(os.getloadavg()[0], 1),
        "machine": describe_machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
