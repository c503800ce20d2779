"""The Ray cluster that workers run on: joined or started, and checked to run what this process runs."""

import importlib.util
import logging
import os
import platform
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import transfer
from transfer.config import EngineConfig
from transfer.errors import EngineError
from transfer.system import resources, startup
from transfer.system.environment import versions
from transfer.system.progress import Progress

if TYPE_CHECKING:
    from transfer.engines.ray_engine import RayEngine

_CHECKED = ("tensorflow", "keras", "numpy", "openvino")  # with another version, results may differ
_PATIENCE_S = 10.0


def require() -> None:
    """Check that Ray is installed.

    Raises:
        EngineError: if it is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise EngineError(
            'engine.kind (--engine): Ray is not installed. Install it with pip install "keras-transfer[ray]", or use --engine local. '
            "Received engine.kind=ray."
        )


_joined: list[tuple[EngineConfig, "RayEngine"]] = []


@contextmanager
def joined(config: EngineConfig, progress: Progress) -> Iterator["RayEngine"]:
    """Yield the engine of the cluster at `engine.address`, `RAY_ADDRESS`, or started here; one started here ends with the block.

    Inside another such block, as `fit` is inside `tune`, it is the same engine: its workers hold all the room there is.

    Raises:
        EngineError: if Ray is not installed, no cluster answers, or its nodes have other versions.
    """
    for of, engine in _joined:
        if of == config:
            yield engine
            return
    require()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told of it
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    from transfer.engines.ray_engine import RayEngine

    _silence()
    ours = not ray.is_initialized()  # the caller may have joined a cluster, or another workflow of ours around this one
    if ours:
        _connect(config.address or os.environ.get("RAY_ADDRESS"), config)
    try:
        nodes = sum(1 for node in ray.nodes() if node["Alive"])
        progress.say(f"Ray: {nodes} node{'' if nodes == 1 else 's'}, {ray.cluster_resources().get('CPU', 0):g} CPU cores.")
        with closing(RayEngine(config, progress)) as engine:
            _joined.append((config, engine))
            try:
                yield engine
            finally:
                _joined.remove((config, engine))
    finally:
        if ours:
            ray.shutdown()


def _connect(address: str | None, config: EngineConfig) -> None:
    """Join a cluster, or start one. Where nothing answers, Ray itself would end the process after a minute."""
    import ray

    own: dict[str, Any] = {} if address else {"include_dashboard": False, "num_cpus": resources.cores()}
    environment = {"py_modules": [str(Path(transfer.__file__).parent)], "env_vars": _threads()}
    try:
        if address and (place := re.fullmatch(r"(?:ray://)?(.+):(\d+)", address)):
            socket.create_connection((place[1].strip("[]"), int(place[2])), _PATIENCE_S).close()
        with startup.quietly():
            ray.init(address=address or "local", runtime_env=environment, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, OSError, ValueError, RuntimeError, TimeoutError) as error:
        where = "engine.address" if config.address else "RAY_ADDRESS" if address else "engine.kind=ray"
        raise EngineError(
            f"{where}: the Ray cluster cannot be joined: {_short(error)} Expected the address of a running cluster (ray start --head, "
            f"ray up), of the same Ray and Python; or neither engine.address nor RAY_ADDRESS, for a cluster of this machine alone. "
            f"Received {address or 'none'}."
        ) from None


def _silence() -> None:
    """Keep Ray's reports of workers and nodes that ended off the terminal: the engine tells what could not be done."""
    from ray._private import worker

    worker.print_to_stdstream = lambda *arguments, **named: None  # there is no setting for it


def _threads() -> dict[str, str]:
    """Return the variables that give each worker the numbers of threads of this process: with others, the last digits of results differ."""
    counts = resources.threads()
    algebra = ("OMP", "OPENBLAS", "MKL")
    return {
        "TF_NUM_INTRAOP_THREADS": str(counts["intra_op"]), "TF_NUM_INTEROP_THREADS": str(counts["inter_op"]),
        **{f"{name}_NUM_THREADS": str(counts["linear_algebra"]) for name in algebra},
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
    }  # fmt: skip


def facts() -> dict[str, str]:
    """Return the versions of this process on which results depend; empty texts for packages that are not installed."""
    installed = versions((*_CHECKED, "tensorflow-cpu"))
    installed.setdefault("tensorflow", installed.pop("tensorflow-cpu", ""))
    packages = {name: installed.get(name, "") for name in _CHECKED}
    return {"Python": platform.python_version(), "keras-transfer": transfer.__version__} | packages


def require_same(ours: Mapping[str, str], theirs: Mapping[str, str], node: str) -> None:
    """Check that a node has the versions of the driver.

    Raises:
        EngineError: if not; names the node and what differs.
    """
    differing = [name for name in ours if theirs.get(name) != ours[name]]
    if differing:
        shown = ", ".join(f"{name} {theirs.get(name) or 'none'} (here {ours[name] or 'none'})" for name in differing)
        raise EngineError(
            f"The node {node} of the Ray cluster has other versions than this machine, so results could differ. Expected the same on all "
            f"nodes: install them there, or use a container image. Received {shown}."
        )


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:197]}..."
