"""A client that knows nothing of the package that made the export: plain TensorFlow and Keras, started as a program.

Arguments: the data folder and folders of runs. Fails with an assertion where a served model is not the measured one.
"""

import csv
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf


def main(run: Path, data: Path) -> None:
    """Compare the export with `predictions.csv`, its two signatures with each other, and the Keras file with both."""
    with (run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    labels = (run / "export" / "1" / "assets" / "labels.txt").read_text(encoding="utf-8").splitlines()
    expected = np.array([[float(row[label]) for label in labels] for row in rows], np.float32)
    loaded = tf.saved_model.load(str(run / "export" / "1"))
    images = [(data / row["path"]).read_bytes() for row in rows]
    for batch in (1, 7):
        compare_bytes(loaded, images, expected, rows, batch)
    compare_pixels(loaded, run / "model.keras")
    assert "transfer" not in sys.modules


def compare_bytes(loaded: object, images: list[bytes], expected: np.ndarray, rows: list[dict[str, str]], batch: int) -> None:
    """Feed raw bytes, so many at once, and compare with what was measured."""
    serve = loaded.signatures["serving_default"]  # type: ignore[attr-defined]
    for start in range(0, len(images), batch):
        part = slice(start, start + batch)
        outputs = serve(image_bytes=tf.constant(images[part]))
        np.testing.assert_allclose(outputs["probabilities"].numpy(), expected[part], atol=1e-5)
        assert [label.decode() for label in outputs["label"].numpy()] == [row["predicted"] for row in rows[part]]


def compare_pixels(loaded: object, keras_file: Path) -> None:
    """Feed pixels to the other signature and to the Keras file; images of the model's own size are not resized."""
    from_pixels = loaded.signatures["images"]  # type: ignore[attr-defined]
    size = from_pixels.structured_input_signature[1]["images"].shape[1]
    pixels = np.random.default_rng(0).integers(0, 256, (5, size, size, 3)).astype(np.uint8)
    encoded = tf.stack([tf.io.encode_png(one) for one in pixels])
    by_bytes = loaded.signatures["serving_default"](image_bytes=encoded)["probabilities"]  # type: ignore[attr-defined]
    model = keras.saving.load_model(keras_file, compile=False, safe_mode=True)
    for count in (1, 5):
        by_pixels = from_pixels(images=tf.constant(pixels[:count], tf.float32))["probabilities"]
        np.testing.assert_allclose(by_pixels, by_bytes[:count], atol=1e-5)
        np.testing.assert_allclose(model(pixels[:count].astype(np.float32)), by_pixels, atol=1e-5)


if __name__ == "__main__":
    for folder in sys.argv[2:]:
        main(Path(folder), Path(sys.argv[1]))
