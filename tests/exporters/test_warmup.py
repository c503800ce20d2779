"""The warm-up requests hold what TensorFlow Serving reads: predictions with images, for the default signature."""

from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tests.serving import tiny_export
from tests.serving.running import image
from transfer.errors import ExportError
from transfer.exporters import warmup


def requests_in(file: Path) -> list[list[bytes]]:
    found = []
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        assert request.model_spec.signature_name == "serving_default"
        found.append(list(tf.make_ndarray(request.inputs["image_bytes"])))
    return found


def test_each_image_is_asked_for_alone_and_all_together(tmp_path: Path) -> None:
    red, blue = image("red"), image("blue")
    file = warmup.write(tmp_path, [red, blue])
    assert file == tmp_path / "assets.extra" / "tf_serving_warmup_requests"
    assert requests_in(file) == [[red], [blue], [red, blue]]


def test_the_export_answers_its_own_warm_up_and_is_still_loaded(tmp_path: Path) -> None:
    tiny_export.write(tmp_path / "1")
    file = warmup.write(tmp_path / "1", [image("green")])
    signature = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    answers = [signature(image_bytes=tf.constant(batch))["label"].numpy().tolist() for batch in requests_in(file)]
    assert answers == [[b"green"]]


def test_the_same_images_give_the_same_file(tmp_path: Path) -> None:
    contents = {warmup.write(tmp_path / name, [image()]).read_bytes() for name in ("a", "b")}
    assert len(contents) == 1


@pytest.mark.parametrize("count", [0, 1000])
def test_a_number_of_requests_that_tensorflow_serving_refuses_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(ExportError, match="1 to 999 images"):
        warmup.write(tmp_path, [b"x"] * count)
    assert not list(tmp_path.rglob("*requests*"))
