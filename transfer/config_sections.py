"""Sections of the configuration that stand for themselves: their base, and the options of networks trained from scratch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt


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
