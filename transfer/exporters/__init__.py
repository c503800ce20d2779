"""A classifier made into files for others: the SavedModel and its verification, and `formats/` (LiteRT, ONNX)."""
