"""A photograph stored in any orientation gets the same answer from the exported model."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from tests.data.decoding import encoders as e
from tests.reports.made_up_run import reference
from transfer.data.decoding.transcode import to_png
from transfer.data.pipeline import ImageSpec
from transfer.exporters import saved_model
from transfer.exporters.served import Served

SIZE = 32
CLASSES = ["left", "right", "top"]
# What is done to the upright image before it is stored with this orientation.
TRANSPOSED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
TOLERANCE = 0.01  # a rotated image is not compressed to exactly the same pixels


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    """A photograph whose sides are multiples of a JPEG's blocks."""
    return Image.fromarray(load_sample_images().images[0]).crop((0, 0, 640, 416))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """An exported classifier whose answer depends on positions in the image."""
    images = keras.Input((SIZE, SIZE, 3), name="images")
    scores = keras.layers.Dense(len(CLASSES), kernel_initializer=keras.initializers.RandomNormal(0, 0.06, seed=1))
    model = keras.Model(images, keras.layers.Softmax()(scores(keras.layers.Flatten()(keras.layers.Rescaling(1 / 128, -1)(images)))))
    folder: Path = tmp_path_factory.mktemp("run") / "export" / "1"
    saved_model.write(model, CLASSES, ImageSpec(SIZE), reference(SIZE * SIZE * 3), folder)
    return Served(folder)


def _stored(photograph: Image.Image, value: int) -> Image.Image:
    turn = TRANSPOSED[value]
    return photograph if turn is None else photograph.transpose(turn)


def test_all_eight_orientations_of_a_photograph_get_equal_probabilities(photograph: Image.Image, served: Served) -> None:
    files = [e.with_orientation(_stored(photograph, value), value, quality=95, subsampling=0) for value in TRANSPOSED]
    probabilities = served.probabilities(files)
    assert np.abs(probabilities - probabilities[0]).max() <= TOLERANCE


def test_without_the_exif_orientation_the_answers_differ(photograph: Image.Image, served: Served) -> None:
    """Otherwise the test above could not fail."""
    files = [e.with_orientation(_stored(photograph, value), 1, quality=95, subsampling=0) for value in TRANSPOSED]
    probabilities = served.probabilities(files)
    assert (np.abs(probabilities[1:] - probabilities[0]).max(1) > 5 * TOLERANCE).all()


def test_a_rotated_heic_gets_the_answer_of_the_upright_image(photograph: Image.Image, served: Served) -> None:
    files = [to_png(e.heic(_stored(photograph, value), value)) for value in (1, 3, 6)]
    upright = served.probabilities([e.saved(photograph, "PNG")])
    assert np.abs(served.probabilities(files) - upright).max() <= TOLERANCE
