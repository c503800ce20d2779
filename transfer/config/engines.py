"""The section `engine`: where work over many images or many trials runs."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from transfer.config.sections import Section


def _workers(value: Any) -> Any:
    if value == "auto":
        return value
    try:
        counts = [int(str(one)) for one in (value if isinstance(value, list | tuple) else [value])]
    except ValueError:
        counts = []
    if len(counts) not in (1, 2) or counts[0] < 1 or counts[0] > counts[-1]:
        raise ValueError("expected auto, a number of workers, or the least and the most, such as [2, 64]")
    return tuple(counts)


Workers = Annotated[Literal["auto"] | tuple[int, ...], BeforeValidator(_workers)]
"""As many as the cluster has room for, or the least and the most; a single number is both."""


class EngineConfig(Section):
    """Where work over many images or many trials runs. It changes no result."""

    kind: Literal["local", "ray"] = Field("local", description="local: this process; ray: a Ray cluster (the extra of this name)")
    address: str | None = Field(
        None, description="of the Ray cluster, such as auto or ray-head:6379; empty: RAY_ADDRESS, or a cluster of this machine alone"
    )
    workers: Workers = Field(
        "auto", description="number of workers, or the least and the most, [2, 64]; auto: as many as the cluster has room for"
    )
    cpus_per_worker: float = Field(1, gt=0, description="CPU cores that a worker reserves")
    gpus_per_worker: float = Field(0, ge=0, description="GPUs that a worker reserves")
    retries: int = Field(
        2, ge=0, le=100, description="times that work is tried again after its worker ended; then a single image is skipped and named"
    )
