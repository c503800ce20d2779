"""One image in each kind of file that the decoder reads, and in those that it is given as PNG."""

import numpy as np
from PIL import Image

from tests.data.decoding import encoders as e

SIDE = 48
RGB = Image.fromarray(e.smooth(SIDE, SIDE))
RGBA = Image.fromarray(e.smooth(SIDE, SIDE, 4))
GREY = RGB.convert("L")
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]])
FEW = (e.smooth(SIDE, SIDE, 1) // 64).astype(np.uint8)
ALPHAS = [0, 128, 255]
DEEP = e.smooth(SIDE, SIDE, 4).astype(int) * 257


def _key_color() -> bytes:
    """An RGB PNG in which one colour is transparent."""
    return e.png(COLORS[FEW[:, :, 0]], 8, 2, e.chunk(b"tRNS", b"\0\xff\0\0\0\0"))


EXACT = {
    "PNG": e.saved(RGB, "PNG"),
    "PNG with alpha": e.saved(RGBA, "PNG"),
    "grey PNG": e.saved(GREY, "PNG"),
    "grey PNG with alpha": e.saved(RGBA.convert("LA"), "PNG"),
    "1-bit PNG": e.saved(GREY.convert("1"), "PNG"),
    "2-bit grey PNG": e.png(FEW, 2, 0),
    "4-bit grey PNG": e.png(FEW * 5, 4, 0),
    "interlaced PNG": e.png(e.smooth(SIDE, SIDE), 8, 2, interlaced=True),
    "PNG with a transparent colour": _key_color(),
    "16-bit RGB PNG": e.png(DEEP[:, :, :3], 16, 2),
    "16-bit RGBA PNG": e.png(DEEP, 16, 6),
    **{f"{bits}-bit palette PNG": e.png(FEW % min(2**bits, 4), bits, 3, e.palette_chunks(COLORS[: 2**bits])) for bits in (1, 2, 4, 8)},
    **{
        f"{bits}-bit palette PNG with alpha": e.png(FEW % min(2**bits, 4), bits, 3, e.palette_chunks(COLORS[: 2**bits], ALPHAS[: 2**bits]))
        for bits in (1, 2, 4, 8)
    },
    "APNG": e.saved(RGB, "PNG", save_all=True, append_images=[GREY.convert("RGB")]),
    "GIF": e.saved(RGB, "GIF"),
    "interlaced GIF": e.saved(RGB, "GIF", interlace=1),
    "transparent GIF": e.saved(RGB.convert("P"), "GIF", transparency=200),
    "animated GIF": e.saved(RGB, "GIF", save_all=True, append_images=[GREY.convert("RGB")]),
    "BMP": e.saved(RGB, "BMP"),
    "32-bit BMP": e.saved(RGB.convert("RGBA"), "BMP"),
    "BMP from the top": e.bmp(np.asarray(RGB)[:, :, ::-1].tobytes(), SIDE, -SIDE, 24),
    "grey BMP": e.saved(GREY, "BMP"),
    "8-bit BMP with few colours": e.bmp_indexed(FEW[:, :, 0], COLORS, 8),
    "lossless WebP": e.saved(RGB, "WEBP", lossless=True),
    "lossless WebP with alpha": e.saved(RGBA, "WEBP", lossless=True, exact=True),
}  # fmt: skip
CLOSE = {
    "JPEG": e.saved(RGB, "JPEG"),
    "JPEG without subsampling": e.saved(RGB, "JPEG", subsampling=0),
    "grey JPEG": e.saved(GREY, "JPEG"),
    "progressive JPEG": e.saved(RGB, "JPEG", progressive=True),
    "CMYK JPEG": e.saved(RGB.convert("CMYK"), "JPEG"),
    "MPO": e.saved(RGB.copy(), "MPO", save_all=True, append_images=[GREY.convert("RGB")]),
    "lossy WebP": e.saved(RGB, "WEBP", quality=70),
    "lossy WebP with alpha": e.saved(RGBA, "WEBP", quality=70),
    "animated WebP": e.saved(RGB, "WEBP", save_all=True, append_images=[GREY.convert("RGB")]),
}
TRANSCODED = {
    "TIFF": e.saved(RGB, "TIFF"),
    "TIFF with alpha": e.saved(RGBA, "TIFF"),
    "1-bit BMP": e.saved(GREY.convert("1"), "BMP"),
    "4-bit BMP": e.bmp_indexed(FEW[:, :, 0], COLORS, 4),
    "run-length coded BMP": e.bmp_rle8(FEW[:, :, 0], COLORS),
    "PPM": e.saved(RGB, "PPM"),
    "ICO": e.saved(RGBA, "ICO", sizes=[(SIDE, SIDE)]),
    **({"AVIF": e.saved(RGB, "AVIF")} if e.HAS_AVIF else {}),
}
