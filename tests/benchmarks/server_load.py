#!/usr/bin/env python3
"""`transfer serve` under load, against calling its SavedModel directly with the best batch size, in the same run.

    python tests/benchmarks/server_load.py --run RUN --data FOLDER [--images 1] [--clients 64] [--seconds 10] [--minutes 0]
        [--compute auto|tensorflow|openvino] [-- OPTIONS]

`ratio` is images a second over HTTP (JSON with base64, `--images` in each request) over those of the direct call. The client
is a process of its own on the same machine, and takes its share of the processor: `processor_us` tells, for each image, what the
direct call takes of all cores, the server (with its workers), and the client; `processor_ratio` is the first over the second.
`--compute` is the engine of both; OPTIONS are those of `transfer serve`, such as `-- --workers 2`. Also: what HTTP adds for one client
(median); p99 over median at half the highest load (requests at even intervals), and of direct calls one after the other; memory of the
server during `--minutes` of load; seconds from the command to the first answer.
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.common import describe_machine, used_rows  # noqa: E402

_FILES = 256  # different images
_BATCHES = (1, 4, 8, 16, 32, 64, 128, 256)


def ask(client: "subprocess.Popen[str]", **words: Any) -> dict[str, Any]:
    """Let the client do something; return what it measured."""
    assert client.stdin is not None and client.stdout is not None
    client.stdin.write(json.dumps(words) + "\n")
    client.stdin.flush()
    answer: dict[str, Any] = json.loads(client.stdout.readline())
    return answer


def direct(run: Path, compute: str, files: Sequence[bytes], seconds: float) -> tuple[str, dict[int, float], list[float], float]:
    """Return the engine, images a second for each batch size, the seconds of calls with one image, and the least processor seconds an
    image."""
    from transfer.system.startup import import_tensorflow_quietly

    import_tensorflow_quietly()
    from transfer.exporters.compute.facts import Preference
    from transfer.runs import Run
    from transfer.serving.model import load

    opened = Run(run)
    loaded = load(opened.export, preference=Preference.of(opened, compute), say=lambda text: print(text, file=sys.stderr))
    signature = loaded.signatures["serving_default"]
    rates: dict[int, float] = {}
    least = float("inf")
    for batch in _BATCHES:
        parts = [[files[(start + number) % len(files)] for number in range(batch)] for start in range(0, len(files), batch)]
        signature.run({"image_bytes": parts[0]})
        done, began, worked = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - began < seconds:
            signature.run({"image_bytes": parts[done // batch % len(parts)]})
            done += batch
        rates[batch] = done / (time.perf_counter() - began)
        least = min(least, (time.process_time() - worked) / done)
        if batch > 8 and rates[batch] < 0.9 * max(rates.values()):
            break  # larger ones only cost time and memory
    single = []
    while sum(single) < seconds:
        began = time.perf_counter()
        signature.run({"image_bytes": [files[len(single) % len(files)]]})
        single.append(time.perf_counter() - began)
    return loaded.engine, rates, single, least


def resident(pid: int) -> float:
    """Return the memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found.group(1)) / 1000 if found else 0.0


def family(pid: int) -> list[int]:
    """Return a process and those that it has started."""
    found = [pid]
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found += family(int(stat.parent.name))
    return found


def worked(pid: int) -> float:
    """Return the processor seconds of a process and those that it has started."""
    times = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[11:13] for each in family(pid)]
    return sum(int(part) for pair in times for part in pair) / os.sysconf("SC_CLK_TCK")


def start_server(
    run: Path, environment: dict[str, str], code: Path = ROOT, options: Sequence[str] = ()
) -> tuple["subprocess.Popen[str]", str, str]:
    """Start the server of a checkout; return it with host and port, and the path of predict."""
    words = [sys.executable, "-m", "transfer", "serve", str(run), "--port", "0", *options]
    server = subprocess.Popen(words, cwd=code, env=environment, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    said = ""
    for line in server.stderr:
        said += line
        found = re.search(r"programs|, http://([^/]+)(/v1/\S+:predict)", line)
        if found and found.group(2):
            return server, found.group(1), found.group(2)
    raise SystemExit(f"The server did not start: {said}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--data", required=True, type=Path, help="image folder")
    parser.add_argument("--images", type=int, default=1, help="in each request")
    parser.add_argument("--clients", type=int, default=64, help="requests under way at the same time, for the highest load")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--minutes", type=float, default=0, help="of load while the memory is watched")
    parser.add_argument("--compute", default="tensorflow", help="engine of the server and of the direct call")
    parser.add_argument("options", nargs="*", help="of transfer serve, after --")
    args = parser.parse_args()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TRANSFER_API_KEY": ""}
    names = [args.data / path for path in used_rows(args.data, _FILES)["path"]]
    files = [name.read_bytes() for name in names]
    engine, rates, single, least = direct(args.run, args.compute, files, min(args.seconds, 4))
    began = time.perf_counter()
    server, address, path = start_server(args.run.absolute(), environment, options=["--compute", args.compute, *args.options])
    words = [
        sys.executable,
        str(Path(__file__).with_name("server_client.py")),
        address,
        path,
        str(args.images),
        *map(str, names),
    ]
    client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        ask(client, clients=1, requests=1)
        first = time.perf_counter() - began
        alone = ask(client, clients=1, seconds=args.seconds, images=1)
        before = worked(server.pid)
        full = ask(client, clients=args.clients, seconds=args.seconds)
        took = [part / full["answered"] / args.images for part in (worked(server.pid) - before, full["processor"])]
        half = ask(client, rate=full["requests_per_s"] / 2, seconds=2 * args.seconds)
        memory = [round(sum(map(resident, family(server.pid))))]
        for _ in range(round(args.minutes * 6)):
            ask(client, clients=args.clients, seconds=10)
            memory.append(round(sum(map(resident, family(server.pid)))))
        server.terminate()
        code = server.wait(60)
    finally:
        server.kill()
        client.kill()
    best = max(rates, key=lambda batch: rates[batch])
    result = {
        "benchmark": "server_load",
        "engine": engine,
        "ratio": round(full["requests_per_s"] * args.images / rates[best], 3),
        "images_per_s": round(full["requests_per_s"] * args.images, 1),
        "direct_images_per_s": {batch: round(rate, 1) for batch, rate in rates.items()},
        "processor_ratio": round(least / took[0], 3),
        "processor_us": {"direct": round(1e6 * least), "server": round(1e6 * took[0]), "client": round(1e6 * took[1])},
        "options": args.options,
        "images_a_request": args.images,
        "clients": args.clients,
        "failed": [measured["failed"] for measured in (alone, full, half)],
        "one_client_ms": round(1e3 * alone["median"], 2),
        "added_ms": round(1e3 * (alone["median"] - float(np.median(single))), 2),
        "full_load_median_ms": round(1e3 * full["median"], 1),
        "half_load_median_ms": round(1e3 * half["median"], 2),
        "half_load_p99_over_median": round(half["p99"] / half["median"], 2),
        "direct_p99_over_median": round(float(np.percentile(single, 99) / np.median(single)), 2),
        "start_to_first_answer_s": round(first, 1),
        "memory_mb": memory,
        "exit_code": code,
        "machine": describe_machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
