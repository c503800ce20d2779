"""The devices that compute: the GPUs of the machine if it has any, otherwise the CPU."""

import functools
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.system.progress import Progress
from transfer.system.resources import cores

if TYPE_CHECKING:
    import tensorflow as tf


def prepare(which: str, progress: Progress) -> None:
    """Let TensorFlow allocate GPU memory as needed instead of all at once, and report the GPUs that are used.

    This has no effect on a GPU that the program has already used.

    Args:
        which: `training.devices` of the configuration, `all` or `one`.
        progress: reports the GPUs, if there are any.
    """
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except (RuntimeError, ValueError):
            pass  # already in use, or split into virtual devices by the caller
    if using := describe(which):
        progress.say(using)


def to_train_on(which: str) -> list[str]:
    """Return the names of the GPUs used for training: `all`, or `one`; empty if there is none."""
    import tensorflow as tf

    found = [device.name for device in tf.config.list_logical_devices("GPU")]
    return found if which == "all" else found[:1]


def strategy(which: str) -> "tf.distribute.Strategy":
    """Return the distribution strategy for training: with several GPUs, each batch is split among them.

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
    """Return the names of the machine's GPUs."""
    import tensorflow as tf

    physical = tf.config.list_physical_devices("GPU")
    return [str(tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")) for gpu in physical]


def describe(which: str) -> str:
    """Return a sentence on the GPUs; empty if there is none."""
    names = gpu_names()
    if not names:
        return ""
    used = len(to_train_on(which))
    return f"GPUs: {', '.join(names)}; each training batch is split among {used}" if used > 1 else f"GPU: {names[0]}"


_BFLOAT16 = ("avx512_bf16", "amx_bf16", "avx_ne_convert")


def emulates_bfloat16() -> bool:
    """Return whether this is an x86 processor, without a GPU, that has no instructions for bfloat16: it never is the faster type."""
    import tensorflow as tf

    flags = _processor().get("flags", "").split()
    return bool(flags) and not set(flags) & set(_BFLOAT16) and not tf.config.list_physical_devices("GPU")


def machine() -> dict[str, Any]:
    """Describe what determines the speed of this machine: CPU and its instructions, GPUs, TensorFlow."""
    import tensorflow as tf

    fields = _processor()
    flags = fields.get("flags", "").split()
    return {
        "processor": fields.get("model name") or platform.processor() or platform.machine(),
        "cores": cores(),
        "instructions": [name for name in ("avx2", "avx512f", *_BFLOAT16) if name in flags],
        "gpus": gpu_names(),
        "tensorflow": tf.__version__,
    }


def _processor() -> dict[str, str]:
    """Return the fields of the first processor; empty if the system is not Linux. Of other processors than x86, there are no `flags`."""
    fields: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    return fields
