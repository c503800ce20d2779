"""What a user may set, as typed models with defaults and YAML. Holds every number; imports no TensorFlow.

Unknown keys are refused with the nearest valid one (`loading.py`). A network brings defaults of its own (`models/registry.py`),
which fill the keys that the user left alone.
"""

from collections.abc import Mapping
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

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
from transfer.errors import ConfigError


class Config(Section):
    """One experiment, completely."""

    backbone: str = Field("vgg16", description="a pretrained backbone or a network trained from scratch")
    weights: str = Field("imagenet", description="imagenet, random, or a file (.weights.h5, .h5, .keras)")
    image_size: int | None = Field(None, ge=8, le=2048, description="side of the square input; empty: the network's own")
    truncate_at: str = Field("top", description="cut point where the backbone ends; top; or auto: chosen by cross-validation")
    unfreeze_from: str | None = Field(
        None, description="first layer of the backbone that is fine-tuned, or the cut point above which all are; all; empty: none"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="of feature extraction; auto measures")
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
        """Return a copy in which dotted keys (`data.source` as `data__source`) have new values, which are checked."""
        tree = self.model_dump()
        for key, value in changes.items():
            *path, last = key.split("__")
            section = tree
            for name in path:
                section = section[name]
            section[last] = value
        return validated(tree)


def validated(tree: Mapping[str, Any]) -> Config:
    """Return the configuration of nested keys.

    Raises:
        ConfigError: for a value that is not allowed.
    """
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    rule = first["msg"][0].lower() + first["msg"][1:]
    return f"Configuration key {key!r}: {rule}. Received {key}={first['input']!r}."
