"""What a user may set: typed models with defaults, and their loading. Holds every number; imports no TensorFlow."""

from transfer.config.schema import Config, assignment, build, flatten, keys, parse_assignment, read_yaml
from transfer.config.sections import (
    AugmentConfig,
    AutoConfig,
    CheckConfig,
    DataConfig,
    ExportConfig,
    FamiliarityConfig,
    FeaturesConfig,
    FineTuningConfig,
    HeadConfig,
    NetworkConfig,
    OptimizerConfig,
    TrainingConfig,
)

__all__ = [
    "AugmentConfig", "AutoConfig", "CheckConfig", "Config", "DataConfig", "ExportConfig", "FamiliarityConfig", "FeaturesConfig",
    "FineTuningConfig", "HeadConfig", "NetworkConfig", "OptimizerConfig", "TrainingConfig", "assignment", "build", "flatten", "keys",
    "parse_assignment", "read_yaml",
]  # fmt: skip
