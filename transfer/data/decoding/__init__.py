"""Bytes -> RGB. What its two readers of headers share is here, so that it can be read without importing TensorFlow."""

DECODER_VERSION = 2
"""Part of the key of every stored feature and remembered scan: raise it whenever a result of the decoder changes."""

EXIF_SEARCHED = 131072
"""Bytes at the beginning, and at the end, of a file in which its EXIF data begin: they take 64 KB at most."""

PNG_CHUNKS, RIFF_CHUNKS = 20_000, 256
"""Chunks of a PNG or WebP that are looked at for its EXIF data."""
