"""What the tests of networks trained from scratch share: building by name, and counting without memory."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from transfer.config import NetworkConfig
from transfer.models import scratch
from transfer.models.registry import SCRATCH


def build(name: str, size: int, classes: int = 3, seed: int = 0, **options: Any) -> keras.Model:
    """Build a network of the table with moments as of usual images."""
    return scratch.build(SCRATCH[name], size, classes, 127.0, 70.0**2, seed, NetworkConfig(**options))


def without_memory() -> keras.StatelessScope:
    """Inside, weights have shapes and no values: a network of any size is counted at once."""
    return keras.StatelessScope(initialize_variables=False)


def images(size: int, count: int = 2, seed: int = 0) -> np.ndarray:
    """Noise, float32 [count, size, size, 3] in 0..255."""
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3)).astype(np.float32)


def reloaded(model: keras.Model, folder: Path) -> keras.Model:
    """Save a model and open the file as anyone would: in safe mode, without objects of this package."""
    model.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)


def kinds(model: keras.Model) -> list[str]:
    """Return the class names of all layers and operations."""
    return [type(operation).__name__ for operation in model.operations]
