"""`transfer explain`: which files are written where, for which networks; bad images are named and the others are done."""

import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import made_up_image
from tests.reports.made_up_run import COLOURS, SIZE, reference, write_run
from transfer import cli
from transfer.errors import ConfigError, OutputError
from transfer.exporters.served import Served
from transfer.models import openvino_engine
from transfer.runs import Run
from transfer.workflows.explain import explain, safe
from transfer.workflows.run_requests import explain_request

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module", autouse=True)
def each_export_is_loaded_once() -> Iterator[None]:
    """Loading an export costs a second or two."""
    with pytest.MonkeyPatch.context() as patch:
        loaded = functools.cache(Served)
        for place in ("transfer.exporters.served.Served", "transfer.exporters.compute.choice.Served"):
            patch.setattr(place, loaded)
        patch.setattr(openvino_engine, "version", lambda: None)  # which would be measured for each test
        yield


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a network without any convolution."""
    return write_run(tmp_path_factory.mktemp("runs") / "colours", export=True)


@pytest.fixture(scope="module")
def lenet(tmp_path_factory: pytest.TempPathFactory) -> Run:
    from transfer.data.pipeline import ImageSpec
    from transfer.evaluation.ood import Reference
    from transfer.exporters import saved_model
    from transfer.models import joined, scratch
    from transfer.models.registry import SCRATCH

    run = write_run(tmp_path_factory.mktemp("runs") / "lenet", data__source=str(tmp_path_factory.mktemp("data")))
    model = joined.from_scratch(scratch.build(SCRATCH["lenet"], SIZE, 3, 127.5, 4000.0, 0))
    model.save(run.model)
    width = model.get_layer("lenet").get_layer("flatten").output.shape[-1]
    known = Reference(np.eye(3, width, dtype=np.float32), reference().paths, list(COLOURS), 1, 1.0, reference().thumbnails)
    shutil.rmtree(run.path / "export" / "1")
    saved_model.write(model, list(COLOURS), ImageSpec(SIZE), known, run.path / "export" / "1")
    return run


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "a").mkdir(parents=True)
    made_up_image(0).save(folder / "x.png")
    made_up_image(1, tint=1).save(folder / "a" / "X.jpg")
    made_up_image(2, tint=2).save(folder / "y z$.tiff")
    return folder


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Return a function that runs `transfer explain ...` in an empty folder: exit status, output, errors."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as done:
            cli.main(["explain", *(str(argument) for argument in arguments)])
        captured = capsys.readouterr()
        return int(done.value.code or 0), captured.out, captured.err

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_image_has_its_heat_map_and_activations_and_the_run_its_filters(lenet: Run, images: Path, call: Call) -> None:
    status, out, _ = call(lenet.path, images)
    assert status == 0
    # of s4, the last layer, a single place is left
    expected = [f"{stem}{layer}.png" for stem in ("x", "X-2", "y_z_") for layer in ("", ".c1", ".s2", ".c3_activation")]
    assert names(Path("explanations/lenet")) == sorted(["filters.png", *expected])
    for path in Path("explanations/lenet").iterdir():
        assert Image.open(path).format == "PNG"
    assert out.startswith("3 images explained: explanations/lenet\n")
    assert "the 6 filters of c1, 5x5" in out


def test_layers_can_be_named(lenet: Run, images: Path, tmp_path: Path) -> None:
    done = explain(lenet, [images / "x.png"], output=tmp_path / "out", layers=["c3", "c3", "c1"])
    assert done.layers == ("c3", "c1")
    assert names(tmp_path / "out") == ["filters.png", "x.c1.png", "x.c3.png", "x.png"]
    assert done.images[0].files == ("x.png", "x.c3.png", "x.c1.png")


def test_a_named_class_gets_a_panel_of_its_own(lenet: Run, images: Path, tmp_path: Path) -> None:
    widths = []
    for number, classes in enumerate([[], list(COLOURS)]):
        explain(lenet, [images / "x.png"], output=tmp_path / str(number), classes=classes)
        widths.append(Image.open(tmp_path / str(number) / "x.png").width)
    assert widths[1] > 1.7 * widths[0]


def test_a_network_without_maps_says_so_and_gives_its_heat_map(colours: Run, images: Path, call: Call) -> None:
    status, out, _ = call(colours.path, images / "x.png")
    assert status == 0
    assert names(Path("explanations/colours")) == ["x.png"]
    assert "no first filters" in out
    assert "no activations to show" in out


def test_bad_images_are_named_and_the_others_are_done(colours: Run, images: Path, call: Call) -> None:
    whole = (images / "x.png").read_bytes()
    (images / "cut.png").write_bytes(whole[: len(whole) // 2])
    (images / "text.png").write_text("not an image")
    (images / "empty.png").touch()
    status, out, _ = call(colours.path, images)
    assert status == 1
    assert "3 images explained, 3 not" in out
    assert "text.png (not an image)" in out
    assert "cut.png (damaged: truncated or broken)" in out
    assert names(Path("explanations/colours")) == ["X-2.png", "x.png", "y_z_.png"]


def test_the_label_is_that_of_predict(colours: Run, images: Path, tmp_path: Path) -> None:
    from transfer.workflows.predict import predict

    done = explain(colours, [images], output=tmp_path / "out")
    table = predict(colours, [images])
    assert [item.label for item in done.images] == list(table["label"])
    np.testing.assert_allclose([item.score for item in done.images], table["score"].to_numpy(float), atol=1e-5)


def test_nothing_is_written_among_the_images(lenet: Run, images: Path, tmp_path: Path) -> None:
    before = sorted(images.rglob("*"))
    explain(lenet, [images], output=tmp_path / "out")
    assert sorted(images.rglob("*")) == before


@pytest.mark.parametrize("inside", ["", "new/folder"])
def test_an_output_among_the_images_is_refused(colours: Run, images: Path, inside: str) -> None:
    with pytest.raises(OutputError, match="where nothing is written"):
        explain_request(colours, [images], images / inside)


def test_an_output_beside_an_image_or_in_the_runs_data_is_refused(lenet: Run, images: Path) -> None:
    with pytest.raises(OutputError, match="where nothing is written"):
        explain_request(lenet, [images / "x.png"], images)
    with pytest.raises(OutputError, match="where nothing is written"):
        explain_request(lenet, [images / "x.png"], Path(str(lenet.config["data.source"])) / "new")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--class", "rad"], "Did you mean 'red'?"),
        (["--layer", "block1_conv"], "no layer of this name"),
        (["--output", "OUT"], "where nothing is written"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(lenet: Run, images: Path, call: Call, arguments: list[str], words: str) -> None:
    status, out, err = call(lenet.path, images, *(str(images) if item == "OUT" else item for item in arguments))
    assert (status, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert not Path("explanations").exists()


def test_an_unknown_layer_is_told_with_the_nearest(lenet: Run, images: Path) -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 's4'\?"):
        explain(lenet, [images], layers=["s44"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a b/c$", "a_b_c_"), ("..", "image"), (".hidden", "hidden"), ("größe", "größe"), (os.fsdecode(b"caf\xe9"), "caf_"),
        ("ü" * 200, "ü" * 50), ("", "image"),
    ],
)  # fmt: skip
def test_names_are_made_safe(name: str, expected: str) -> None:
    assert safe(name) == expected
