"""Networks trained from scratch, one cited architecture a file."""

from transfer.models.scratch.builder import build

__all__ = ["build"]
