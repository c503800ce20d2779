"""The arithmetic of one convolution: output size, weights, multiply-adds and memory, with the formulas. No TensorFlow.

Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285. The padding `same` is
TensorFlow's: as many zeros as give ceil(n / s) outputs, the odd one after the image.
"""

from dataclasses import dataclass

from transfer.errors import ConfigError


def same_padding(size: int, extent: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after `size` values that the padding `same` adds, for a window `extent` wide."""
    total = max((-(-size // stride) - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


@dataclass(frozen=True)
class Convolution:
    """A convolution with bias of a square map of n x n x c with m kernels of k x k x c.

    Attributes:
        kernel: k, side of the kernels.
        size: n, side of its input.
        channels: c, channels of its input.
        filters: m, number of kernels, and so of channels of its output.
        stride: s, step of the kernels.
        padding: `valid` (none), `same`, or p, zeros added on every side. All sides are in values of the map.

    Raises:
        ConfigError: if a number is too small, the padding is unknown, or the kernel is larger than the padded map.
    """

    kernel: int
    size: int
    channels: int
    filters: int
    stride: int = 1
    padding: int | str = "valid"

    def __post_init__(self) -> None:
        for name in ("kernel", "size", "channels", "filters", "stride"):
            if getattr(self, name) < 1:
                raise ConfigError(f"The {name} of a convolution is a whole number from 1 on. Received {getattr(self, name)}.")
        valid = self.padding in ("valid", "same") if isinstance(self.padding, str) else self.padding >= 0
        if not valid:
            raise ConfigError(f"The padding of a convolution is same, valid, or a whole number from 0 on. Received {self.padding!r}.")
        if self.kernel > self.size + sum(self.zeros):
            raise ConfigError(
                f"The kernel must not be larger than the padded image, {self.size + sum(self.zeros)} a side. "
                f"Take a smaller kernel or more padding. Received a kernel of {self.kernel}."
            )

    @property
    def zeros(self) -> tuple[int, int]:
        """Zeros added before and after its input, on each axis."""
        if self.padding == "same":
            return same_padding(self.size, self.kernel, self.stride)
        return (0, 0) if isinstance(self.padding, str) else (self.padding, self.padding)

    @property
    def output(self) -> int:
        """Side of its output: ceil((n + 2p - (k - 1)) / s)."""
        return -(-(self.size + sum(self.zeros) - (self.kernel - 1)) // self.stride)

    @property
    def parameters(self) -> int:
        """Weights and biases: k*k*c*m + m."""
        return self.kernel**2 * self.channels * self.filters + self.filters

    @property
    def multiply_adds(self) -> int:
        """Products that are summed for one image: o*o*k*k*c*m; those with padded zeros count, as usual."""
        return self.output**2 * self.kernel**2 * self.channels * self.filters

    @property
    def activation_bytes(self) -> int:
        """Memory of its output for one image, in float32."""
        return 4 * self.output**2 * self.filters


def read_padding(text: str) -> int | str:
    """Parse a padding: `same`, `valid`, or a number; `Convolution` checks it."""
    try:
        return int(text)
    except ValueError:
        return text.strip().lower()
