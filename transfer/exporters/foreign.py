"""A SavedModel that somebody else may have made, looked at before TensorFlow loads it.

To TensorFlow a SavedModel is a program: its graph can read and write any file of the user who loads it. So every operation of the
graph, its functions included, must be one that only computes (`operations.py`). Restoring and saving variables are the exception, in
the two functions that only the loader can call, with the file name that the loader gives. Files beside the graph must lie in its folder.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import function_pb2, node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from transfer.errors import RunError
from transfer.exporters.operations import COMPUTING
from transfer.runs import EXPORT_CHECKSUMS, TRUST_IT
from transfer.system import sealed

_GRAPH = "saved_model.pb"
_ASSETS = "assets"

_OF_THE_SAVER = {"RestoreV2": (0,), "SaveV2": (0,), "MergeV2Checkpoints": (0, 1)}
"""Operations that read and write the files of the variables -> which of their inputs are names of files."""

_PASS_NAMES_ON = ("Identity", "Pack", "StringJoin", "ShardedFilename")  # what they return begins with their first input
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def load(folder: Path, trust: bool = False) -> Any:
    """Load a SavedModel.

    Args:
        folder: of one version, such as `export/1`.
        trust: load it unseen: it was made here, or the user says so.

    Raises:
        RunError: if it is damaged, cannot be loaded, or is not trusted and could do more than compute.
    """
    require_whole(folder)
    try:
        if not trust and (fault := found_in(folder)):
            raise RunError(
                "The export of a run may only compute: one that could read or write other files, or start programs, is not loaded. "
                f"Found {fault}. {TRUST_IT} Received {str(folder)!r}."
            )
        return tf.saved_model.load(str(folder))
    except RunError:
        raise
    except Exception as error:  # incomplete files fail differently in each reader
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunError(f"The export could not be loaded: {reason}. Received {str(folder)!r}.") from None


def require_whole(folder: Path) -> None:
    """Check that the files of a SavedModel are as they were written. One without a list of checksums is not judged.

    Raises:
        RunError: if one is damaged.
    """
    sealed.require_whole(folder, None, "Restore the export from a copy, or fit again.", EXPORT_CHECKSUMS)


def digest(folder: Path) -> str:
    """Return the SHA-256 of what a SavedModel computes: its name and files, without what is beside them (`assets.extra`)."""
    found = hashlib.sha256(folder.name.encode())
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.parent.name != "assets.extra"):
        with path.open("rb") as file:
            found.update(os.fsencode(path.relative_to(folder)) + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


def found_in(folder: Path) -> str:
    """Return the first thing in a SavedModel that could do more than compute; empty if there is none.

    Raises:
        OSError: if there is no `saved_model.pb`; TensorFlow would read a graph of another name.
        ValueError: if it is damaged.
    """
    try:
        saved = saved_model_pb2.SavedModel.FromString((folder / _GRAPH).read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f"SavedModel file does not exist: {_GRAPH}") from None
    except DecodeError:
        raise ValueError(f"{_GRAPH} is damaged") from None
    if not saved.meta_graphs:
        raise ValueError(f"{_GRAPH} is damaged")
    if len(saved.meta_graphs) != 1 or not saved.meta_graphs[0].HasField("object_graph_def"):
        return "a SavedModel of an old kind, which TensorFlow loads without its objects"
    graph = saved.meta_graphs[0]
    return _outside(folder, graph) or _more_than_computing(graph)


def _outside(folder: Path, graph: meta_graph_pb2.MetaGraphDef) -> str:
    """Return an asset that does not lie in the folder; empty if all do."""
    assets = folder / _ASSETS
    for asset in graph.asset_file_def:
        file = assets / asset.filename
        if os.path.basename(asset.filename) != asset.filename or asset.filename in ("", ".", "..") or _leads_out(file, folder):
            return f"the asset {asset.filename!r}, a file outside the export"
    return ""


def asset(folder: Path, name: str, trust: bool = False) -> bytes:
    """Return the content of an asset of a SavedModel.

    Raises:
        RunError: if it is a link to a file outside the folder, unless that is trusted.
        OSError: if it cannot be read.
    """
    file = folder / _ASSETS / name
    if not trust and _leads_out(file, folder):
        raise RunError(
            f"The assets of an export lie in its folder. Found a link to {str(file.resolve())!r}. {TRUST_IT} Received {str(file)!r}."
        )
    if not file.is_file():  # reading a pipe would never end
        raise FileNotFoundError(f"{name} is not there, or no regular file")
    return file.read_bytes()


def _leads_out(file: Path, folder: Path) -> bool:
    """Return whether a path in a folder is, through links, that of a file elsewhere."""
    return not file.resolve().is_relative_to(folder.resolve())


def _more_than_computing(graph: meta_graph_pb2.MetaGraphDef) -> str:
    """Return the first operation that does more than compute; empty if none does."""
    own = {function.signature.name for function in graph.graph_def.library.function}
    savers = _savers(graph)
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            of_the_saver = node.op in _OF_THE_SAVER and function.signature.name in savers and _names_are_given(node, function)
            if not of_the_saver and (fault := _fault_of(node, own)):
                return f"{fault} in the function {function.signature.name!r}"
    return next((fault for node in graph.graph_def.node if (fault := _fault_of(node, own))), "")


def _fault_of(node: node_def_pb2.NodeDef, own: set[str]) -> str:
    """Return what a node could do besides computing; empty if nothing.

    Args:
        node: of the graph or of one of its functions.
        own: names of all functions of the graph: a call of another would be that of an operation.
    """
    if node.op not in COMPUTING:
        return f"the operation {node.op}"
    return next((f"a call of {called!r}, which is none of its functions" for called in _called_by(node) if called not in own), "")


def _called_by(node: node_def_pb2.NodeDef) -> Iterator[str]:
    """Yield the names of the functions in the attributes of a node."""
    for attribute in node.attr.values():
        if attribute.HasField("func"):
            yield attribute.func.name
        yield from (function.name for function in attribute.list.func)


def _savers(graph: meta_graph_pb2.MetaGraphDef) -> set[str]:
    """Return the functions that save and restore variables, and that nothing but the loader can call.

    The graph itself calls each once, with the file name from the placeholder that the loader fills. No other function calls them,
    none can stand for them, and they are no functions of an object, such as a signature.
    """
    library, saver = graph.graph_def.library, graph.saver_def
    nodes = {node.name: node for node in graph.graph_def.node}
    file = nodes.get(_node(saver.filename_tensor_name))
    if file is None or file.op != "Placeholder":
        return set()
    named = Counter(chain.from_iterable(map(_called_by, chain(nodes.values(), *(function.node_def for function in library.function)))))
    named.update(list(graph.object_graph_def.concrete_functions))  # a Counter takes the values of a mapping for counts
    named.update(gradient.gradient_func for gradient in (*library.gradient, *library.registered_gradients))
    named.update(function.signature.name for function in library.function if any("implements" in key for key in function.attr))
    callers = (nodes.get(_node(tensor)) for tensor in (saver.save_tensor_name, saver.restore_op_name))
    found = {
        caller.attr["f"].func.name
        for caller in callers
        if caller is not None and caller.op in _CALLS and caller.input and _node(caller.input[0]) == file.name
    }
    return {name for name in found if named[name] == 1}


def _names_are_given(node: node_def_pb2.NodeDef, function: function_pb2.FunctionDef) -> bool:
    """Return whether the files of an operation have names that begin with the first argument of its function."""
    if not function.signature.input_arg:
        return False
    given, nodes = function.signature.input_arg[0].name, {inner.name: inner for inner in function.node_def}
    return all(position < len(node.input) and _begins_with(node.input[position], given, nodes) for position in _OF_THE_SAVER[node.op])


def _begins_with(tensor: str, given: str, nodes: dict[str, node_def_pb2.NodeDef]) -> bool:
    for _ in range(len(nodes) + 1):
        if _node(tensor) == given:
            return True
        source = nodes.get(_node(tensor))
        if source is None or source.op not in _PASS_NAMES_ON or not source.input:
            return False
        tensor = source.input[0]
    return False


def _node(tensor: str) -> str:
    """Return the name of the node of a tensor: `name`, `name:0` or `name:output:0`."""
    return tensor.partition(":")[0]
