"""The configuration: a typed model with defaults, written as YAML. Does not import TensorFlow.

Unknown keys are refused with the nearest valid one (`loading.py`). A network has defaults of its own (`models/registry.py`)
for the keys that the user did not set.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from transfer.config import yaml_text
from transfer.config.checks import CheckConfig
from transfer.config.cut_points import CutPoints
from transfer.config.data import DataConfig
from transfer.config.engines import EngineConfig
from transfer.config.logging import LoggingConfig
from transfer.config.sections import (
    AugmentConfig,
    AutoConfig,
    AutoOrOff,
    CrossValidationConfig,
    ExportConfig,
    FeaturesConfig,
    FineTuningConfig,
    HeadConfig,
    NetworkConfig,
    OODConfig,
    Section,
    TrainingConfig,
)
from transfer.config.values import refusal
from transfer.errors import ConfigError


class Config(Section):
    """The complete configuration of one run."""

    backbone: str = Field(
        "vgg16",
        description="a pretrained backbone (vgg16, ...), any other of Keras (keras.applications.NAME), or a network trained from scratch "
        "(lenet, ...)",
    )
    weights: str = Field("imagenet", description="weights of the backbone: imagenet, random, or a file (.weights.h5, .h5, .keras)")
    image_size: int | None = Field(None, ge=8, le=2048, description="side of the square input in pixels; empty: the network's own")
    truncate_at: CutPoints = Field(
        "top",
        description="cut point where the backbone ends, or a list of cut points whose features are joined; top: all of it; all: every cut "
        "point; auto: a cut point, or the uppermost ones together, chosen by cross-validation",
    )
    unfreeze_from: str | None = Field(
        None,
        description="freeze boundary: first layer to fine-tune, or the cut point above which all layers are; all; empty: no fine-tuning",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="precision of feature extraction; auto: 16 bit if it is measured to be faster and as accurate"
    )
    compute: Literal["auto", "tensorflow", "openvino"] = Field(
        "auto",
        description="what extracts features on a processor; openvino: the extra of this name; auto: the one that is measured to be faster, "
        "if it is installed and its features agree. The export is always TensorFlow's",
    )
    seed: int = Field(
        0, ge=0, le=2**31 - 1, description="seed of the split, initial weights, dropout, order of the images and augmented views"
    )
    energy: AutoOrOff = Field("auto", description="auto: measure or estimate the electricity used by the run; off: do not")
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    head: HeadConfig = HeadConfig()
    network: NetworkConfig = NetworkConfig()
    training: TrainingConfig = TrainingConfig()
    fine_tuning: FineTuningConfig = FineTuningConfig()
    features: FeaturesConfig = FeaturesConfig()
    auto: AutoConfig = AutoConfig()
    cross_validation: CrossValidationConfig = CrossValidationConfig()
    export: ExportConfig = ExportConfig()
    ood: OODConfig = OODConfig()
    check: CheckConfig = CheckConfig()
    engine: EngineConfig = EngineConfig()
    logging: LoggingConfig = LoggingConfig()

    @property
    def whole_from_random(self) -> bool:
        """Whether the whole backbone is trained from random weights: training from scratch, with nothing frozen."""
        return self.unfreeze_from == "all" and self.weights == "random"

    @property
    def fitted_splits(self) -> tuple[str, ...]:
        """The splits whose images are trained on: with cross-validation, validation images are in the training part of other folds."""
        return ("train",) if self.cross_validation.folds is None else ("train", "validation")

    def to_yaml(self) -> str:
        """Return the whole configuration as YAML, in field order."""
        return yaml_text.dump(self.model_dump(mode="json"))

    def updated(self, **changes: Any) -> "Config":
        """Return a validated copy with new values for dotted keys (`data.source` is written `data__source`)."""
        tree = self.model_dump()
        for key, value in changes.items():
            *path, last = key.split("__")
            section = tree
            for name in path:
                section = section[name]
            section[last] = value
        return validated(tree)


def validated(tree: Mapping[str, Any]) -> Config:
    """Return the configuration given by nested keys.

    Raises:
        ConfigError: for an invalid value.
    """
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        found = refusal(error)
        raise ConfigError(f"Configuration key {found.key!r}: {found.rule}. Received {found.key}={found.received!r}.") from None
