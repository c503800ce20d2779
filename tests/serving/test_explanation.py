"""What the page gets for an image: classes in order, the wanted class's heat, neighbours without their paths."""

import base64
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.reports.made_up_run import COLOURS, reference, write_models
from transfer.errors import DataError
from transfer.exporters.served import Served
from transfer.serving.explanation import explain


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp("run")
    write_models(folder, COLOURS)
    return Served(folder / "export" / "1")


def png(colour: tuple[int, int, int], corner: tuple[int, int, int] | None = None) -> bytes:
    """An image of one colour, with a corner of another one: top left, a quarter of each side."""
    image = Image.new("RGB", (32, 32), colour)
    if corner:
        image.paste(corner, (0, 0, 8, 8))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def pixels(uri: str) -> np.ndarray:
    kind, _, content = uri.partition(";base64,")
    assert kind == "data:image/png"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_classes_come_in_order_and_add_up_to_one(served: Served) -> None:
    found = explain(served, None, png((0, 200, 90)), None)
    assert [item["name"] for item in found["classes"]] == ["green", "blue", "red"]
    assert sum(item["probability"] for item in found["classes"]) == pytest.approx(1)
    assert (found["label"], found["explained"]) == ("green", "green")
    assert found["score"] == found["classes"][0]["probability"]


def test_the_heat_is_that_of_the_class_asked_for(served: Served) -> None:
    image = png((0, 0, 200), corner=(250, 0, 0))
    red = explain(served, None, image, "red")
    assert (red["label"], red["explained"]) == ("blue", "red")
    alpha = pixels(red["heat"])[..., 3]
    assert alpha[1, 1] > 150
    assert alpha[12:, 12:].max() == 0
    assert pixels(explain(served, None, image, None)["heat"])[12:, 12:, 3].min() > 100


def test_the_image_is_what_the_network_saw_and_as_large_as_the_heat(served: Served) -> None:
    found = explain(served, None, png((10, 20, 30)), None)
    assert pixels(found["image"]).shape == (served.size, served.size, 3)
    assert (pixels(found["image"]) == (10, 20, 30)).all()
    assert pixels(found["heat"]).shape == (served.size, served.size, 4)


def test_neighbours_come_nearest_first_without_their_paths(served: Served) -> None:
    found = explain(served, reference(), png((0, 0, 200)), None, neighbours=2)
    assert [item["label"] for item in found["neighbours"]] == ["blue", "red"]
    assert [item["distance"] for item in found["neighbours"]] == pytest.approx([0, 1], abs=1e-3)
    assert all(set(item) == {"label", "distance", "thumbnail"} for item in found["neighbours"])
    assert found["neighbours"][0]["thumbnail"].startswith("data:image/jpeg;base64,")
    assert "train.png" not in json.dumps(found)


def test_an_image_out_of_distribution_is_marked(served: Served) -> None:
    usual, odd = (explain(served, None, png(colour), None) for colour in ((200, 0, 0), (200, 200, 200)))
    assert (usual["is_ood"], odd["is_ood"]) == (False, True)
    assert usual["ood_score"] < 1 < odd["ood_score"]


def test_everything_can_be_written_as_json(served: Served) -> None:
    found: Any = explain(served, reference(), png((1, 2, 3)), "")
    assert json.loads(json.dumps(found, allow_nan=False).encode("utf-8")) == found


def test_an_unknown_class_is_refused(served: Served) -> None:
    with pytest.raises(DataError, match=r"Unknown class\. Did you mean 'green'\?"):
        explain(served, None, png((1, 2, 3)), "grean")


def test_names_that_are_no_unicode_are_shown_and_can_be_asked_for(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9")
    write_models(tmp_path, (odd, "b", "c"))
    found = explain(Served(tmp_path / "export" / "1"), None, png((200, 0, 0)), r"caf\xe9")
    assert found["explained"] == found["label"] == r"caf\xe9"
    json.dumps(found, ensure_ascii=False).encode("utf-8")


def test_a_damaged_image_is_the_graphs_own_error(served: Served) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        explain(served, None, png((1, 2, 3))[:40], None)


@pytest.mark.parametrize("number", [3, 77, -2, 2**31 - 1])
def test_a_class_number_that_the_model_does_not_have_is_an_error_about_the_class(served: Served, number: int) -> None:
    with pytest.raises(DataError, match=rf"class_number must be from 0 to 2, or -1 for the most probable class. Received {number}\."):
        served.explain([png((0, 0, 200))] * 2, [-1, number])
