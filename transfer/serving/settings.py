"""The server's settings and their limits. Imports no TensorFlow."""

import os
from collections.abc import Mapping
from typing import Any, Literal, Self, get_args

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from transfer.config.sections import Section
from transfer.config.values import refusal
from transfer.errors import ConfigError
from transfer.models import openvino_engine
from transfer.serving import hosts

KEY_VARIABLE = "TRANSFER_API_KEY"

Compute = Literal["auto", "tensorflow", "openvino"]
ENGINES, AUTO = get_args(Compute), "auto"
"""What computes an export; `auto`: the faster one on this machine, if both agree."""

KILO, MEGA = 1_000, 1_000_000


class Settings(Section):
    """Settings of one server. Sizes are in units of 1,000,000 or 1,000 bytes, times in seconds."""

    name: str = Field("classifier", min_length=1, pattern=r"^[^/:\x00-\x1f]+$", description="of the model, in URLs")
    host: str = Field("127.0.0.1", min_length=1, description="address to listen on; 0.0.0.0: all of this machine's")
    port: int = Field(8501, ge=0, le=65535, description="0: any free port")
    api_key: SecretStr | None = Field(None, description="required of every request except /healthz, /openapi.json and the page's files")
    trust: bool = Field(False, description="load versions of the model whatever they could do, such as read files")
    allowed_host: tuple[str, ...] = Field(
        (), description="further host names that a server without a key answers to, and takes requests of pages from; *: any name"
    )
    compute: Compute = Field("auto", description="engine; auto: the faster one on this machine, if both agree")
    access_log: bool = Field(False, description="one line a request")
    workers: int = Field(1, ge=1, le=256, description="processes behind the port, each with its own model and limits (Linux)")

    max_body_mb: float = Field(32.0, gt=0, le=2000, description="of one request")
    max_images: int = Field(128, ge=1, le=100_000, description="of one request")
    max_megapixels: float = Field(100.0, gt=0, le=10_000, description="of one image")
    request_megapixels: float = Field(512.0, gt=0, description="of all images of one request; one of the largest is always allowed")

    max_header_kb: float = Field(64.0, gt=0, le=1000, description="of the first line, headers and trailers of one request, else 431")
    max_headers: int = Field(100, ge=1, le=10_000, description="of one request, with its trailers, else 431")

    batch_images: int | None = Field(None, ge=1, le=4096, description="in one batch; empty: depends on their size")
    batches: int = Field(2, ge=1, le=64, description="computed at the same time: one uses the cores that another leaves idle")
    batch_mb: float = Field(64.0, gt=0, description="of encoded images in one batch")
    batch_megapixels: float = Field(33.6, gt=0, description="of decoded images in one batch; a larger image goes alone")

    queue_images: int = Field(1024, ge=1, le=1_000_000, description="that wait for the model; more are refused with 429")
    held_mb: float = Field(256.0, gt=0, description="of all requests being received or answered; more are refused with 429")
    connections: int = Field(512, ge=1, le=100_000, description="open at the same time; more are refused with 503")
    connections_per_address: int | None = Field(
        None, ge=1, le=100_000, description="open at the same time from one address (IPv6: one /64 network); empty: half of connections"
    )

    pipelined: int = Field(
        2, ge=0, description="requests in a row that may be sent before the answer to another; then the connection is closed"
    )

    request_seconds: float = Field(30.0, gt=0, description="from a request's headers to its answer, else 504")
    body_seconds: float = Field(20.0, gt=0, description="to receive a request's body, at most request_seconds, else 408")
    header_seconds: float = Field(10.0, gt=0, description="to receive a request's headers, else the connection is closed")
    send_seconds: float = Field(30.0, gt=0, description="that a client may take to read an answer, else the connection is reset")
    send_buffer_kb: float = Field(256.0, gt=0, description="of answers that the system keeps for one connection until they are read")
    drain_seconds: float = Field(10.0, gt=0, description="that the rest of a request is discarded for if it was refused early")
    drain_mb: float = Field(256.0, gt=0, description="of the rest of such a request; beyond that the connection is reset")
    idle_seconds: float = Field(10.0, gt=0, description="that a connection is kept open between requests")
    stop_seconds: float = Field(30.0, gt=0, description="that a stopping server waits for requests in progress")
    health_seconds: float = Field(5.0, gt=0, description="for which an answer of the model shows its health; also to answer a tiny image")
    poll_seconds: float = Field(2.0, gt=0, description="between checks for a new version of the model")

    @field_validator("allowed_host")
    @classmethod
    def _are_hosts(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name != hosts.ANY and not hosts.is_host(name):
                raise ValueError("must be the name or the address of a host, without scheme and port (*: any)")
        return names

    @model_validator(mode="after")
    def _one_request_fits(self) -> Self:
        if self.queue_images < self.max_images:
            raise ValueError(f"queue_images must hold one request: at least max_images ({self.max_images})")
        if self.held_mb < self.max_body_mb:
            raise ValueError(f"held_mb must hold one request: at least max_body_mb ({self.max_body_mb:g})")
        return self

    @property
    def for_each_address(self) -> int:
        """Most connections of one address."""
        return self.connections_per_address or max(1, self.connections // 2)

    @property
    def most_megapixels(self) -> float:
        """Of all images of one request."""
        return max(self.request_megapixels, self.max_megapixels)

    @property
    def patience(self) -> float:
        """Seconds to receive a request's body."""
        return min(self.body_seconds, self.request_seconds)

    def batch_of(self, side: int) -> int:
        """Return the most images of `side` x `side` pixels that are given to the model at once."""
        return self.batch_images or images_at_once(side, self.batches)


def images_at_once(side: int, batches: int = 1) -> int:
    """Return a good batch size for images of `side` x `side` pixels, of which `batches` are computed at the same time.

    About a megapixel over all batches, 8 to 256 images in each: the activations of a convolutional network grow with the
    pixels, and small images need large batches to keep the processor busy.
    """
    return min(256, max(8, 2**20 // batches // side**2))


def build(given: Mapping[str, Any]) -> Settings:
    """Return settings from options; None stands for the default.

    Raises:
        ConfigError: if a value is not allowed.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        found = refusal(error)
        if not found.key:
            raise ConfigError(f"The limits contradict each other: {found.rule}.") from None
        option = "--" + found.key.replace("_", "-")
        hint = " It is part of a URL: no slash and no colon." if option == "--name" else ""
        raise ConfigError(f"{option} {found.rule}.{hint} Received {option} {found.received}.") from None


def require_engine(compute: str, name: str) -> None:
    """Check an engine that is asked for by this name.

    Raises:
        ConfigError: if there is no such engine.
        EngineError: if it is OpenVINO, which is not installed, or of a version that was not tried.
    """
    if compute not in ENGINES:
        raise ConfigError(f"{name}: expected one of {', '.join(ENGINES)}. Received {compute!r}.")
    if compute == "openvino":
        openvino_engine.require()


def key_in(variable: str) -> SecretStr | None:
    """Return the key in an environment variable; None if it is not set.

    Raises:
        ConfigError: if a variable other than the default is not set, or the key cannot be sent in a header.
    """
    key = os.environ.get(variable, "")
    if not key and variable != KEY_VARIABLE:
        raise ConfigError(
            f"--api-key-env names the environment variable that holds the key. Set it first. Received {variable!r}, which is empty."
        )
    if not (key.isascii() and key.isprintable()) or key != key.strip():
        raise ConfigError(
            f"A key consists of printable ASCII characters, without surrounding spaces. Received another in the variable {variable}."
        )
    return SecretStr(key) if key else None
