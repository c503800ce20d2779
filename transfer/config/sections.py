"""The sections of the configuration: the keys below `data:`, `head:`, `training:` and so on, with their defaults."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationInfo, field_validator

from transfer.config import values

AutoOrOff = Literal["auto", "off"]


class Section(BaseModel):
    """Base of all sections: immutable; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _taken(cls, value: Any, info: ValidationInfo) -> Any:
        return values.taken(value, cls.model_fields[str(info.field_name)].annotation)


class NetworkConfig(Section):
    """A network trained from scratch. Empty keys: the network's own defaults. A network refuses options that it does not have."""

    color: Literal["rgb", "grey"] | None = Field(None, description="input channels of the network: rgb (three), or grey (brightness only)")
    filters: tuple[PositiveInt, ...] | None = Field(
        None, min_length=1, max_length=8, description="number of filters of each convolution or block"
    )
    padding: Literal["valid", "same"] | None = Field(
        None, description="padding of the convolutions; same: zeros around the maps keep their size"
    )
    dense: tuple[PositiveInt, ...] | None = Field(None, max_length=8, description="units of each hidden dense layer")
    activation: Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"] | None = Field(
        None, description="activation of all hidden layers"
    )
    pooling: Literal["max", "average", "blur"] | None = Field(
        None, description="pooling; blur: max pooling with stride 1, then a low-pass filter and subsampling"
    )
    blur: int | None = Field(None, ge=2, le=7, description="size of the low-pass filter of blur pooling, in pixels")
    normalization: Literal["none", "batch", "local"] | None = Field(
        None, description="batch: batch normalisation before each activation; local: local response normalisation"
    )
    locally_connected: bool | None = Field(None, description="convolutions without weight sharing: each position has its own weights")
    dropout: float | None = Field(None, ge=0, lt=1, description="dropout rate after each hidden dense layer")
    l1: float | None = Field(None, ge=0, description="L1 penalty on every kernel")
    l2: float | None = Field(None, ge=0, description="L2 penalty on every kernel")


class AugmentConfig(Section):
    """Augmented views of the training images, deterministic (`data/augment.py`)."""

    views: int = Field(0, ge=0, le=64, description="augmented views of each training image, in addition to the plain one")
    live: bool = Field(False, description="instead, a new view of each image in every epoch; only from scratch or with unfreeze_from: all")
    flip: bool = Field(
        True, description="mirror left to right, in half of the views; not for digits, text or signs (networks from scratch: false)"
    )
    crop: float = Field(0.2, ge=0, lt=0.9, description="largest fraction of each side that is cropped away")
    color: float = Field(0.2, ge=0, lt=1, description="largest relative change of brightness, contrast and saturation")
    rotation: float = Field(10.0, ge=0, le=180, description="largest rotation in either direction, in degrees")
    layers: str | None = Field(
        None, description="Keras layers that were given in Python and make live views in place of these changes, by their name; empty: none"
    )


class HeadConfig(Section):
    """The new classifier on top of the truncated backbone."""

    kind: Literal["dense", "linear", "own"] = Field(
        "dense",
        description="dense: dense layers with dropout and L2; linear: logistic regression, fitted to convergence; own: a Keras model that "
        "was given in Python",
    )
    own: str | None = Field(None, description="name of the own head, as head=MODEL sets it; empty: none was given")
    pooling: Literal["avg", "max", "avg+max", "flatten"] = Field(
        "avg", description="how a feature map becomes a vector; avg+max: both, side by side; flatten: of a single cut point"
    )
    standardize: bool = Field(True, description="scale features to zero mean and unit variance, estimated on the training split")
    equal_weight: bool = Field(
        True,
        description="with several cut points or poolings, divide standardised features by the root of the number of those of the same "
        "origin: else the widest layer outweighs the others",
    )
    inverse_penalty: float | None = Field(
        None,
        gt=0,
        description="C of a linear head; smaller values regularise more; empty: chosen by cross-validation on the training split",
    )
    dense: tuple[PositiveInt, ...] = Field((256,), description="units of each hidden dense layer (ReLU)")
    dropout: float = Field(0.5, ge=0, lt=1, description="dropout rate before each dense layer")
    l2: float = Field(1e-2, ge=0, description="L2 penalty on the kernels of all dense layers")


class OptimizerConfig(Section):
    """Keys of every stage of training: Adam with linear warmup and cosine decay to zero."""

    epochs: int = Field(60, ge=1, description="maximum number of passes over the training split")
    batch_size: int = Field(32, ge=1, description="images per training step")
    learning_rate: float = Field(3e-3, gt=0, description="peak learning rate of Adam; it decays to zero along a cosine")
    warmup: float = Field(0.0, ge=0, lt=1, description="fraction of all steps during which the rate rises from zero")
    weight_decay: float = Field(0.0, ge=0, lt=1, description="decoupled weight decay of the kernels (AdamW); 0: plain Adam")
    clip_norm: float | None = Field(None, gt=0, description="clip gradients to this global norm; empty: no clipping")
    patience: int | None = Field(
        15, ge=1, description="epochs without a better validation loss before training stops; empty: no early stopping"
    )


class TrainingConfig(OptimizerConfig):
    """How the head, or a network from scratch, is trained."""

    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="label smoothing: fraction of each target spread over all classes; also in fine-tuning"
    )
    checkpoint_seconds: float = Field(30.0, ge=0, description="seconds between checkpoints, from which interrupted training resumes")
    class_weights: Literal["none", "balanced"] = Field("none", description="balanced: every class has equal weight; also in fine-tuning")
    callbacks: tuple[str, ...] = Field((), description="classes of the Keras callbacks that were given in Python")
    metrics: tuple[str, ...] = Field((), description="names of the Keras metrics that were given in Python")
    devices: Literal["all", "one"] = Field(
        "all", description="with several GPUs: split each batch among all of them, or use one; also in fine-tuning"
    )


class FineTuningConfig(OptimizerConfig):
    """The second stage, with `unfreeze_from`: the layers above the freeze boundary are trained together with the head."""

    epochs: int = Field(8, ge=1, description="maximum number of passes over the training split")
    learning_rate: float = Field(1e-4, gt=0, description="peak learning rate of Adam; it decays to zero along a cosine")
    warmup: float = Field(0.1, ge=0, lt=1, description="fraction of all steps during which the rate rises from zero")
    clip_norm: float | None = Field(1.0, gt=0, description="clip gradients to this global norm; empty: no clipping")
    patience: int | None = Field(
        5, ge=1, description="epochs without a better validation loss (`keep`) before training stops; empty: no early stopping"
    )
    keep: Literal["scaled_loss", "loss"] = Field(
        "scaled_loss",
        description="validation loss by which the epoch to keep is chosen. scaled_loss: after temperature scaling, as in the export, since "
        "overconfidence raises the loss while accuracy still rises; loss: as it is, with the penalties",
    )
    keep_tolerance: float = Field(
        0.02,
        ge=0,
        description="the latest epoch whose loss is within this fraction of the lowest one is kept: such a difference is chance, and the "
        "rate is lower there; 0: the lowest",
    )
    views: Literal["turns", "all"] = Field(
        "turns",
        description="stored views (augment.views). turns: each epoch has one view of each image, another one than the epoch before; all: "
        "every epoch has all views, and takes as many times as long",
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="the learning rate of each layer is this factor times that of the next layer up; 1: the same for all"
    )
    l2: float = Field(0.0, ge=0, description="L2 penalty on the unfrozen kernels of the backbone; head.l2 still applies to the head")


class FeaturesConfig(Section):
    """Feature extraction."""

    batch_size: int | None = Field(None, ge=1, description="images in a batch; empty: 16 of 224 px, more of smaller ones, 256 at most")
    memory_mb: int = Field(
        512, ge=16, description="features up to this size (MB) are kept in memory; larger ones are read from disk in every epoch"
    )


class AutoConfig(Section):
    """How `truncate_at: auto` chooses: cross-validated logistic regression on the training split."""

    folds: int = Field(5, ge=2, le=20, description="number of folds of the cross-validation")
    inverse_penalty: float = Field(0.1, gt=0, description="C of the logistic regression; smaller values regularise more")
    max_images: int = Field(4000, ge=10, description="maximum number of training images used to choose")


class CrossValidationConfig(Section):
    """Cross-validation beside the run's own training: predictions of every image by a model that never saw it."""

    folds: int | None = Field(
        None, ge=2, le=100, description="number of folds of the training and validation images; empty: no cross-validation"
    )
    average: bool = Field(
        False, description="export the average of the heads of all folds instead of the head of the training split; frozen backbones only"
    )


class ExportConfig(Section):
    """The SavedModel, and its verification before it is published."""

    batch_size: int = Field(32, ge=2, description="larger of the two batch sizes at which the export is verified; the other is 1")
    verified_images: int | None = Field(64, ge=1, description="test images that verify the export of a frozen backbone; null: all")
    tolerance_float32: float = Field(1e-3, gt=0, description="largest accepted difference of a probability, in float32")
    tolerance_16bit: float = Field(
        0.05, gt=0, description="largest accepted difference of a probability if the backbone computes in 16 bit"
    )
    tolerance_ood_score: float = Field(0.05, gt=0, description="largest accepted difference of ood_score, whose threshold is 1")
    max_accuracy_loss: float = Field(
        0.02,
        ge=0,
        le=1,
        description="largest accepted loss of test accuracy against the SavedModel, if chance does not explain it (95 % interval); 1: any",
    )
    calibration_images: int = Field(128, ge=1, description="maximum number of training images that calibrate an 8-bit export")


class OODConfig(Section):
    """When an image is out of distribution (OOD): unlike all training images."""

    cut_points: int = Field(
        5, ge=1, le=20, description="maximum number of cut points, evenly spaced up to the truncation, whose features are compared"
    )
    neighbours: int = Field(2, ge=1, le=1000, description="number of nearest training images whose mean distance is the score")
    false_alarms: float = Field(
        0.05, gt=0, lt=1, description="fraction of the validation images that the threshold calls out of distribution"
    )
    reference_images: int = Field(1000, ge=10, le=100_000, description="maximum number of training images kept for comparison")
    other_images: int = Field(
        30, ge=0, le=400, description="images of each kind of other data on which detection is measured; 0: it is not measured"
    )
