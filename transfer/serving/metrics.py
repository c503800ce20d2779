"""The server's counters, for Prometheus."""

import functools
import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest, multiprocess

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The counters of one server, in a registry of its own; those of several workers are added up, by way of files."""

    def __init__(self) -> None:
        disable_created_metrics()  # a creation time for each counter, which is not needed
        registry = CollectorRegistry()
        self._registry = registry
        self.requests = Counter("transfer_requests", "Requests by route and status.", ["route", "status"], registry=registry)
        self.seconds = Histogram("transfer_request_seconds", "Time from headers to answer.", ["route"], buckets=_SECONDS, registry=registry)
        self.images = Counter("transfer_images", "Images by outcome.", ["outcome"], registry=registry)
        self.answered, self.refused = (self.images.labels(outcome) for outcome in ("answered", "refused"))
        self.batch = Histogram("transfer_batch_images", "Images in a batch.", buckets=_ROWS, registry=registry)
        self.waiting = Gauge("transfer_waiting_images", "Images in the queue.", registry=registry, multiprocess_mode="livesum")
        held = "Bytes of requests being received or answered."
        self.held = Gauge("transfer_held_bytes", held, registry=registry, multiprocess_mode="livesum")
        self.threads_replaced = Counter("transfer_model_threads_replaced", "Threads of the model that had died.", registry=registry)
        version = "The version being served; of several workers the oldest."
        self.version = Gauge("transfer_model_version", version, registry=registry, multiprocess_mode="livemin")

    @functools.cache  # noqa: B019  (few routes and statuses; one instance a server)
    def _of(self, route: str, status: int) -> tuple[Counter, Histogram]:
        return self.requests.labels(route, str(status)), self.seconds.labels(route)

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        requests, times = self._of(route, status)
        requests.inc()
        times.observe(seconds)

    def text(self) -> bytes:
        """Return all counters in Prometheus's text format."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        everybody = CollectorRegistry()
        multiprocess.MultiProcessCollector(everybody)
        return generate_latest(everybody)
