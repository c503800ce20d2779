"""Bytes -> RGB. The version of the decoder is here, so that it can be read without importing TensorFlow."""

DECODER_VERSION = 1
"""Part of the key of every stored feature and remembered scan: raise it whenever a result of the decoder changes."""
