"""A TFDS data set -> its images as files, encoded as they are in the set.

Sets are read by tensorflow-datasets and copied into the cache (`cache.py`); the files of `tfds:ImageFolder`,
ROOT/SPLIT/LABEL/IMAGE, are used where they are, by the rules of `tfds.folder_dataset.ImageFolder`.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.config import DataConfig
from transfer.data.scan import Found
from transfer.data.sources import left_out
from transfer.data.sources.tfds import cache
from transfer.data.sources.tfds.builder import builder_of, download, first_line, quietly
from transfer.data.sources.tfds.name import parse
from transfer.data.sources.tfds.task import Roles, Task, roles_of, task_of
from transfer.errors import DataError
from transfer.system.progress import Progress

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder

_SUFFIXES = (".jpg", ".jpeg", ".png")  # that ImageFolder reads
_ELSEWHERE = "not read by ImageFolder: expected SPLIT/LABEL/IMAGE.jpg, .jpeg or .png"


def listing(config: DataConfig, progress: Progress) -> tuple[list[Found], bool, Path]:
    """Return the images of `data.source`, a TFDS data set.

    A set that is not on this machine is downloaded and prepared by tensorflow-datasets. Its encoded images are written into
    the cache folder the first time, and found there later.

    Returns:
        The images, whether the set itself has train, validation or test splits, and the folder where their paths start.

    Raises:
        DataError: if there is no such set, it is not one of images with one class each, or it cannot be read.
    """
    name = parse(str(config.source))
    if name.is_image_folder:
        root = Path(str(config.tfds_data_dir))
        found, roles = _image_folder(root)
        _say_left_out(roles, {}, progress)
        return found, roles.ready_made, root
    builder = builder_of(name, config.tfds_data_dir)
    task = task_of(builder)
    with quietly():
        is_prepared = builder.is_prepared()
    if not is_prepared:
        download(builder, name, progress)
        task = task_of(builder)  # some sets learn the names of their classes from what they download
    counts = {split: int(info.num_examples or 0) for split, info in builder.info.splits.items()}
    roles = roles_of(counts, str(config.source))
    _say_left_out(roles, counts, progress)
    folder = cache.folder_of(builder)
    try:
        print_ = cache.fingerprint(builder, task)
    except OSError as error:
        raise DataError(f"The TFDS data set cannot be read: {error.strerror}. Received {os.fspath(builder.data_dir)!r}.") from None
    found_before = cache.load(folder, print_)
    if found_before:
        return found_before, roles.ready_made, folder
    used = {split: counts[split] for split in roles.splits}
    return cache.fill(folder, print_, roles.splits, _examples(builder, used, task, progress)), roles.ready_made, folder


def _say_left_out(roles: Roles, counts: Mapping[str, int], progress: Progress) -> None:
    if roles.left_out:
        listed = ", ".join(f"{name} ({counts[name]:,} images)" if counts.get(name) else name for name in roles.left_out)
        progress.say(f"Splits left out because they are not train, validation or test: {listed}.")


def _examples(builder: "DatasetBuilder", counts: Mapping[str, int], task: Task, progress: Progress) -> Iterator[tuple[str, bytes, str]]:
    """Yield split, encoded image and class name of each example, in the order of the set's files.

    Args:
        builder: of a prepared set.
        counts: split -> number of examples by the set's description.
        task: the features to read.
        progress: counts the examples.

    Raises:
        DataError: if the set's files are broken, or hold fewer or more examples than its description says.
    """
    with progress.step(f"Reading {builder.name}", sum(counts.values()) or None, "images") as advance:
        for split, expected in counts.items():
            examples, read = _raw(builder, split, task), 0
            while True:
                try:
                    example = next(examples, None)
                except Exception as error:  # each file format of tensorflow-datasets has errors of its own
                    raise DataError(_broken(builder, split, f"after {read:,} of {expected:,} examples: {first_line(error)}")) from None
                if example is None:
                    break
                read += 1
                yield split, bytes(example[task.image]), task.class_name(int(example[task.label]))
                advance(1)
            if read != expected:
                raise DataError(_broken(builder, split, f"it holds {read:,} examples, its description says {expected:,}"))


def _raw(builder: "DatasetBuilder", split: str, task: Task) -> Iterator[Any]:
    import tensorflow_datasets as tfds

    encoded = {task.image: tfds.decode.SkipDecoding()}
    with quietly():
        if builder.info.file_format in (tfds.core.FileFormat.ARRAY_RECORD, tfds.core.FileFormat.PARQUET):
            examples = iter(builder.as_data_source(split=split, decoders=encoded))
        else:
            wanted = tfds.decode.PartialDecoding({task.image: True, task.label: True}, decoders=encoded)
            # One file after the other, so that the position of an example is its position in the set.
            order = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
            dataset = builder.as_dataset(split=split, decoders=wanted, shuffle_files=False, read_config=order)
            examples = dataset.as_numpy_iterator()
    yield from examples


def _broken(builder: "DatasetBuilder", split: str, why: str) -> str:
    return (
        f"The split {split} of the TFDS data set {builder.info.full_name} is broken or incomplete: {why.rstrip('.')}. Delete the "
        f"folder and prepare the set again. Received {os.fspath(builder.data_dir)!r}."
    )


def _image_folder(root: Path) -> tuple[list[Found], Roles]:
    """Return every file of a `tfds:ImageFolder`, sorted by path, and what its splits are used for.

    Files that `ImageFolder` does not read, splits that are left out, and what systems and programs leave are listed with that reason.

    Raises:
        DataError: if there is no such image, or the folder cannot be read.
    """
    try:
        walked = list(_walk(root, ()))
    except OSError as error:
        raise DataError(f"The folder of tfds:ImageFolder cannot be read: {error.strerror}. Received {error.filename!r}.") from None
    no_data = {parts: _no_data(parts, is_folder) for parts, is_folder in walked}
    images = {parts for parts, is_folder in walked if _is_image(parts, is_folder) and not no_data[parts]}
    if not images:
        raise DataError(f"tfds:ImageFolder expects ROOT/SPLIT/LABEL/IMAGE (.jpg, .jpeg or .png). Received {str(root)!r} without any.")
    roles = roles_of(sorted({parts[0] for parts in images}), str(root))
    found = [_found(parts, is_folder, parts in images, roles, no_data[parts]) for parts, is_folder in walked]
    return sorted(found, key=lambda item: os.fsencode(item.path)), roles


def _walk(root: Path, here: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield the path parts of files, and of folders that are not searched; at most three levels deep."""
    for name in os.listdir(root.joinpath(*here)):
        parts = (*here, name)
        is_folder = os.path.isdir(root.joinpath(*parts))
        if is_folder and len(parts) < 3 and not name.startswith("."):
            yield from _walk(root, parts)
        else:
            yield parts, is_folder


def _is_image(parts: tuple[str, ...], is_folder: bool) -> bool:
    return len(parts) == 3 and not is_folder and not parts[2].startswith(".") and parts[2].lower().endswith(_SUFFIXES)


def _no_data(parts: tuple[str, ...], is_folder: bool) -> str:
    """Return why a file is left out by its name or those of its folders; empty: it is not."""
    within = (left_out.by_name(name, depth < len(parts) - 1 or is_folder) for depth, name in enumerate(parts))
    return next((reason for reason in within if reason), "")


def _found(parts: tuple[str, ...], is_folder: bool, is_image: bool, roles: Roles, no_data: str) -> Found:
    path = "/".join(parts) + "/" * is_folder
    if no_data:
        return Found(path, "", "", no_data)
    if is_image and parts[0] in roles.splits:
        return Found(path, parts[1], roles.splits[parts[0]])
    if is_image:
        return Found(path, "", "", f"split left out: {parts[0]} is not train, validation or test")
    return Found(path, "", "", f"{'folder: ' if is_folder else ''}{_ELSEWHERE}")
