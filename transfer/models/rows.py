"""The rows of the table of networks. Imports no TensorFlow."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from transfer.config import NetworkConfig
from transfer.errors import ConfigError, named, unknown_name

Preprocessing = Literal["caffe", "tf", "torch", "inside"]


@dataclass(frozen=True)
class Cut:
    """A place at which a backbone can be cut: the one tensor through which everything above depends on everything below.

    It is the output of `layer` or, with `before`, its input (Keras gives some sums no stable name); the backbone's output if
    `layer` is empty.
    """

    name: str
    layer: str = ""
    before: bool = False


@dataclass(frozen=True)
class Backbone:
    """A pretrained network without its classifier, of `keras.applications` or of the user.

    Attributes:
        name: its name in configurations.
        builder: its function in `keras.applications`.
        preprocessing: what its weights expect of RGB in 0..255. `caffe`: BGR minus the ImageNet mean; `tf`: -1 to 1;
            `torch`: 0 to 1, then ImageNet mean and deviation; `inside`: the network does it.
        size: side of the images it was trained on, in pixels.
        smallest: smallest side it accepts.
        cuts: cut points, from the shallowest to the top.
        paper: its publication; empty if it is not known here.
        defaults: configuration keys that differ from the general defaults.
        layers: names of all layers from the first on, cut points included, if they form a single chain: the freeze boundary
            may then lie between any two of them.
        architecture: of an own backbone, with its preprocessing inside (`own/architecture.py`); empty: `builder` makes it.
        only_size: whether it takes images of no other size than `size`.
    """

    name: str
    builder: str
    preprocessing: Preprocessing
    size: int
    smallest: int
    cuts: tuple[Cut, ...]
    paper: str
    defaults: dict[str, Any] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    architecture: str = field(default="", repr=False)
    only_size: bool = False

    @property
    def identifier(self) -> str:
        """Its name as Keras models and files can be called."""
        return re.sub(r"[^A-Za-z0-9_]", "_", self.name)

    @property
    def cut_names(self) -> list[str]:
        """Names of the cut points, from the shallowest to the top."""
        return [cut.name for cut in self.cuts]

    def cut(self, name: str) -> Cut:
        """Return a cut point by name, without regard to case; `top` is the last one.

        Raises:
            ConfigError: with the valid names and the nearest one.
        """
        found = named(name, [*self.cut_names, "top"])
        if found is None:
            raise ConfigError("truncate_at: " + unknown_name(f"cut point of {self.name}", name, [*self.cut_names, "top", "all", "auto"]))
        return self.cuts[-1] if found == "top" else self.cuts[self.cut_names.index(found)]

    def cuts_of(self, truncate_at: str | Sequence[str]) -> tuple[Cut, ...]:
        """Return the cut points of a configuration, from the shallowest up; `all` is every one.

        Raises:
            ConfigError: for an unknown name, with the valid names and the nearest one, and for a repeated one.
        """
        if isinstance(truncate_at, str):
            return self.cuts if truncate_at.strip().lower() == "all" else (self.cut(truncate_at),)
        found = [self.cut(name) for name in truncate_at]
        if len(set(found)) < len(found):
            raise ConfigError(f"truncate_at: no cut point may be repeated. Received {list(truncate_at)!r}.")
        return tuple(sorted(found, key=self.cuts.index))

    def boundary(self, unfreeze_from: str) -> Cut | None:
        """Return the place below the first layer that is trained; None if that is the very first layer.

        Args:
            unfreeze_from: a layer of `layers`; a cut point, meaning the first layer above it; or `all`.

        Raises:
            ConfigError: for an unknown name, with the valid names and the nearest one, and for the top, above which there is no layer.
        """
        if unfreeze_from == "all":
            return None
        below_top = [name for name in self.layers or self.cut_names if name != self.cut_names[-1]]
        if unfreeze_from not in below_top:
            raise ConfigError("unfreeze_from: " + unknown_name(f"layer of {self.name}", unfreeze_from, [*below_top, "all"]))
        if unfreeze_from in self.cut_names:  # a cut point has no weights of its own
            return self.cut(unfreeze_from)
        position = self.layers.index(unfreeze_from)
        return self.place(self.layers[position - 1]) if position else None

    def place(self, name: str) -> Cut:
        """Return a cut point, or a place between two layers, by name."""
        return Cut(name, name) if name in self.layers else self.cut(name)

    def above(self, boundary: Cut) -> list[Cut]:
        """Return the cut points above a place."""
        order = self.layers or tuple(self.cut_names)
        return [cut for cut in self.cuts if order.index(cut.name) > order.index(boundary.name)]


def from_json(content: Mapping[str, Any]) -> Backbone:
    """Return the row that `dataclasses.asdict` has turned into JSON."""
    cuts = tuple(Cut(**cut) for cut in content["cuts"])
    return Backbone(**{**content, "cuts": cuts, "layers": tuple(content["layers"])})


@dataclass(frozen=True)
class Scratch:
    """A network trained from scratch on pixels.

    Attributes:
        name: its name in configurations, and of its file in `scratch/`.
        size, smallest: default and smallest side of the images, in pixels.
        options: the keys of the section `network` that it takes, with its own values.
        defaults: configuration keys that differ from the general defaults.
        block_convolutions: 3x3 convolutions in each of the blocks that `filters` lists; 0: it has no such blocks.
        without: values of its options that it does not take.
        counts: option -> number of values it must list.
    """

    name: str
    size: int
    smallest: int
    paper: str
    options: dict[str, Any]
    defaults: dict[str, Any] = field(default_factory=dict)
    block_convolutions: int = 0
    without: tuple[tuple[str, str], ...] = ()
    counts: dict[str, int] = field(default_factory=dict)

    def smallest_with(self, options: NetworkConfig) -> int:
        """Return the smallest side in pixels with these options: the last block leaves one value."""
        if not self.block_convolutions:
            return self.smallest
        lost = 2 * self.block_convolutions if options.padding == "valid" else 0
        side = 1
        for _ in options.filters or ():
            side = 2 * side + lost
        return max(side, 8)
