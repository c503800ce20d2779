"""What a user may set of the server, with its limits. Imports no TensorFlow."""

import os
from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError, model_validator

from transfer.config.sections import Section
from transfer.errors import ConfigError

KEY_VARIABLE = "TRANSFER_API_KEY"

MEGA = 1_000_000


class Settings(Section):
    """One server. Sizes are in units of 1,000,000, times in seconds."""

    name: str = Field("classifier", min_length=1, pattern=r"^[^/:\x00-\x1f]+$", description="of the model, in the addresses")
    host: str = Field("127.0.0.1", min_length=1, description="address to listen on; 0.0.0.0: every one of this machine")
    port: int = Field(8501, ge=0, le=65535, description="0: any that is free")
    api_key: SecretStr | None = Field(None, description="what every request but /healthz and the page's own files must bring")
    access_log: bool = Field(False, description="one line a request")

    max_body_mb: float = Field(32.0, gt=0, le=2000, description="of one request")
    max_images: int = Field(128, ge=1, le=100_000, description="of one request")
    max_megapixels: float = Field(100.0, gt=0, le=10_000, description="of one image")

    batch_images: int | None = Field(None, ge=1, le=4096, description="given to the model at once; empty: by the size of its images")
    batches: int = Field(2, ge=1, le=64, description="computed at the same time: one uses the cores that another leaves idle")
    batch_mb: float = Field(64.0, gt=0, description="of encoded images given to the model at once")
    batch_megapixels: float = Field(33.6, gt=0, description="of decoded images given to the model at once; a larger one goes alone")

    queue_images: int = Field(1024, ge=1, le=1_000_000, description="that wait for the model; more are sent away with 429")
    held_mb: float = Field(256.0, gt=0, description="of all requests being received or answered; more are sent away with 429")
    connections: int = Field(512, ge=1, le=100_000, description="open at the same time; more are sent away with 503")

    request_seconds: float = Field(30.0, gt=0, description="from the whole request to its answer, else 504")
    body_seconds: float = Field(20.0, gt=0, description="in which a request's body must have come, else 408")
    header_seconds: float = Field(10.0, gt=0, description="in which a request's headers must have come, else it is cut off")
    idle_seconds: float = Field(10.0, gt=0, description="that a connection is kept open between requests")
    stop_seconds: float = Field(30.0, gt=0, description="that requests under way are waited for when the server is stopped")
    poll_seconds: float = Field(2.0, gt=0, description="between looks for a new version of the model")

    @model_validator(mode="after")
    def _one_request_fits(self) -> Self:
        if self.queue_images < self.max_images:
            raise ValueError(f"queue_images must hold one request: at least max_images ({self.max_images})")
        if self.held_mb < self.max_body_mb:
            raise ValueError(f"held_mb must hold one request: at least max_body_mb ({self.max_body_mb:g})")
        return self

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
    """Return settings from the options that were given; None: the default.

    Raises:
        ConfigError: for a value that is not allowed.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        rule = str(first["msg"]).removeprefix("Value error, ")
        if not first["loc"]:
            raise ConfigError(f"The limits do not go together: {rule}.") from None
        option = "--" + str(first["loc"][0]).replace("_", "-")
        hint = " It is part of an address: no slash and no colon." if option == "--name" else ""
        raise ConfigError(f"{option}: {rule[0].lower() + rule[1:]}.{hint} Received {option} {first['input']}.") from None


def key_in(variable: str) -> SecretStr | None:
    """Return the key in an environment variable; None where there is none.

    Raises:
        ConfigError: where another variable than the usual one was named, and is not set; or where the key cannot be sent.
    """
    key = os.environ.get(variable, "")
    if not key and variable != KEY_VARIABLE:
        raise ConfigError(f"--api-key-env names an environment variable with the key. Set it first. Received {variable!r}, which is empty.")
    if not (key.isascii() and key.isprintable()) or key != key.strip():
        raise ConfigError(f"A key is of printable ASCII letters, without spaces around it. Received another in the variable {variable}.")
    return SecretStr(key) if key else None
