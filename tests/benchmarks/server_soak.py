#!/usr/bin/env python3
"""`transfer serve` with good clients and hostile ones at the same time: does the server stay as fast, right and small as alone?

    python tests/benchmarks/server_soak.py [--minutes 10] [--run RUN] [--attacks pipeline,headers,json,tiff] [--code CHECKOUT]

The good clients ask for single images, batches, rows and columns of JSON, arrays and uploads, over kept and new connections, at an
even rate; each answer is compared with what the export answers directly. First they are alone, then attacked for `--minutes`, then
alone again. The hostile clients do four things at the same time, over and over: 520 sockets pipeline 1,500 requests each and read
nothing; 40 MB of header lines, and of trailers; 30 MB of empty lists as JSON; deflate TIFFs of 100 megapixels in 450 kB, 24 in one
request and 24 requests at once. `ratio` is the good clients' median latency under attack over that alone. The exit status is 1
if it is above 2, if any request of theirs failed, or if the server's memory does not end within 10 % of where it was before.

Good clients come from 127.0.0.1 and hostile ones from 127.0.0.66: a server that limits connections for each address cannot tell
them apart otherwise, and attackers rarely share an address with the clients that they disturb. `--hostile-from 127.0.0.1` asks
whether they can where they do (behind one proxy); several addresses, what many machines can do together.
"""

import argparse
import ipaddress
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks import server_soak_good as good  # noqa: E402
from tests.benchmarks import server_soak_hostile as hostile  # noqa: E402
from tests.benchmarks import server_soak_model as model  # noqa: E402
from tests.benchmarks.server_load import resident, start_server  # noqa: E402

SLOWER, GROWTH = 2.0, 0.1  # what is still right
_WARM = 5.0  # seconds at the start that are not counted
_SETTLED = 5.0  # seconds at the end of a phase over which memory is read

_processes = multiprocessing.get_context("spawn")


class Watch:
    """Memory and sockets of the server and of the processes that it starts, read several times a second."""

    def __init__(self, pid: int, limit_gb: float) -> None:
        self._pid, self._limit_mb = pid, 1000 * limit_gb
        self.memory: list[tuple[float, float]] = []
        self.files: list[int] = []  # open: nearly all of them connections

    def wait(self, seconds: float) -> bool:
        """Watch for so long; return whether the server is still there and has kept below the limit of memory."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                used = sum(map(resident, [self._pid, *_children(self._pid)]))
                self.files.append(len(os.listdir(f"/proc/{self._pid}/fd")))
            except OSError:
                return False
            self.memory.append((time.monotonic(), used))
            if not 0 < used < self._limit_mb:
                return False
            time.sleep(0.2)
        return True

    def settled(self) -> float:
        """Return the memory of the last seconds, MB."""
        last = self.memory[-1][0] - _SETTLED
        return statistics.median(used for when, used in self.memory if when >= last)


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += [int(word) for word in (task / "children").read_text().split()]
        except OSError:
            pass  # a thread that has just ended
    return found + [below for child in found for below in _children(child)]


def _processor_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(target: Any, *words: Any) -> tuple[Any, Any]:
    """Start a process of clients; return it with the pipe to it."""
    ours, theirs = _processes.Pipe()
    process = _processes.Process(target=target, args=(*words, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def stop(process: Any, pipe: Any) -> Any:
    """Tell a process of clients to end; return its answer."""
    pipe.send("end")
    answer = pipe.recv()
    process.join(10)
    process.kill()
    return answer


def described(asked: Sequence[good.Asked]) -> dict[str, Any]:
    """Return latencies of the requests answered rightly (ms) and how the others failed."""
    times: dict[str, list[float]] = defaultdict(list)
    for one in asked:
        if not one.wrong:
            times[one.kind].append(1e3 * one.seconds)
    failed = Counter(one.wrong for one in asked if one.wrong)
    figures: dict[str, Any] = {"requests": len(asked), "failed": sum(failed.values()), "how": dict(failed)}
    if every := sorted(chain.from_iterable(times.values())):
        figures["median_ms"] = round(statistics.median(every), 2)
        figures["p99_ms"] = round(every[int(0.99 * len(every))], 1)
        figures["worst_ms"] = round(every[-1], 1)
        figures["medians_ms"] = {kind: round(statistics.median(own), 2) for kind, own in times.items()}
    return figures


def judged(alone: dict[str, Any], attacked: dict[str, Any], failed: int, before_mb: float, end_mb: float) -> list[tuple[bool, str]]:
    """Return each criterion: whether it is met, and its figures in words."""
    before, under = alone.get("median_ms"), attacked.get("median_ms")
    ratio = under / before if before and under else float("inf")
    grown = end_mb / before_mb - 1
    slower = f"{before} ms alone, {under} ms under attack ({ratio:.2f} times)"
    memory = f"{before_mb:.0f} MB before, {end_mb:.0f} MB after ({grown:+.1%})"
    return [
        (ratio <= SLOWER, f"good clients' median latency at most doubles: {slower}"),
        (not failed, f"no request of good clients fails: {failed} failed"),
        (abs(grown) <= GROWTH, f"memory ends within 10 % of where it began: {memory}"),
    ]


def soak(args: argparse.Namespace, folder: Path, server: Any, address: str, path: str) -> dict[str, Any]:
    """Run the three phases against a server; return what was seen."""
    host, _, port = address.partition(":")
    if not ipaddress.ip_address(host).is_loopback:
        raise SystemExit(f"The soak is for a server on a loopback address. Received {host}.")
    watch, seconds = Watch(server.pid, args.memory_limit_gb), 60 * args.minutes
    target = hostile.Target(host, int(port), path, args.hostile_from)
    watch.wait(1)
    at_start = watch.settled()
    asking = start(good.run, folder, address, path, args.good_from, args.rate)
    steady = watch.wait(_WARM) and watch.wait(max(10.0, min(60.0, seconds / 5)))
    before, files_before = watch.settled(), watch.files[-1]
    began, used = time.monotonic(), _processor_seconds(server.pid)
    print(f"alone: {before:.0f} MB; attack begins", file=sys.stderr)
    attacking = start(hostile.run, target, folder / "large.tiff", args.attacks)
    steady = steady and watch.wait(seconds)
    ended, used = time.monotonic(), _processor_seconds(server.pid) - used
    outcomes, hostile_seconds = stop(*attacking)
    print(f"attack has ended after {ended - began:.0f} s: {watch.settled():.0f} MB", file=sys.stderr)
    steady = steady and watch.wait(args.quiet)
    end = watch.settled()
    if not steady:
        server.kill()
    first = watch.memory[0][0] + 1 + _WARM
    asked = stop(*asking)
    phases = {
        "alone": described([one for one in asked if first <= one.when < began]),
        "attacked": described([one for one in asked if began <= one.when < ended]),
        "after": described([one for one in asked if one.when >= ended]),
    }
    criteria = judged(phases["alone"], phases["attacked"], sum(bool(one.wrong) for one in asked), before, end)
    if not steady:
        criteria.append((False, f"the server stays below {args.memory_limit_gb:g} GB: it ended or was stopped"))
    memory = {"start": at_start, "before": before, "peak": max(used for _, used in watch.memory), "end": end}
    attacks: dict[str, dict[str, int]] = defaultdict(dict)
    for (attack, outcome), count in sorted(outcomes.items()):
        attacks[attack][outcome] = count
    return {
        "good": phases,
        "memory_mb": {name: round(used) for name, used in memory.items()},
        "files_open": {"before": files_before, "peak": max(watch.files), "end": watch.files[-1]},
        "hostile": attacks,
        "processor_s": {"attack": round(ended - began), "server": round(used, 1), "hostile": round(hostile_seconds, 1)},
        "criteria": criteria,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="of the attack")
    parser.add_argument("--quiet", type=float, default=30, help="seconds after it until memory is read")
    parser.add_argument("--run", type=Path, help="existing run; default: a tiny one is made")
    parser.add_argument("--rate", type=float, default=20, help="requests a second of the good clients")
    parser.add_argument("--attacks", type=lambda text: text.split(","), default=list(hostile.ATTACKS), help="which, with commas")
    parser.add_argument("--good-from", default="127.0.0.1", metavar="ADDRESS")
    parser.add_argument("--hostile-from", nargs="+", default=["127.0.0.66"], metavar="ADDRESS", help="used in turn")
    parser.add_argument("--memory-limit-gb", type=float, default=8, help="the server is stopped when it takes more")
    parser.add_argument("--code", type=Path, default=ROOT, metavar="CHECKOUT", help="whose `transfer serve` is attacked")
    args = parser.parse_args()
    if unknown := set(args.attacks) - set(hostile.ATTACKS):
        parser.error(f"--attacks: expected some of {', '.join(hostile.ATTACKS)}. Received {', '.join(sorted(unknown))}.")
    environment = os.environ | {"PYTHONPATH": str(args.code.resolve()), "TRANSFER_API_KEY": ""}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        making = _processes.Process(target=model.write, args=(folder, args.run))
        making.start()
        making.join()
        if making.exitcode:
            raise SystemExit("The model could not be made.")
        server, address, path = start_server((args.run or folder / "run").absolute(), environment, args.code)
        log: deque[str] = deque(maxlen=20)  # read, or a full pipe would stop the server
        threading.Thread(target=lambda: log.extend(server.stderr or ()), daemon=True).start()
        try:
            seen = soak(args, folder, server, address, path)
            server.terminate()
            code = server.wait(60)
        finally:
            server.kill()
    print(*log, sep="", end="", file=sys.stderr)
    criteria = seen.pop("criteria")
    for met, text in criteria:
        print(f"{'ok' if met else 'not ok'}: {text}", file=sys.stderr)
    medians = [seen["good"][phase].get("median_ms") for phase in ("alone", "attacked")]
    ratio = round(medians[1] / medians[0], 2) if all(medians) else None
    verdicts = {text.partition(":")[0]: "ok" if met else "not ok" for met, text in criteria}
    print(json.dumps({"benchmark": "server_soak", "ratio": ratio, "criteria": verdicts, **seen, "exit_code": code}))
    if not all(met for met, _ in criteria):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
