"""A SavedModel that could do more than compute is refused before TensorFlow loads it; one of this package never is."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session

from tests.exporters import hostile
from tests.serving import tiny_export
from transfer.errors import RunError
from transfer.exporters import foreign
from transfer.exporters.formats import graph
from transfer.exporters.operations import COMPUTING
from transfer.exporters.served import Served


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of this package; not to be changed."""
    return tiny_export.write(tmp_path_factory.mktemp("tiny") / "1")


@pytest.fixture
def export(written: Path, tmp_path: Path) -> Path:
    """A copy that may be changed."""
    return shutil.copytree(written, tmp_path / "1")


@pytest.fixture
def not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow must not be asked to load anything."""

    def load(*_: object) -> None:
        raise AssertionError("TensorFlow has loaded it")

    monkeypatch.setattr(tf.saved_model, "load", load)


def refused(folder: Path) -> str:
    """Return the one line with which a SavedModel is refused, the same wherever it is read."""
    with pytest.raises(RunError) as caught:
        Served(folder)
    with pytest.raises(RunError) as again:
        graph.read(folder)
    text = str(caught.value)
    assert text == str(again.value)
    assert "\n" not in text
    assert "--trust" in text
    assert text.endswith(f"Received {str(folder)!r}.")
    return text


@pytest.mark.parametrize("what", hostile.BODIES)
def test_a_graph_that_does_more_than_compute_is_refused(what: str, tmp_path: Path, not_loaded: None) -> None:
    body, operation = hostile.BODIES[what]
    text = refused(hostile.write(tmp_path / "1", body))
    assert f"Found the operation {operation} in the function '" in text


def test_a_table_in_a_file_is_refused(tmp_path: Path, not_loaded: None) -> None:
    (tmp_path / "words.txt").write_text("a\nb\n")
    rows = tf.lookup.TextFileInitializer(
        str(tmp_path / "words.txt"), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    table = tf.lookup.StaticHashTable(rows, -1)
    assert "InitializeTableFromTextFileV2" in refused(
        hostile.write(tmp_path / "1", lambda text: tf.as_string(table.lookup(text)), table=table)
    )


def test_trust_loads_it_all_the_same(tmp_path: Path) -> None:
    folder = hostile.write(tmp_path / "1", hostile.BODIES["reads a file"][0])
    assert set(foreign.load(folder, trust=True).signatures) == {"serving_default"}


def _called_as_signature(word: str) -> Callable[..., object]:
    def edit(meta: hostile.meta_graph_pb2.MetaGraphDef) -> None:
        name = hostile.saver(meta, word).signature.name
        meta.object_graph_def.concrete_functions[name].SetInParent()

    return edit


def _called_by_another(meta: hostile.meta_graph_pb2.MetaGraphDef) -> None:
    saving = hostile.saver(meta, "save").signature.name
    other = next(one for one in meta.graph_def.library.function if "signature_wrapper" in one.signature.name)
    node = other.node_def.add(name="save_it", op="StatefulPartitionedCall")
    node.attr["f"].func.name = saving


def _as_gradient(meta: hostile.meta_graph_pb2.MetaGraphDef) -> None:
    pair = meta.graph_def.library.gradient.add()
    pair.function_name, pair.gradient_func = "any", hostile.saver(meta, "restore").signature.name


def _instead_of_another(meta: hostile.meta_graph_pb2.MetaGraphDef) -> None:
    hostile.saver(meta, "save").attr["api_implements"].s = b"anything"


def _of_a_constant(meta: hostile.meta_graph_pb2.MetaGraphDef) -> None:
    next(node for node in meta.graph_def.node if node.name == "saver_filename").op = "Const"


def _by_its_own_name(meta: hostile.meta_graph_pb2.MetaGraphDef) -> None:
    function = hostile.saver(meta, "restore")
    function.node_def.add(name="mine", op="Const")
    next(node for node in function.node_def if node.op == "RestoreV2").input[0] = "mine:output:0"


def _twice_by_the_graph(meta: hostile.meta_graph_pb2.MetaGraphDef) -> None:
    node = meta.graph_def.node.add(name="again", op="StatefulPartitionedCall", input=["Const"])
    node.attr["f"].func.name = hostile.saver(meta, "save").signature.name


def _function_called_like_an_operation(meta: hostile.meta_graph_pb2.MetaGraphDef) -> None:
    node = meta.graph_def.node.add(name="sly", op="PartitionedCall")
    node.attr["f"].func.name = "ReadFile"


def _in_a_list_of_branches(meta: hostile.meta_graph_pb2.MetaGraphDef) -> None:
    node = meta.graph_def.node.add(name="sly", op="Case")
    node.attr["branches"].list.func.add(name="ReadFile")


def _of_two_of_a_name(meta: hostile.meta_graph_pb2.MetaGraphDef) -> None:
    copy = meta.graph_def.library.function.add()
    copy.signature.name = meta.graph_def.library.function[0].signature.name
    meta.graph_def.library.function[0].node_def.add(name="sly", op="ReadFile")


EDITS: dict[str, tuple[Callable[..., object], str]] = {
    "the restore function is a signature": (_called_as_signature("restore"), "the operation RestoreV2"),
    "the save function is a signature": (_called_as_signature("save"), "the operation SaveV2"),
    "another function saves": (_called_by_another, "the operation SaveV2"),
    "the graph saves twice": (_twice_by_the_graph, "the operation SaveV2"),
    "restoring is a gradient": (_as_gradient, "the operation RestoreV2"),
    "saving stands for another function": (_instead_of_another, "the operation SaveV2"),
    "the file is a constant of the graph": (_of_a_constant, "V2 in the function '__inference__traced_"),
    "the file is a constant of the function": (_by_its_own_name, "the operation RestoreV2"),
    "an operation is called like a function": (_function_called_like_an_operation, "a call of 'ReadFile'"),
    "a branch is an operation": (_in_a_list_of_branches, "a call of 'ReadFile'"),
    "two functions have one name": (_of_two_of_a_name, "the operation ReadFile"),
    "a node of the graph": (lambda meta: meta.graph_def.node.add(name="sly", op="ReadFile"), "the operation ReadFile"),
    "an unknown operation": (lambda meta: meta.graph_def.node.add(name="sly", op="Conv4D"), "the operation Conv4D"),
    "no objects": (lambda meta: meta.ClearField("object_graph_def"), "a SavedModel of an old kind"),
    "an asset above": (lambda meta: setattr(meta.asset_file_def[0], "filename", "../../labels.txt"), "the asset '../../labels.txt'"),
    "an asset anywhere": (lambda meta: setattr(meta.asset_file_def[0], "filename", "/etc/passwd"), "the asset '/etc/passwd'"),
    "an asset that is the folder": (lambda meta: setattr(meta.asset_file_def[0], "filename", ".."), "the asset '..'"),
}


@pytest.mark.parametrize("what", EDITS)
def test_an_export_that_was_changed_is_refused(what: str, export: Path, not_loaded: None) -> None:
    edit, found = EDITS[what]
    assert found in refused(hostile.edited(export, edit))


def test_labels_that_are_a_link_to_another_file_are_refused(export: Path, not_loaded: None) -> None:
    text = refused(hostile.with_link(export, "labels.txt", "/etc/passwd"))
    assert "the asset 'labels.txt', a file outside the export" in text


def test_labels_come_from_the_folder_whatever_the_graph_says(export: Path, tmp_path: Path) -> None:
    (export / "assets" / "other.txt").write_text("x\ny\nz\n")
    hostile.edited(export, lambda meta: setattr(meta.asset_file_def[0], "filename", "other.txt"))
    assert Served(export).labels == list(tiny_export.LABELS)
    (tmp_path / "secret").write_text("secret\n")
    hostile.with_link(export, "labels.txt", str(tmp_path / "secret"))
    with pytest.raises(RunError, match=r"lie in its folder.*--trust"):
        Served(export)
    assert Served(export, trust=True).labels == ["secret"]


def test_a_graph_of_another_name_is_not_read_instead(export: Path, not_loaded: None) -> None:
    (export / "saved_model.pb").rename(export / "saved_model.pbtxt")
    with pytest.raises(RunError, match=r"could not be loaded: .*does not exist"):
        Served(export)


@pytest.mark.parametrize("content", [b"", b"\xff" * 99, b"not a graph"], ids=["empty", "noise", "text"])
def test_a_damaged_graph_is_one_line(content: bytes, export: Path) -> None:
    (export / "saved_model.pb").write_bytes(content)
    with pytest.raises(RunError) as caught:
        Served(export)
    assert "\n" not in str(caught.value)


def test_a_foreign_graph_that_only_computes_is_one_line_too(tmp_path: Path) -> None:
    folder = hostile.write(tmp_path / "1", lambda text: tf.strings.upper(text))
    with pytest.raises(RunError, match=r"The export lacks 'explain'"):
        Served(folder)


def test_an_export_of_this_package_is_loaded(written: Path) -> None:
    assert foreign.found_in(written) == ""
    assert Served(written).labels == list(tiny_export.LABELS)


UNUSUAL: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "text": lambda text: tf.strings.regex_replace(tf.strings.upper(tf.io.encode_base64(text)), "A", "b"),
    "algebra": lambda text: tf.as_string(tf.linalg.svd(tf.random.normal([3, 3]), compute_uv=False) + tf.math.bessel_i0(1.0)),
    "Fourier": lambda text: tf.as_string(tf.abs(tf.signal.rfft2d(tf.ones([4, 4])))),
    "images": lambda text: tf.map_fn(lambda _: tf.io.encode_png(tf.zeros([4, 4, 3], tf.uint8)), text),
    "resizing": lambda text: tf.as_string(tf.image.resize_with_pad(tf.image.random_hue(tf.zeros([4, 4, 3]), 0.2), 8, 8, "lanczos3")),
    "control flow": lambda text: tf.while_loop(lambda n, _: n < 3, lambda n, t: (n + 1, tf.strings.join([t, t])), (0, text))[1],
    "a table in memory": lambda text: tf.ragged.constant([["a"], ["b", "c"]]).to_tensor()[0],
}  # fmt: skip


@pytest.mark.parametrize("what", UNUSUAL)
def test_what_only_computes_is_loaded_however_unusual(what: str, tmp_path: Path) -> None:
    assert foreign.found_in(hostile.write(tmp_path / "1", UNUSUAL[what])) == ""


def test_every_operation_on_the_list_is_one_of_tensorflow_without_names_of_files() -> None:
    known = op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    registered = {one.name: one for one in known.op}
    words = ("file", "path", "directory", "url", "address", "descriptor", "memory_region", "output_stream", "token", "host")
    for name in COMPUTING & set(registered):  # another version of TensorFlow may lack one
        names = [one.name.lower() for one in (*registered[name].input_arg, *registered[name].attr)]
        assert not [one for one in names if any(word in one for word in words)], name
    assert len(COMPUTING - set(registered)) < 30
    assert not {"ReadFile", "WriteFile", "PyFunc", "EagerPyFunc", "PrintV2", "SaveV2", "RestoreV2", "MergeV2Checkpoints"} & COMPUTING
    assert not [name for name in COMPUTING if "Dataset" in name or "Summary" in name or "Reader" in name or "Xla" in name or "Rpc" in name]
