"""Which devices compute: the GPUs of the machine where there are some, else the processor."""

import functools
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.system.progress import Progress
from transfer.system.resources import cores

if TYPE_CHECKING:
    import tensorflow as tf


def prepare(which: str, progress: Progress) -> None:
    """Let TensorFlow take a GPU's memory as it needs it, instead of all of it at once, and say which GPUs are used.

    This works only before the first use of a GPU: one that a program has used already stays as it is.

    Args:
        which: `training.devices` of the configuration, `all` or `one`.
        progress: told of the GPUs, where there are any.
    """
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except (RuntimeError, ValueError):
            pass  # in use already, or divided by the caller into parts of a given size
    if using := describe(which):
        progress.say(using)


def to_train_on(which: str) -> list[str]:
    """Return the names of the GPUs that a training uses: `all`, or `one`; empty where there is none."""
    import tensorflow as tf

    found = [device.name for device in tf.config.list_logical_devices("GPU")]
    return found if which == "all" else found[:1]


def strategy(which: str) -> "tf.distribute.Strategy":
    """Return how a training is spread: each batch over all GPUs where there are several, else nothing is spread.

    Args:
        which: `training.devices` of the configuration, `all` or `one`.
    """
    import tensorflow as tf

    names = to_train_on(which)
    return _mirrored(tuple(names)) if len(names) > 1 else tf.distribute.get_strategy()


@functools.cache
def _mirrored(names: tuple[str, ...]) -> "tf.distribute.Strategy":
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(list(names))


def gpu_names() -> list[str]:
    """Return what the machine's GPUs are called."""
    import tensorflow as tf

    physical = tf.config.list_physical_devices("GPU")
    return [str(tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")) for gpu in physical]


def describe(which: str) -> str:
    """Return a sentence on the GPUs, for people; empty where there is none."""
    names = gpu_names()
    if not names:
        return ""
    used = len(to_train_on(which))
    return f"GPUs: {', '.join(names)}; each batch of a training is divided among {used}" if used > 1 else f"GPU: {names[0]}"


def machine() -> dict[str, Any]:
    """Describe what decides how fast this machine computes: processor, its instructions, GPUs, TensorFlow."""
    import tensorflow as tf

    fields: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    except OSError:
        pass  # not Linux: the name of the processor must do
    flags = fields.get("flags", "").split()
    return {
        "processor": fields.get("model name") or platform.processor() or platform.machine(),
        "cores": cores(),
        "instructions": [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags],
        "gpus": gpu_names(),
        "tensorflow": tf.__version__,
    }
