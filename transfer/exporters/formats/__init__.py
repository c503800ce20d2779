"""A run's export as one file for other runtimes: LiteRT and ONNX, each measured by its own runtime before it is published."""
