"""Batch prediction: each file gets a row; damaged ones are named, and the others are classified all the same."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import made_up_image
from tests.reports.made_up_run import COLOURS, SIZE, classifier, reference, write_models, write_run
from transfer.config import DataConfig
from transfer.data.pipeline import ImageSpec
from transfer.errors import ConfigError, DataError, EngineError, RunError
from transfer.exporters import saved_model
from transfer.exporters.served import Served
from transfer.models import openvino_engine
from transfer.runs import Run
from transfer.serving.admission import unusual
from transfer.serving.batch.request import listed
from transfer.workflows.predict import predict

pytestmark = pytest.mark.usefixtures("each_export_is_loaded_once")

_VERSION = openvino_engine.version  # as it is without the fixture below


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "run", export=True)


def save(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (30, 20), kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, kind)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    save(root / "a" / "red.png", (220, 0, 0))
    save(root / "b" / "green ü.jpg", (0, 220, 0), kind="JPEG")
    save(root / "blue.png", (0, 0, 220))
    return root


def test_each_file_gets_its_class_its_score_and_all_probabilities(run: Run, folder: Path) -> None:
    table = predict(run, [folder])
    assert list(table.columns) == ["path", "label", "score", "ood_score", "is_ood", "error", *COLOURS]
    assert list(table.dtypes.astype(str)) == ["object", "object", "float32", "float32", "bool", "object", *["float32"] * 3]
    assert [Path(path).name for path in table["path"]] == ["blue.png", "red.png", "green ü.jpg"]
    assert list(table["label"]) == ["blue", "red", "green"]
    assert (table["error"] == "").all()
    np.testing.assert_allclose(table[list(COLOURS)].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(table["score"], table[list(COLOURS)].max(axis=1))


def test_what_is_unlike_the_training_images_is_not_known(run: Run, folder: Path) -> None:
    save(folder / "z grey.png", (128, 128, 128))
    table = predict(run, [folder])
    assert [Path(path).name for path in table.loc[table["is_ood"], "path"]] == ["z grey.png"]
    np.testing.assert_array_equal(table["is_ood"], table["ood_score"] > 1)


def test_the_answers_are_those_of_the_export_given_the_bytes(tmp_path: Path) -> None:
    """To the last bit for the same batch: what is decoded ahead of the network has the very pixels decoded within it."""
    run = write_run(tmp_path / "run", export=False, data__resize="pad")
    model, served_folder = classifier(), run.path / "export" / "1"
    shutil.rmtree(served_folder)
    saved_model.write(model, list(COLOURS), ImageSpec(SIZE, DataConfig(resize="pad")), reference(), served_folder)
    kinds = [("JPEG", (700, 300)), ("PNG", (90, 70)), ("TIFF", (31, 64)), ("GIF", (20, 20)), ("WEBP", (64, 48)), ("BMP", (16, 16))]
    files = []
    for number, (kind, size) in enumerate(kinds):
        files.append(tmp_path / f"{number}.{kind.lower()}")
        made_up_image(number, size, number).save(files[-1], kind)
    expected = Served(served_folder).answer([unusual(file.read_bytes(), 100, None).data for file in files])
    table = predict(run, files)
    np.testing.assert_array_equal(table[list(COLOURS)].to_numpy(), expected.probabilities)
    np.testing.assert_array_equal(table["ood_score"], expected.ood_score)


@pytest.mark.parametrize("compute", ["auto", "openvino"])
def test_openvino_gives_the_answers_of_tensorflow(
    compute: str, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, cache_folder: Path
) -> None:
    if _VERSION() is None:
        pytest.skip("needs: pip install -e '.[openvino]'")
    monkeypatch.setattr(openvino_engine, "version", _VERSION)
    save(folder / "z grey.png", (128, 128, 128))
    (folder / "damaged.png").write_bytes(b"no image")
    table, expected = predict(run, [folder], compute=compute), predict(run, [folder], compute="tensorflow")
    figures = [*COLOURS, "score", "ood_score"]
    np.testing.assert_allclose(table[figures], expected[figures], atol=1e-5)
    assert table.drop(columns=figures).equals(expected.drop(columns=figures))
    assert len(list((cache_folder / "engines").glob("*.npz"))) == 1


def test_an_engine_that_there_is_not_is_refused_before_anything_is_loaded(run: Run, folder: Path) -> None:
    with pytest.raises(ConfigError, match="compute: expected one of auto, tensorflow, openvino\\. Received 'onnx'"):
        predict(run, [folder], compute="onnx")
    with pytest.raises(EngineError, match="OpenVINO is not installed"):
        predict(run, [folder], compute="openvino")


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_the_batch_size_does_not_matter(run: Run, folder: Path, batch_size: int) -> None:
    table = predict(run, [folder], batch_size=batch_size)
    np.testing.assert_allclose(table[list(COLOURS)], predict(run, [folder])[list(COLOURS)], atol=1e-6)


def test_damaged_files_are_named_and_the_others_are_classified(run: Run, folder: Path) -> None:
    whole = (folder / "blue.png").read_bytes()
    (folder / "c_truncated.png").write_bytes(whole[: len(whole) // 2])
    (folder / "d_empty.png").touch()
    (folder / "e_text.jpg").write_text("not an image at all")
    save(folder / "f_large.png", (1, 2, 3), (40000, 3000))
    table = predict(run, [folder])
    errors = {Path(path).name: error for path, error in zip(table["path"], table["error"], strict=True)}
    assert {name for name, error in errors.items() if not error} == {"blue.png", "red.png", "green ü.jpg"}
    assert "damaged" in errors["c_truncated.png"]
    assert errors["d_empty.png"] == "not an image: empty"
    assert errors["e_text.jpg"] == "not an image"
    assert errors["f_large.png"] == "too large: 120 megapixels, the limit is 100"
    failed = table[table["error"] != ""]
    assert list(failed["label"]) == [""] * 4
    assert failed[["score", "ood_score", *COLOURS]].isna().all(axis=None)
    assert not failed["is_ood"].any()


def test_the_runs_own_limit_of_pixels_holds(tmp_path: Path) -> None:
    strict = write_run(tmp_path / "run", export=True, data__max_megapixels=0.001)
    table = predict(strict, [save(tmp_path / "image.png", (220, 0, 0), (100, 100))])
    assert "too large" in table.loc[0, "error"]


def test_formats_that_tensorflow_lacks_are_classified(run: Run, tmp_path: Path) -> None:
    paths = [save(tmp_path / "x.tiff", (220, 0, 0), kind="TIFF"), save(tmp_path / "x.pcx", (0, 220, 0), kind="PCX")]
    assert list(predict(run, paths)["label"]) == ["red", "green"]


def test_nothing_is_written_beside_the_images(run: Run, folder: Path) -> None:
    save(folder / "x.tiff", (220, 0, 0), kind="TIFF")
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    predict(run, [folder])
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before


def test_classes_called_like_columns_are_told_apart(tmp_path: Path, folder: Path) -> None:
    run = write_run(tmp_path / "run", ("error", "label", "score"), export=True)
    table = predict(run, [folder])
    assert list(table.columns)[6:] == ["class error", "class label", "class score"]
    assert list(table["label"]) == ["score", "error", "label"]


def test_names_that_are_no_unicode_are_kept(tmp_path: Path, folder: Path) -> None:
    odd = os.fsdecode(b"caf\xe9")
    run = write_run(tmp_path / "run", (odd, "b", "c"), export=True)
    table = predict(run, [save(tmp_path / f"{odd}.png", (220, 0, 0))])
    assert table.loc[0, "label"] == odd
    assert Path(table.loc[0, "path"]).exists()


def test_folders_are_expanded_in_order_without_hidden_files(folder: Path) -> None:
    save(folder / ".hidden.png", (0, 0, 0))
    save(folder / ".git" / "x.png", (0, 0, 0))
    files = [Path(file) for file in listed([folder / "blue.png", folder])]
    assert [str(file.relative_to(folder)) for file in files] == ["blue.png", "blue.png", "a/red.png", "b/green ü.jpg"]


def test_a_path_that_is_not_there_is_an_error_before_any_work(run: Run, folder: Path) -> None:
    with pytest.raises(DataError, match=r"no such image.*none\.png"):
        predict(run, [folder, folder / "none.png"])


def test_a_batch_has_at_least_one_image(run: Run, folder: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        predict(run, [folder], batch_size=0)


def test_no_file_at_all_is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="No file was found"):
        predict(run, [tmp_path / "empty"])


def test_an_export_that_cannot_be_loaded_is_an_error(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(RunError, match="could not be loaded"):
        predict(write_run(tmp_path / "run"), [folder])


def test_the_newest_export_is_used(tmp_path: Path, folder: Path) -> None:
    run = write_run(tmp_path / "run", export=True)
    (tmp_path / "newer").mkdir()
    write_models(tmp_path / "newer", ("x", "y", "z"))
    (tmp_path / "newer" / "export" / "1").rename(run.path / "export" / "2")
    assert list(predict(run, [folder])["label"]) == ["z", "x", "y"]


def test_a_script_is_as_quiet_as_the_command_line(run: Run, tmp_path: Path) -> None:
    encoded = io.BytesIO()
    made_up_image(3).save(encoded, "JPEG")
    odd = encoded.getvalue()[:-2] + bytes(9) + encoded.getvalue()[-2:]  # libjpeg prints a line for it, at each decoding
    (tmp_path / "data").mkdir()
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / "data" / name).write_bytes(odd)
    script = (
        "import sys, transfer\n"
        "import tensorflow as tf; tf.constant(1)\n"  # by the script itself, which would print lines on processors and drivers
        "print('mine', file=sys.stderr)\n"
        f"table = transfer.predict(transfer.Run({str(run.path)!r}), [{str(tmp_path / 'data')!r}])\n"
        "print(list(table['error']))\n"
        "raise SystemExit('the end')\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("['', '']\n", "mine\nthe end\n")
