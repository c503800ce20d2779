"""The version of the decoder, apart from it, so that it can be asked for without TensorFlow."""

DECODER_VERSION = 1
"""Part of every stored feature's key and of every remembered scan: raise it whenever the decoder's result changes."""
