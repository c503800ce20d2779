"""A run's classifier in other formats, LiteRT and ONNX: their names, and the packages that each needs. No TensorFlow here."""

import importlib.util

from transfer.errors import ExportError

SAVEDMODEL, LITERT, ONNX = "savedmodel", "litert", "onnx"
FORMATS = (LITERT, ONNX, SAVEDMODEL)
INT8, FLOAT16 = "int8", "float16"
QUANTIZATIONS = (INT8, FLOAT16)
SUFFIXES = {LITERT: ".tflite", ONNX: ".onnx"}
"""What the name of a file of each format ends in."""

_LITERT, _QUANTIZER = {"ai_edge_litert": "ai-edge-litert"}, {"ai_edge_quantizer": "ai-edge-quantizer"}
_ONNX = {"onnxruntime": "onnxruntime", "tf2onnx": "tf2onnx"}


def require_packages(to: str, quantize: str | None = None) -> None:
    """Check that the packages needed for a format are installed.

    Raises:
        ExportError: if one is missing, with the command that installs it.
    """
    needed: dict[str, str] = {LITERT: _LITERT | (_QUANTIZER if quantize == INT8 else {}), ONNX: _ONNX}.get(to, {})
    missing = [package for module, package in needed.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ExportError(
            f"The format {to} needs packages that are not installed: {', '.join(missing)}. Install them: pip install 'keras-transfer[{to}]'"
        )
