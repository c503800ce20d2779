#!/usr/bin/env python3
"""What a request costs `transfer serve`: processor microseconds a request, by thread, and by part of the event loop's work.

    python tests/benchmarks/server_profile.py --run RUN --data FOLDER [--clients 64] [--seconds 5] [--functions 40] [--no-model]

The server runs in this process, its client in another. First without a profile: the time of each kind of thread, and `ratio`, that
of a request in the server over that of an image in direct calls of the best batch size. Then the event loop's thread under
cProfile, whose times (of the processor, not of the clock) are scaled to the sum without it: a profile makes many small functions look
dearer than few large ones. `--no-model`: answers that were computed beforehand, which leaves what HTTP costs.
"""

import argparse
import asyncio
import cProfile
import dataclasses
import json
import pstats
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.common import describe_machine, used_rows  # noqa: E402
from tests.benchmarks.server_load import ask  # noqa: E402

_FILES = 256
_PARTS = {
    "sockets": ("_socket.socket", "select.epoll"),
    "asyncio": ("/asyncio/", "_asyncio.", "_contextvars", "heapq", "/selectors.py", "/contextlib.py", "'run' of"),
    "uvicorn and httptools": ("/uvicorn/", "httptools", "/http/"),
    "framing, limits, times": ("serving/framing", "serving/requests", "serving/protocol", "serving/transport", "serving/patience",
                               "serving/places", "serving/gate", "serving/hosts", "serving/bodies"),
    "starlette, routes": ("/starlette/", "/fastapi/", "serving/app", "serving/tf_routes"),
    "JSON and base64 in": ("orjson.loads", "tf_json.py:parse", "tf_json.py:_by", "tf_json.py:_rows", "tf_json.py:_bytes", "big_json",
                           "base64_text", "binascii.a2b"),
    "admission": ("serving/admission", "serving/transcoding", "decoding/headers", "zlib", "_struct.Struct"),
    "queue": ("serving/engine", "serving/batching", "serving/pieces", "/threading.py", "_thread."),
    "JSON out": ("serving/tf_json", "orjson.dumps", "numpy"),
    "counters": ("prometheus_client", "serving/metrics"),
}  # fmt: skip


def part_of(function: tuple[str, int, str]) -> str:
    """Return the part that a function of a profile belongs to."""
    file, _, name = function
    text = f"{file}:{name}"
    return next((part for part, marks in _PARTS.items() if any(mark in text for mark in marks)), "Python's own")


def spent() -> dict[int, float]:
    """Return the processor seconds of each thread of this process."""
    threads = Path("/proc/self/task").iterdir()
    return {int(thread.name): int((thread / "schedstat").read_text().split()[0]) / 1e9 for thread in threads}


def direct(run: Callable[[Any], Any], files: list[bytes]) -> dict[int, float]:
    """Return the processor microseconds of an image for each batch size."""
    found = {}
    for batch in (1, 8, 32, 64, 128):
        parts = [files[start : start + batch] for start in range(0, len(files), batch)]
        run({"image_bytes": parts[0]})
        done, began, worked = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - began < 1:
            run({"image_bytes": parts[done % len(parts)]})
            done += 1
        found[batch] = round(1e6 * (time.process_time() - worked) / done / batch, 3)
    return found


def answering_at_once(loaded: Any, files: list[bytes]) -> Any:
    """Return a version whose answers were computed beforehand."""
    from transfer.serving import model

    real = loaded.signatures[model.DEFAULT]
    made = real.run({"image_bytes": files})

    class Ready(model.Signature):
        def run(self, inputs: Any) -> Any:
            return {name: value[: len(inputs["image_bytes"])] for name, value in made.items()}

    ready = Ready(real.name, real.inputs, real.compute)
    return dataclasses.replace(loaded, signatures={**loaded.signatures, model.DEFAULT: ready})


class Running:
    """A server in a thread of this process."""

    def __init__(self, export: Path, loaded: Any) -> None:
        from transfer.serving import listening
        from transfer.serving.app import create_app
        from transfer.serving.engine import Engine
        from transfer.serving.server import Server, configured
        from transfer.serving.settings import Settings
        from transfer.serving.versions import Versions

        own = Settings(name="profiled", port=0)
        self.engine = Engine(own, Versions(export, lambda folder: loaded, print))
        self._taken = listening.bound(own.host, 0)
        listening.limit_unsent(self._taken, own.send_buffer_kb, own.send_seconds)
        self.address = f"127.0.0.1:{self._taken.getsockname()[1]}"
        started = threading.Event()
        self._server = Server(configured(self.engine, create_app(self.engine)), started.set)
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.thread.start()
        started.wait(60)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve([self._taken])

    def within(self, act: Callable[[], Any]) -> None:
        """Do something in the event loop's thread."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (act(), done.set()))
        done.wait(10)

    def stop(self) -> None:
        self._server.should_exit = True
        self.thread.join()

    def batches(self) -> tuple[float, float]:
        """Return the rows and the number of batches so far."""
        text = self.engine.read_metrics().decode()
        rows, count = (float(text.partition(f"\ntransfer_batch_images_{word} ")[2].partition("\n")[0]) for word in ("sum", "count"))
        return rows, count


def measured(running: Running, client: "subprocess.Popen[str]", clients: int, seconds: float) -> tuple[dict[str, Any], pstats.Stats]:
    """Return what a request costs each kind of thread, and the profile of the event loop's."""
    ask(client, clients=clients, seconds=1)
    before, batches = spent(), running.batches()
    full = ask(client, clients=clients, seconds=seconds)
    after = spent()
    rows, count = (new - old for new, old in zip(running.batches(), batches, strict=True))
    profile = cProfile.Profile(time.thread_time)
    running.within(profile.enable)
    ask(client, clients=clients, seconds=seconds)
    running.within(profile.disable)
    used = {number: 1e6 * (value - before.get(number, 0.0)) / full["answered"] for number, value in after.items()}
    models = {thread.native_id for thread in threading.enumerate() if thread.name.startswith("model ")}
    loop, python = used[running.thread.native_id or 0], sum(value for number, value in used.items() if number in models)
    kinds = {
        "event loop": loop, "model's threads": python, "TensorFlow's threads": sum(used.values()) - loop - python,
        "client, beside": 1e6 * full["processor"] / full["answered"],
    }  # fmt: skip
    found = {"requests_per_s": round(full["requests_per_s"]), "failed": full["failed"], "rows_a_batch": round(rows / count, 1)}
    return found | {"us_a_request": {kind: round(value, 1) for kind, value in kinds.items()}}, pstats.Stats(profile)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--data", required=True, type=Path, help="image folder")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--functions", type=int, default=0, help="lines of the profile to print on standard error")
    parser.add_argument("--no-model", action="store_true")
    args = parser.parse_args()
    from transfer.system.startup import import_tensorflow_quietly

    import_tensorflow_quietly()
    from transfer.serving import model

    names = [args.data / path for path in used_rows(args.data, _FILES)["path"]]
    files = [name.read_bytes() for name in names]
    loaded = model.load(max((args.run / "export").iterdir(), key=lambda path: int(path.name)))
    rates = direct(loaded.signatures[model.DEFAULT].run, files)
    running = Running(args.run / "export", answering_at_once(loaded, files) if args.no_model else loaded)
    words = [sys.executable, str(Path(__file__).with_name("server_client.py"))]
    words += [running.address, "/v1/models/profiled:predict", "1", *map(str, names)]
    client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        found, stats = measured(running, client, args.clients, args.seconds)
    finally:
        client.kill()
        running.stop()
    if args.functions:
        stats.stream = sys.stderr  # type: ignore[attr-defined]
        stats.sort_stats("tottime").print_stats(args.functions)
    times: Counter[str] = Counter()
    for function, (_, _, own, _, _) in stats.stats.items():  # type: ignore[attr-defined]
        times[part_of(function)] += own
    each = found["us_a_request"]
    scale = each["event loop"] / sum(times.values())
    server = sum(each.values()) - each["client, beside"]
    result = {
        "benchmark": "server_profile", "ratio": round(server / min(rates.values()), 2), "direct_us_an_image": rates, **found,
        "event_loop_us": {part: round(scale * value, 1) for part, value in times.most_common()}, "machine": describe_machine(),
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
