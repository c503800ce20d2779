"""The environment of a run: package versions, machine, commit of this package."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transfer.system.devices import machine
from transfer.system.resources import threads

_PACKAGES = ("tensorflow", "keras", "numpy", "pandas", "scikit-learn", "pillow", "lmdb", "openvino")


def describe(engine: str, precision: str, measured: dict[str, Any] | None) -> dict[str, Any]:
    """Return the content of `environment.json`.

    Args:
        engine: what computed the features, `tensorflow` or `openvino`.
        precision: precision of feature extraction.
        measured: measurements of `compute: auto` and `precision: auto`; None if both were given.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions(_PACKAGES),
        "machine": machine(),
        "threads": threads(),
        "compute": engine,
        "precision": precision,
        "compute_measured": measured,
        "git_commit": _commit(),
    }


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each package that is installed; TensorFlow is also distributed as tensorflow-cpu and under other names."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def _commit() -> str | None:
    """Return the commit of the checkout that contains this package; None if it is not in a checkout."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None
    command = ["git", "-C", str(here), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
