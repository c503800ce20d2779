"""All settings: typed models with their defaults, and how they are loaded. Does not import TensorFlow."""

from transfer.config.checks import CheckConfig
from transfer.config.data import DataConfig
from transfer.config.engines import EngineConfig
from transfer.config.loading import UNSET, Unset, build, flatten, given, keys, last_parts, parse_assignment, read_yaml
from transfer.config.logging import LoggingConfig
from transfer.config.reference import json_schema, schema_rows
from transfer.config.schema import Config
from transfer.config.sections import (
    AugmentConfig,
    AutoConfig,
    CrossValidationConfig,
    ExportConfig,
    FeaturesConfig,
    FineTuningConfig,
    HeadConfig,
    NetworkConfig,
    OODConfig,
    OptimizerConfig,
    TrainingConfig,
)
from transfer.config.yaml_text import option

__all__ = [
    "AugmentConfig", "AutoConfig", "CheckConfig", "Config", "CrossValidationConfig", "DataConfig", "EngineConfig", "ExportConfig",
    "FeaturesConfig", "FineTuningConfig", "HeadConfig", "LoggingConfig", "NetworkConfig", "OODConfig", "OptimizerConfig",
    "TrainingConfig", "UNSET", "Unset", "build", "flatten", "given", "json_schema", "keys", "last_parts", "option", "parse_assignment",
    "read_yaml", "schema_rows",
]  # fmt: skip
