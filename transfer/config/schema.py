"""What a user may set, as typed models with defaults and YAML. Holds every number; imports no TensorFlow.

Unknown keys are refused with the nearest valid one. A network brings its own defaults (`networks/table.py`): they fill
the keys that the user left alone.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError

from transfer.config.sections import (
    AugmentConfig,
    AutoConfig,
    AutoOrOff,
    CheckConfig,
    DataConfig,
    ExportConfig,
    FeaturesConfig,
    FineTuningConfig,
    HeadConfig,
    NetworkConfig,
    OODConfig,
    Section,
    TrainingConfig,
)
from transfer.errors import ConfigError, nearest


class Config(Section):
    """One experiment, completely."""

    backbone: str = Field("vgg16", description="a pretrained backbone or a network trained from scratch")
    weights: str = Field("imagenet", description="imagenet, random, or a file (.weights.h5, .h5, .keras)")
    image_size: int | None = Field(None, ge=8, le=2048, description="side of the square input; empty: the network's own")
    truncate_at: str = Field("top", description="cut point where the backbone ends; top; or auto: chosen by cross-validation")
    unfreeze_from: str | None = Field(
        None, description="first layer of the backbone that is fine-tuned, or the cut point above which all are; all; empty: none"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="of the frozen pass; auto measures")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of the split, the initial weights, dropout, order and views")
    energy: AutoOrOff = Field("auto", description="whether the electricity of the run is measured or estimated")
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    head: HeadConfig = HeadConfig()
    network: NetworkConfig = NetworkConfig()
    training: TrainingConfig = TrainingConfig()
    fine_tuning: FineTuningConfig = FineTuningConfig()
    features: FeaturesConfig = FeaturesConfig()
    auto: AutoConfig = AutoConfig()
    export: ExportConfig = ExportConfig()
    ood: OODConfig = OODConfig()
    check: CheckConfig = CheckConfig()

    @property
    def whole_from_random(self) -> bool:
        """Whether a backbone is trained as a whole from random weights: a network from scratch, without a frozen part."""
        return self.unfreeze_from == "all" and self.weights == "random"

    def to_yaml(self) -> str:
        """Return the whole configuration as YAML, in the order of the fields."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

    def updated(self, **changes: Any) -> "Config":
        """Return a copy in which dotted keys (`data.source` as `data__source`) have new values."""
        return build([self.model_dump(), {key.replace("__", "."): value for key, value in changes.items()}])


def keys(model: type[BaseModel] = Config, prefix: str = "") -> list[str]:
    """Return all dotted keys of the configuration."""
    found: list[str] = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += keys(kind, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested mappings into dotted keys; refuse keys that do not exist, naming the nearest valid one."""
    valid = keys()
    sections = {key.rsplit(".", 1)[0] for key in valid if "." in key}
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if key in sections:
            if not isinstance(value, Mapping):
                raise ConfigError(f"Configuration key {key!r} is a section. Expected keys below it. Received {value!r}.")
            flat |= flatten(value, f"{key}.")
        elif key in valid:
            flat[key] = value
        else:
            last_parts = {option.rsplit(".", 1)[-1]: option for option in reversed(valid)}  # of two, the first
            meant = ".".join([key, *map(str, list(value)[:1])]) if isinstance(value, Mapping) else key  # a section written wrong
            near = nearest(meant, valid) or last_parts.get(nearest(str(name), last_parts) or "")
            hint = f" Did you mean {near!r}?" if near else ""
            raise ConfigError(f"Unknown configuration key {key!r}.{hint} Valid keys: {', '.join(valid)}.")
    return flat


def build(layers: Iterable[Mapping[str, Any]]) -> Config:
    """Merge mappings (nested or dotted), later ones over earlier ones, into a checked configuration.

    Raises:
        ConfigError: for an unknown key or a value that is not allowed.
    """
    flat: dict[str, Any] = {}
    for layer in layers:
        flat |= flatten(layer)
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a configuration file into dotted keys.

    Raises:
        ConfigError: where the file is missing, no YAML, or holds unknown keys.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The configuration file cannot be read: {error.strerror}. Received {str(path)!r}.") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: bytes that are no text, dates that do not exist
        first = " ".join(str(error).split())
        raise ConfigError(f"The configuration file {str(path)!r} is not YAML: {first}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"A configuration file holds `key: value` lines. Received {type(tree).__name__} in {str(path)!r}.")
    return flatten(tree)


def parse_assignment(text: str) -> dict[str, Any]:
    """Read one `key=value` of the command line into dotted keys."""
    return flatten(assignment(text, "head.dropout=0.3"))


def assignment(text: str, example: str) -> dict[str, Any]:
    """Read one `key=value` as it stands; the value is YAML, so that lists and numbers work.

    Args:
        text: of the command line.
        example: of one, for the error.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set takes key=value, for example --set {example}. Received {text!r}.")
    try:
        return {key.strip(): yaml.safe_load(value)}
    except (yaml.YAMLError, ValueError):
        raise ConfigError(f"The value after {key.strip()}= is not YAML. Received {value!r}.") from None


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    rule = first["msg"][0].lower() + first["msg"][1:]
    return f"Configuration key {key!r}: {rule}. Received {key}={first['input']!r}."
