"""Where work over many images or many trials runs: in this process, or on a Ray cluster. What an engine is, says `engine.py`."""

from collections.abc import Iterator
from contextlib import contextmanager

from transfer.config import EngineConfig
from transfer.engines.engine import Engine as Engine
from transfer.engines.engine import Lost as Lost
from transfer.engines.engine import Worker as Worker
from transfer.engines.local import LOCAL as LOCAL
from transfer.system.progress import Progress


@contextmanager
def opened(config: EngineConfig, progress: Progress) -> Iterator[Engine]:
    """Yield the engine of a configuration; a cluster that was started for it ends with the block.

    Raises:
        EngineError: if Ray is asked for and not installed, or no cluster of the same versions answers.
    """
    if config.kind == "local":
        yield LOCAL
        return
    from transfer.engines import ray_cluster

    with ray_cluster.joined(config, progress) as engine:
        yield engine


def require(config: EngineConfig) -> None:
    """Check, before anything slow begins, that the packages of an engine are installed.

    Raises:
        EngineError: if not.
    """
    if config.kind == "ray":
        from transfer.engines import ray_cluster

        ray_cluster.require()
