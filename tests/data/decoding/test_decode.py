"""The decoder against Pillow: formats, alpha, orientation, resizing."""

import io

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.data.decoding import encoders as e
from tests.data.samples import CLOSE, DEEP, EXACT, RGB, SIDE, TRANSCODED
from transfer.data.decoding.decode import decode
from transfer.data.decoding.resize import to_square
from transfer.data.decoding.transcode import to_png


def decoded(data: bytes, size: int = SIDE, **settings: object) -> np.ndarray:
    return np.asarray(decode(tf.constant(data), size, **settings))


def with_pillow(data: bytes) -> np.ndarray:
    """Return the upright first frame on white, as Pillow sees it; float [h, w, 3]."""
    rgba = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGBA"), float)
    return 255 - rgba[:, :, 3:] / 255 * (255 - rgba[:, :, :3])


def blurred(width: int, height: int) -> Image.Image:
    """Return an image without details, which looks the same at any scale."""
    noise = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("data", EXACT.values(), ids=EXACT.keys())
def test_lossless_formats_give_the_pixels_of_pillow(data: bytes) -> None:
    assert np.abs(decoded(data) - with_pillow(data)).max() <= 0.502  # of rounding


@pytest.mark.parametrize("data", CLOSE.values(), ids=CLOSE.keys())
def test_lossy_formats_give_nearly_the_pixels_of_pillow(data: bytes) -> None:
    assert np.abs(decoded(data) - with_pillow(data)).max() <= 4


@pytest.mark.parametrize("data", TRANSCODED.values(), ids=TRANSCODED.keys())
def test_what_tensorflow_cannot_read_is_decoded_from_its_png(data: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        decoded(data)
    assert np.abs(decoded(to_png(data)) - with_pillow(data)).max() <= 0.502


def test_16_bit_grey_keeps_its_upper_8_bits() -> None:
    grey = DEEP[:, :, :1]
    expected = np.repeat(grey // 257, 3, 2)
    assert np.abs(decoded(e.png(grey, 16, 0)) - expected).max() <= 1
    tiff = e.saved(Image.fromarray(grey[:, :, 0].astype(np.uint16)), "TIFF")
    assert np.abs(decoded(to_png(tiff)) - expected).max() <= 1


@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_orientation_gives_the_upright_image(format: str, value: int, resize: str) -> None:
    data = e.with_orientation(blurred(60, 40), value, format, quality=95)
    upright = e.saved(ImageOps.exif_transpose(Image.open(io.BytesIO(data))), "PNG")
    difference = np.abs(decoded(data, 31, resize=resize).astype(int) - decoded(upright, 31, resize=resize))
    assert difference.max() <= 4  # 31 is odd: a row more on one side of the padding than on the other


TURNED = e.with_orientation(blurred(60, 40), 6, "PNG")


@pytest.mark.parametrize(
    "data",
    [
        e.exif_after_the_pixels(TURNED),
        e.with_orientation(Image.effect_noise((620, 620), 99), 6, "PNG"),  # 380 KB of pixels
        e.exif_after_the_pixels(e.with_orientation(Image.effect_noise((620, 620), 99), 6, "PNG")),
        e.with_orientation(blurred(60, 40), 6, "WEBP", icc_profile=b"profile" * 9, xmp=b"<x/>"),
        e.with_orientation(blurred(60, 40), 6, "WEBP", save_all=True, append_images=[blurred(60, 40)]),
        e.with_orientation(blurred(60, 40).convert("RGBA"), 6, "WEBP"),
    ],
    ids=["after the pixels", "large PNG", "large PNG, after", "odd profile before", "animated WebP", "WebP with alpha"],
)
def test_orientation_is_found_wherever_it_stands(data: bytes) -> None:
    still = Image.open(io.BytesIO(data))
    upright = e.saved(ImageOps.exif_transpose(still).convert("RGB"), "PNG")
    assert np.abs(decoded(data, 31).astype(int) - decoded(upright, 31)).max() <= 4


def test_a_png_that_mentions_exif_elsewhere_stays_as_it_is() -> None:
    plain = e.saved(blurred(60, 40), "PNG")
    mentioned = plain[:33] + e.chunk(b"tEXt", b"Comment\0" + TURNED[TURNED.index(b"eXIf") :][:40]) + plain[33:]
    assert (decoded(mentioned) == decoded(plain)).all()


def test_a_transcoded_image_is_not_turned_twice() -> None:
    data = e.saved(blurred(60, 40), "TIFF", tiffinfo={0x0112: 6})
    upright = e.saved(ImageOps.exif_transpose(Image.open(io.BytesIO(data))), "PNG")
    assert (decoded(to_png(data)) == decoded(upright)).all()


def test_a_first_frame_smaller_than_its_canvas_lies_on_white() -> None:
    data = e.gif_on_canvas(RGB.crop((0, 0, 20, 10)), (SIDE, SIDE), 5, 7)
    result = decoded(data)
    assert (result[7:17, 5:25] == with_pillow(e.saved(RGB.crop((0, 0, 20, 10)), "GIF"))).all()
    outside = np.ones((SIDE, SIDE), bool)
    outside[7:17, 5:25] = False
    assert (result[outside] == 255).all()


def test_an_animated_gif_needs_its_first_frame_only() -> None:
    data = EXACT["animated GIF"]
    assert (decoded(data[:-800]) == decoded(data)).all()


def test_the_result_is_a_square_of_whole_numbers() -> None:
    image = decode(tf.constant(CLOSE["JPEG"]), 33)
    assert image.dtype == tf.uint8
    assert image.shape == (33, 33, 3)


class TestResize:
    """stretch, pad and crop."""

    HALVES = np.concatenate([np.full((40, 40, 3), 10, np.uint8), np.full((40, 40, 3), 200, np.uint8)], 1)

    def test_stretch_keeps_all_of_the_image(self) -> None:
        image = np.asarray(to_square(tf.constant(self.HALVES), 20, "stretch"))
        assert (image[:, :9] == 10).all()
        assert (image[:, 11:] == 200).all()

    def test_pad_puts_white_above_and_below(self) -> None:
        image = np.asarray(to_square(tf.constant(self.HALVES), 20, "pad"))
        assert (image[:5] == 255).all()
        assert (image[15:] == 255).all()
        assert (image[5:15, :9] == 10).all()
        assert (image[5:15, 11:] == 200).all()

    def test_crop_keeps_the_centre(self) -> None:
        edges = np.full((40, 80, 3), 99, np.uint8)
        edges[:, :20], edges[:, 60:] = 0, 255
        assert (np.asarray(to_square(tf.constant(edges), 20, "crop")) == 99).all()

    @pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
    def test_any_shape_gives_a_square_and_keeps_one_colour(self, resize: str) -> None:
        run = tf.function(lambda pixels: to_square(pixels, 24, resize), input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)])

        @given(st.integers(1, 300), st.integers(1, 300))
        @settings(max_examples=30, deadline=None)
        def check(height: int, width: int) -> None:
            image = run(np.full((height, width, 3), 255, np.uint8)).numpy()
            assert image.shape == (24, 24, 3)
            assert (image == 255).all()

        check()


def test_a_large_image_reduced_in_strips_is_the_mean_of_its_blocks() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2400, 1500, 4)).astype(np.uint8)
    on_white = 255 - pixels[:, :, 3:] / 255.0 * (255.0 - pixels[:, :, :3])
    expected = on_white.reshape(60, 40, 60, 25, 3).mean((1, 3))
    assert np.abs(np.asarray(to_square(tf.constant(pixels), 60, "stretch")) - expected).max() < 0.51


@pytest.mark.parametrize(("size", "ratio"), [(400, 1), (301, 1), (300, 2), (151, 2), (150, 4), (76, 4), (75, 8), (20, 8)])
def test_a_large_jpeg_is_decoded_at_reduced_scale_and_looks_the_same(monkeypatch: pytest.MonkeyPatch, size: int, ratio: int) -> None:
    data = e.saved(blurred(800, 600), "JPEG", quality=95)
    ratios, really = [], tf.io.decode_jpeg

    def spy(contents: tf.Tensor, **settings: object) -> tf.Tensor:
        ratios.append(settings["ratio"])
        return really(contents, **settings)

    monkeypatch.setattr(tf.io, "decode_jpeg", spy)
    result = decoded(data, size)
    assert ratios == [ratio]
    full = decoded(e.saved(Image.open(io.BytesIO(data)), "PNG"), size)
    assert np.abs(result.astype(int) - full).mean() < 2
