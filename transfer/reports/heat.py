"""Where a network looked, as colour over an image.

The colours are those of plasma (Smith and van der Walt 2015, matplotlib) without its brightest tenth: their lightness rises
throughout, so they can be told apart with any colour vision and in grey, and the hot end is visible on white paper. They are a
table here because importing matplotlib would slow the start of a server.
"""

import numpy as np
from PIL import Image

COLOURS = np.array(
    [(13, 8, 135), (75, 3, 161), (125, 3, 168), (168, 34, 150), (203, 70, 121), (229, 107, 93), (248, 148, 65), (253, 195, 40)], np.float32
)
"""RGB in 0..255 [n, 3], from cold to hot, at equal distances."""

OPACITY = 0.8
"""Of the hottest place; the coldest one is transparent."""


def rgba(heat: np.ndarray, side: int) -> Image.Image:
    """Return a heat map as a layer to lay over an image.

    Args:
        heat: [h, w], 0 (cold) to 1 (hot); values outside are clipped, NaN counts as cold.
        side: of the image in pixels.

    Returns:
        RGBA, side x side: the map enlarged smoothly, the hotter the brighter and the more opaque; alpha 0 where it is cold.
    """
    values = _enlarged(heat, side)
    alpha = np.rint(255 * OPACITY * values**0.75)
    return Image.fromarray(np.concatenate([np.rint(_coloured(values)), alpha[..., np.newaxis]], -1).astype(np.uint8))


def overlay(image: np.ndarray, heat: np.ndarray) -> Image.Image:
    """Return an image with a heat map over it.

    Args:
        image: uint8 RGB [s, s, 3], as the network saw it.
        heat: [h, w], as for `rgba`.

    Returns:
        RGB, s x s.
    """
    below = Image.fromarray(image).convert("RGBA")
    return Image.alpha_composite(below, rgba(heat, image.shape[0])).convert("RGB")


def _enlarged(heat: np.ndarray, side: int) -> np.ndarray:
    """Return float32 [side, side] in 0..1.

    Bicubic, because bilinear enlargement of 7 x 7 values shows their corners; but only where the bilinear one is not 0, because
    bicubic interpolation overshoots beyond the neighbours of a hot place.
    """
    clean = Image.fromarray(np.clip(np.nan_to_num(np.asarray(heat, np.float32), nan=0.0), 0, 1))
    smooth, near = (np.asarray(clean.resize((side, side), how)) for how in (Image.Resampling.BICUBIC, Image.Resampling.BILINEAR))
    return np.where(near > 0, np.clip(smooth, 0, 1), 0).astype(np.float32)


def _coloured(values: np.ndarray) -> np.ndarray:
    """Return the colours of values in 0..1, float32 [..., 3]."""
    places = np.linspace(0, 1, len(COLOURS))
    return np.stack([np.interp(values, places, COLOURS[:, channel]) for channel in range(3)], -1)
