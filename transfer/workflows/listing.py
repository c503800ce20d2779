"""list_runs(): the runs of a folder, each with its figures, size and age. Starts no TensorFlow."""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from transfer.errors import RunError, TransferError
from transfer.runs import CONFIG, DEFAULT_OUTPUT, Run
from transfer.workflows.settings import data_name


@dataclass(frozen=True)
class ListedRun:
    """One folder among the runs. Of one that cannot be read, only name, path, size and age are known.

    Attributes:
        name: of the run.
        path: its folder.
        backbone: or the network from scratch; empty: unknown.
        image_size: side in pixels; 0: unknown.
        data: name of the images' folder, table or data set.
        classes, images: numbers of classes, and of images that were used, in all splits.
        accuracy: on the test split, 0 to 1; NaN: unknown.
        accuracy_ci95: its 95 % interval.
        bytes: size on disk.
        age: seconds since it was finished.
        trouble: why it cannot be read; empty: it can.
    """

    name: str
    path: Path
    backbone: str = ""
    image_size: int = 0
    data: str = ""
    classes: int = 0
    images: int = 0
    accuracy: float = float("nan")
    accuracy_ci95: tuple[float, float] = (float("nan"), float("nan"))
    bytes: int = 0
    age: float = 0.0
    trouble: str = ""


def list_runs(output: str | os.PathLike[str] = DEFAULT_OUTPUT) -> list[ListedRun]:
    """Return the runs of a folder, the newest first. A folder that is no whole run is among them, with the reason.

    Args:
        output: folder of all runs, as for `fit`. The default one need not exist.

    Raises:
        RunError: if there is no such folder, or it cannot be read.
    """
    folder = Path(output)
    if not folder.is_dir():
        if folder == Path(DEFAULT_OUTPUT):
            return []
        raise RunError(f"There is no such folder. Expected a folder of runs, such as {DEFAULT_OUTPUT}. Received {str(output)!r}.")
    try:
        with os.scandir(folder) as entries:
            places = [folder / entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    except OSError as error:
        raise RunError(f"The folder of runs cannot be read: {error.strerror}. Received {str(output)!r}.") from None
    return sorted(map(_listed, places), key=lambda run: (run.age, run.name))


def _listed(path: Path) -> ListedRun:
    plain = ListedRun(path.name, path, bytes=_bytes_in(path), age=_age(path))
    try:
        run = Run(path.absolute())  # a bare name could stand for another one
        config, test, images = run.config, run.metrics["test"], run.metrics["images"]
        source, (low, high) = config["data.source"], (float(end) for end in test["accuracy_ci95"])
        return replace(
            plain, backbone=str(config["backbone"]), image_size=int(config["image_size"]), data=data_name(str(source)) if source else "",
            classes=len(test["per_class"]), images=sum(int(count) for count in images.values()), accuracy=float(test["accuracy"]),
            accuracy_ci95=(low, high),
        )  # fmt: skip
    except TransferError as error:
        return replace(plain, trouble=str(error))
    except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        return replace(plain, trouble=f"Its files do not say what they should ({type(error).__name__}: {error}). Fit again.")


def _bytes_in(folder: Path) -> int:
    """Return the size of all files below a folder, as far as they can be seen."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 - many paths
            except OSError:
                continue
    return total


def _age(path: Path) -> float:
    """Return the seconds since a run was finished: its configuration is written at the end, and never again."""
    for place in (path / CONFIG, path):
        try:
            return max(0.0, time.time() - place.stat().st_mtime)
        except OSError:
            continue
    return 0.0
