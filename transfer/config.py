"""What a user may set, as typed models with defaults and YAML. Holds every number; imports no TensorFlow.

Unknown keys are refused with the nearest valid one. A network brings its own defaults (`networks/table.py`): they fill
the keys that the user left alone.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, PositiveInt, ValidationError

from transfer.config_sections import NetworkConfig, Section
from transfer.errors import ConfigError, nearest


class DataConfig(Section):
    """Which pictures, and how they are divided."""

    source: str | None = Field(
        None, description="folder of pictures, table (.csv, .tsv, .parquet), or tfds:NAME; the command line's DATA comes before it"
    )
    root: str | None = Field(None, description="where the paths of a table start; empty: in the table's own folder")
    missing_files: Literal["error", "skip"] = Field("error", description="what becomes of a table's rows whose files are not there")
    tfds_data_dir: str | None = Field(None, description="where TFDS data sets lie; empty: where tensorflow-datasets keeps them")
    group_by: str | None = Field(
        None,
        description="pictures of one group fall in the same split: near-duplicates; or a column of the table; or else a regular "
        "expression searched in the path, whose (captures) name the group; empty: a table's column `group`, where there is one",
    )
    validation: float = Field(0.15, gt=0, lt=0.5, description="share of the pictures for validation")
    test: float = Field(0.15, gt=0, lt=0.5, description="share of the pictures for the test")
    resize: Literal["stretch", "pad", "crop"] = Field(
        "stretch", description="how a picture becomes square: stretched, padded with white, or its centre"
    )
    max_megapixels: float = Field(100.0, gt=0, le=400, description="larger pictures are skipped, before their pixels are allocated")
    min_per_class: int | None = Field(None, ge=3, description="leave out classes with fewer pictures; empty: they are an error")


class AugmentConfig(Section):
    """Deterministic augmented views of each training picture (`data/augment.py`)."""

    views: int = Field(0, ge=0, le=64, description="augmented views of each training picture, beside the plain one")
    flip: bool = Field(True, description="mirror left to right, half of the time")
    crop: float = Field(0.2, ge=0, lt=0.9, description="largest share of each side that is cut away")
    color: float = Field(0.2, ge=0, lt=1, description="largest change of brightness, contrast and saturation, as a share")
    rotation: float = Field(10.0, ge=0, le=180, description="largest rotation to either side, in degrees")


class HeadConfig(Section):
    """The new, trained part on top of the truncated backbone."""

    pooling: Literal["avg", "max", "flatten"] = Field("avg", description="feature map to vector")
    standardize: bool = Field(True, description="zero mean and unit variance, learned on the training split")
    dense: tuple[PositiveInt, ...] = Field((256,), description="units of the hidden ReLU layers")
    dropout: float = Field(0.5, ge=0, lt=1, description="share of units dropped before each dense layer")
    l2: float = Field(1e-2, ge=0, description="L2 penalty on every dense kernel")


class TrainingConfig(Section):
    """How the trained part is fitted."""

    epochs: int = Field(60, ge=1, description="passes over the training split, at most")
    batch_size: int = Field(32, ge=1, description="pictures in a step")
    learning_rate: float = Field(3e-3, gt=0, description="Adam's first rate; it falls to zero along a cosine")
    patience: int | None = Field(15, ge=1, description="epochs without a better validation loss before stopping; empty: never stop early")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of each target spread over all classes")
    checkpoint_seconds: float = Field(30.0, ge=0, description="time between checkpoints, from which an interrupted training goes on")
    class_weights: Literal["none", "balanced"] = Field("none", description="balanced: each class weighs the same")


class FeaturesConfig(Section):
    """The frozen pass."""

    batch_size: int = Field(16, ge=1, description="pictures in a forward pass")
    memory_mb: int = Field(512, ge=16, description="stored features above this size are read from disk in each epoch")


class AutoConfig(Section):
    """How `truncate_at: auto` chooses: logistic regression, cross-validated on the training split."""

    folds: int = Field(5, ge=2, le=20, description="folds of the cross-validation")
    inverse_penalty: float = Field(0.1, gt=0, description="C of the logistic regression; smaller is more regularised")
    max_pictures: int = Field(4000, ge=10, description="training pictures used to choose, at most")


class ExportConfig(Section):
    """The SavedModel and the check before it is published."""

    batch_size: int = Field(32, ge=2, description="larger of the two batch sizes at which the export is checked; the other is 1")
    tolerance_float32: float = Field(1e-3, gt=0, description="largest difference of a probability that is accepted, in float32")
    tolerance_16bit: float = Field(0.05, gt=0, description="the same where the backbone computes in 16 bit")


class CheckConfig(Section):
    """What `transfer check` calls conspicuous, and from where on `--strict` fails."""

    near_copy: float = Field(
        0.97, gt=0, le=1, description="similarity from which on two pictures are near copies; 0: as if moved by 1/32 of the side"
    )
    near_copy_ratio: float = Field(0.4, gt=0, le=1, description="and differ by at most so much of what each does from its 8th; 1: any")
    neighbours: int = Field(5, ge=1, description="candidates for a near copy looked at more closely, for each picture")
    folds: int = Field(5, ge=2, le=20, description="folds of the cross-validations")
    inverse_penalty: float = Field(
        0.01, gt=0, description="C of the logistic regression that finds wrong labels; smaller is more regularised"
    )
    max_rows: int = Field(10_000, ge=100, description="pictures that the logistic regression is fitted on, at most")
    outlier_ratio: float = Field(2.0, gt=1, description="an outlier is so many times farther from its class than is usual there")
    leak_margin: float = Field(0.1, ge=0, lt=1, description="a property is a leak where it beats the largest class's share by so much")
    leak_level: float = Field(0.001, gt=0, lt=1, description="and where chance would do that less often than this")
    leak_saved: float = Field(0.5, gt=0, le=1, description="or where a rule for one class saves this share of its errors")
    tiny: int = Field(32, ge=1, description="pictures with a shorter side are tiny, in pixels")
    pictures: int = Field(48, ge=1, description="pictures of each kind of finding that the page shows, about")
    max_unusable: float = Field(0.0, ge=0, le=1, description="--strict: share of files that cannot be used")
    max_contradictions: int = Field(0, ge=0, description="--strict: pictures that stand in several classes")
    max_across: int = Field(0, ge=0, description="--strict: pairs of near copies in different splits")
    max_label_issues: float = Field(0.05, ge=0, le=1, description="--strict: share of labels that are likely wrong")
    max_leaks: int = Field(0, ge=0, description="--strict: properties of files that tell the class")


class Config(Section):
    """One experiment, completely."""

    backbone: str = Field("vgg16", description="a pretrained backbone or a network trained from scratch")
    weights: str = Field("imagenet", description="imagenet, random, or a file (.weights.h5, .h5, .keras)")
    image_size: int | None = Field(None, ge=8, le=2048, description="side of the square input; empty: the network's own")
    truncate_at: str = Field("top", description="cut point where the backbone ends; top; or auto: chosen by cross-validation")
    unfreeze_from: Literal["all"] | None = Field(
        None, description="first layer that is trained; empty: the backbone stays frozen; all: every layer, with weights: random"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field("auto", description="of the frozen pass; auto measures")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of the split, the initial weights, dropout, order and views")
    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    head: HeadConfig = HeadConfig()
    network: NetworkConfig = NetworkConfig()
    training: TrainingConfig = TrainingConfig()
    features: FeaturesConfig = FeaturesConfig()
    auto: AutoConfig = AutoConfig()
    export: ExportConfig = ExportConfig()
    check: CheckConfig = CheckConfig()

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
            last_parts = {option.rsplit(".", 1)[-1]: option for option in valid}
            near = nearest(key, valid) or last_parts.get(nearest(str(name), last_parts) or "")
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
    """Read one `key=value` of the command line; the value is YAML, so that lists and numbers work."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set takes key=value, for example --set head.dropout=0.3. Received {text!r}.")
    try:
        return flatten({key.strip(): yaml.safe_load(value)})
    except (yaml.YAMLError, ValueError):
        raise ConfigError(f"The value after {key.strip()}= is not YAML. Received {value!r}.") from None


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if key.split(".")[0] == "unfreeze_from":
        return (
            "unfreeze_from: this version trains a head on a frozen backbone and cannot fine-tune. "
            f"Leave it empty, or all with weights=random. Received unfreeze_from={first['input']!r}."
        )
    rule = first["msg"][0].lower() + first["msg"][1:]
    return f"Configuration key {key!r}: {rule}. Received {key}={first['input']!r}."
