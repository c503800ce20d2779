"""The sections of the configuration: what may be set below `data:`, `head:`, `training:` and so on, with the defaults."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt


def _off_of_yaml(value: object) -> object:
    """YAML reads a bare `off` as false."""
    return "off" if value is False else value


AutoOrOff = Annotated[Literal["auto", "off"], BeforeValidator(_off_of_yaml)]


class Section(BaseModel):
    """Base of all sections: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class NetworkConfig(Section):
    """A network trained from scratch. Empty: as the network's own file says; a network refuses options that it has not."""

    color: Literal["rgb", "grey"] | None = Field(None, description="what the network sees: three channels, or brightness alone")
    filters: tuple[PositiveInt, ...] | None = Field(None, min_length=1, max_length=8, description="maps of each convolution or block")
    padding: Literal["valid", "same"] | None = Field(
        None, description="of the convolutions; same: a border of zeros keeps the size of the maps"
    )
    dense: tuple[PositiveInt, ...] | None = Field(None, max_length=8, description="units of the hidden fully connected layers")
    activation: Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"] | None = Field(
        None, description="of all hidden layers"
    )
    pooling: Literal["max", "average", "blur"] | None = Field(
        None, description="blur: maximum at stride 1, then a low-pass filter and subsampling"
    )
    blur: int | None = Field(None, ge=2, le=7, description="length of the low-pass filter of blur pooling, in pixels")
    normalization: Literal["none", "batch", "local"] | None = Field(
        None, description="batch normalisation before each activation, or local response normalisation"
    )
    locally_connected: bool | None = Field(None, description="every place of a map has weights of its own: convolutions without sharing")
    dropout: float | None = Field(None, ge=0, lt=1, description="share of units dropped after each hidden dense layer")
    l1: float | None = Field(None, ge=0, description="L1 penalty on every kernel")
    l2: float | None = Field(None, ge=0, description="L2 penalty on every kernel")


class DataConfig(Section):
    """Which images, and how they are divided."""

    source: str | None = Field(
        None, description="folder of images, table (.csv, .tsv, .parquet), or tfds:NAME; the command line's DATA comes before it"
    )
    root: str | None = Field(None, description="where the paths of a table start; empty: in the table's own folder")
    missing_files: Literal["error", "skip"] = Field("error", description="what becomes of a table's rows whose files are not there")
    tfds_data_dir: str | None = Field(None, description="where TFDS data sets lie; empty: where tensorflow-datasets keeps them")
    group_by: str | None = Field(
        None,
        description="images of one group fall in the same split: near-duplicates; or a column of the table; or else a regular "
        "expression searched in the path, whose (captures) name the group; empty: a table's column `group`, where there is one",
    )
    validation: float = Field(0.15, gt=0, lt=0.5, description="share of the images for validation")
    test: float = Field(0.15, gt=0, lt=0.5, description="share of the images for the test")
    resize: Literal["stretch", "pad", "crop"] = Field(
        "stretch", description="how an image becomes square: stretched, padded with white, or its centre"
    )
    max_megapixels: float = Field(100.0, gt=0, le=400, description="larger images are skipped, before their pixels are allocated")
    min_per_class: int | None = Field(None, ge=3, description="leave out classes with fewer images; empty: they are an error")


class AugmentConfig(Section):
    """Deterministic augmented views of each training image (`data/augment.py`)."""

    views: int = Field(0, ge=0, le=64, description="augmented views of each training image, beside the plain one")
    live: bool = Field(False, description="a new view of each image in every epoch instead; from scratch, or with unfreeze_from: all")
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


class OptimizerConfig(Section):
    """What the two ways of fitting share: Adam, with a rate that rises in a straight line and falls to zero along a cosine."""

    epochs: int = Field(60, ge=1, description="passes over the training split, at most")
    batch_size: int = Field(32, ge=1, description="images in a step")
    learning_rate: float = Field(3e-3, gt=0, description="Adam's highest rate; it falls to zero along a cosine")
    warmup: float = Field(0.0, ge=0, lt=1, description="share of all steps in which the rate rises from zero")
    weight_decay: float = Field(0.0, ge=0, lt=1, description="decoupled decay of the kernels (AdamW); 0: plain Adam")
    clip_norm: float | None = Field(None, gt=0, description="largest norm of all gradients together; empty: they are not clipped")
    patience: int | None = Field(15, ge=1, description="epochs without a better validation loss before stopping; empty: never stop early")


class TrainingConfig(OptimizerConfig):
    """How the head, or a network from scratch, is fitted."""

    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of each target spread over all classes; also in fine-tuning")
    checkpoint_seconds: float = Field(30.0, ge=0, description="time between checkpoints, from which an interrupted training goes on")
    class_weights: Literal["none", "balanced"] = Field("none", description="balanced: each class weighs the same; also in fine-tuning")
    devices: Literal["all", "one"] = Field(
        "all", description="several GPUs: each batch is divided among all of them, or one does everything; also in fine-tuning"
    )


class FineTuningConfig(OptimizerConfig):
    """The second stage, with `unfreeze_from`: the layers above the freeze boundary and the head, together."""

    epochs: int = Field(12, ge=1, description="passes over the training split, at most")
    learning_rate: float = Field(3e-5, gt=0, description="Adam's highest rate; it falls to zero along a cosine")
    warmup: float = Field(0.1, ge=0, lt=1, description="share of all steps in which the rate rises from zero")
    clip_norm: float | None = Field(1.0, gt=0, description="largest norm of all gradients together; empty: they are not clipped")
    patience: int | None = Field(5, ge=1, description="epochs without a better validation loss before stopping; empty: never stop early")
    layer_decay: float = Field(1.0, gt=0, le=1, description="the rate of each layer is so many times that of the next one up")
    l2: float = Field(0.0, ge=0, description="L2 penalty on the backbone's unfrozen kernels; head.l2 stays that of the head")


class FeaturesConfig(Section):
    """Feature extraction."""

    batch_size: int = Field(16, ge=1, description="images in a forward pass")
    memory_mb: int = Field(512, ge=16, description="stored features above this size are read from disk in each epoch")


class AutoConfig(Section):
    """How `truncate_at: auto` chooses: logistic regression, cross-validated on the training split."""

    folds: int = Field(5, ge=2, le=20, description="folds of the cross-validation")
    inverse_penalty: float = Field(0.1, gt=0, description="C of the logistic regression; smaller is more regularised")
    max_images: int = Field(4000, ge=10, description="training images used to choose, at most")


class ExportConfig(Section):
    """The SavedModel and the check before it is published."""

    batch_size: int = Field(32, ge=2, description="larger of the two batch sizes at which the export is checked; the other is 1")
    tolerance_float32: float = Field(1e-3, gt=0, description="largest difference of a probability that is accepted, in float32")
    tolerance_16bit: float = Field(0.05, gt=0, description="the same where the backbone computes in 16 bit")
    tolerance_ood_score: float = Field(0.05, gt=0, description="largest accepted difference of `ood_score`, 1 being the threshold")
    calibration_images: int = Field(128, ge=1, description="training images from which 8-bit exports take their ranges, at most")


class OODConfig(Section):
    """When an image is called unlike anything in the training data."""

    neighbours: int = Field(5, ge=1, le=1000, description="of the training images nearest to an image, whose mean distance counts")
    false_alarms: float = Field(0.05, gt=0, lt=1, description="share of the validation images that the threshold calls unknown")
    reference_images: int = Field(1000, ge=10, le=100_000, description="training images kept to compare with, at most")
    other_images: int = Field(30, ge=0, le=400, description="images of each kind of other data that must stand out; 0: not tried")


class CheckConfig(Section):
    """What `transfer check` calls conspicuous, and from where on `--strict` fails."""

    near_duplicate: float = Field(
        0.97, gt=0, le=1, description="smallest similarity of near duplicates; 0: as different as if moved by 1/32 of the side"
    )
    near_duplicate_ratio: float = Field(
        0.4, gt=0, le=1, description="largest difference of near duplicates, as a share of that from each one's 8th nearest; 1: any"
    )
    neighbours: int = Field(5, ge=1, description="candidates for near duplicates compared with each image")
    folds: int = Field(5, ge=2, le=20, description="folds of the cross-validations")
    inverse_penalty: float = Field(
        0.01, gt=0, description="C of the logistic regression that finds wrong labels; smaller is more regularised"
    )
    max_rows: int = Field(10_000, ge=100, description="images that the logistic regression is fitted on, at most")
    outlier_ratio: float = Field(2.0, gt=1, description="an outlier is so many times farther from its class than is usual there")
    leak_margin: float = Field(0.1, ge=0, lt=1, description="a property is a leak where it beats the largest class's share by so much")
    leak_level: float = Field(0.001, gt=0, lt=1, description="and where chance would do that less often than this")
    leak_saved: float = Field(0.5, gt=0, le=1, description="or where a rule for one class saves this share of its errors")
    tiny: int = Field(32, ge=1, description="images with a shorter side are tiny, in pixels")
    images: int = Field(48, ge=1, description="images of each kind of finding that the page shows, about")
    max_unusable: float = Field(0.0, ge=0, le=1, description="--strict: share of files that cannot be used")
    max_contradictions: int = Field(0, ge=0, description="--strict: images that stand in several classes")
    max_across: int = Field(0, ge=0, description="--strict: pairs of near duplicates in different splits")
    max_label_issues: float = Field(0.05, ge=0, le=1, description="--strict: share of labels that are likely wrong")
    max_leaks: int = Field(0, ge=0, description="--strict: properties of files that tell the class")
