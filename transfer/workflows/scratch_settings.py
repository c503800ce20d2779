"""Settings of networks that are trained from scratch: what they have in place of a backbone, and what is settled without measuring."""

from transfer.config import Config, HeadConfig
from transfer.errors import ConfigError
from transfer.models.registry import Backbone, Scratch


def settled(name: str, config: Config) -> Config:
    """Return a configuration of training from scratch without `auto`: TensorFlow trains, in 16 bit only on request.

    Raises:
        ConfigError: if another engine is asked for.
    """
    if config.compute == "openvino":
        raise ConfigError(
            f"compute: {name} is trained from scratch, by TensorFlow alone. Expected auto or tensorflow. Received compute='openvino'."
        )
    return config.updated(precision="float32" if config.precision == "auto" else config.precision, compute="tensorflow")


def check(network: Scratch, config: Config) -> None:
    """Refuse settings of pretrained backbones.

    Raises:
        ConfigError: if one is set.
    """
    if config.truncate_at != "top":
        raise ConfigError(f"truncate_at: {network.name} is trained from scratch and is not truncated. Received {config.truncate_at!r}.")
    if config.unfreeze_from:
        raise ConfigError(
            f"unfreeze_from: {network.name} is trained from scratch and has no frozen part. Leave it empty. "
            f"Received {config.unfreeze_from!r}."
        )
    if config.weights not in ("imagenet", "random"):
        raise ConfigError(f"weights: {network.name} is trained from scratch; there is nothing to load. Received {config.weights!r}.")


def check_options(network: Backbone | Scratch, config: Config) -> None:
    """Refuse options that the network does not have, and head options if it has no head.

    Raises:
        ConfigError: if one is set.
    """
    for key, value in config.network.model_dump().items():
        if value is None:
            continue
        if isinstance(network, Backbone):
            raise ConfigError(
                f"network.{key}: {network.name} is a pretrained backbone. Expected keys of the section head. Received {value!r}."
            )
        if key not in network.options:
            options = ", ".join(f"network.{name}" for name in network.options)
            raise ConfigError(f"network.{key}: {network.name} has no such option. Expected one of: {options}. Received {value!r}.")
        if (key, value) in network.without:
            raise ConfigError(f"network.{key}: {network.name} does not support this value. Received {value!r}.")
        if key in network.counts and len(value) != network.counts[key]:
            raise ConfigError(f"network.{key}: {network.name} needs {network.counts[key]} numbers. Received {list(value)!r}.")
    if isinstance(network, Scratch):
        _check_no_head(network, config)


def _check_no_head(network: Scratch, config: Config) -> None:
    general = HeadConfig().model_dump() | {key[5:]: value for key, value in network.defaults.items() if key.startswith("head.")}
    taken = {f"head.{key}" for key, value in network.options.items() if value is None}
    for key, value in config.head.model_dump().items():
        if value != general[key] and f"head.{key}" not in taken:
            raise ConfigError(
                f"head.{key}: {network.name} is trained from scratch and has no head. Expected keys of the section network. "
                f"Received {value!r}."
            )
