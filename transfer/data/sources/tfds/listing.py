"""A TFDS data set -> the images in it, as files: read through tensorflow-datasets, never decoded on the way."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.config import DataConfig
from transfer.data.scan import Found
from transfer.data.sources.tfds import builder as tfds_builder
from transfer.data.sources.tfds import cache as tfds_cache
from transfer.data.sources.tfds.builder import first_line
from transfer.data.sources.tfds.name import parse
from transfer.data.sources.tfds.task import Roles, Task, roles_of, task_of
from transfer.errors import DataError
from transfer.system.progress import Progress

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder

_ENDINGS = (".jpg", ".jpeg", ".png")  # those that ImageFolder reads
_ELSEWHERE = "not read by ImageFolder: expected SPLIT/LABEL/IMAGE.jpg, .jpeg or .png"


def listing(config: DataConfig, progress: Progress) -> tuple[list[Found], bool, Path]:
    """Return the images of `data.source`, a TFDS data set.

    The set is downloaded and prepared by tensorflow-datasets where it is not on this machine. Its encoded images are
    written into the cache folder the first time, and found there afterwards.

    Returns:
        The images, whether the set itself says which of them is in which split, and the folder where their paths start.

    Raises:
        DataError: where there is no such set, it is not one of images with one class each, or it cannot be read.
    """
    name = parse(str(config.source))
    if name.is_image_folder:
        root = Path(str(config.tfds_data_dir))
        found, roles = _image_folder(root)
        _tell_left_out(roles, dict.fromkeys(roles.left_out, 0), progress)
        return found, roles.ready_made, root
    builder = tfds_builder.builder_of(name, config.tfds_data_dir)
    task = task_of(builder)
    with tfds_builder.quietly():
        is_prepared = builder.is_prepared()
    if not is_prepared:
        tfds_builder.download(builder, name, progress)
        task = task_of(builder)  # some sets learn the names of their classes from what they download
    counts = {split: int(info.num_examples or 0) for split, info in builder.info.splits.items()}
    roles = roles_of(counts, str(config.source))
    _tell_left_out(roles, counts, progress)
    folder = tfds_cache.folder_of(builder)
    try:
        print_ = tfds_cache.fingerprint(builder, task)
    except OSError as error:
        raise DataError(f"The TFDS data set cannot be read: {error.strerror}. Received {os.fspath(builder.data_dir)!r}.") from None
    found_before = tfds_cache.load(folder, print_)
    return found_before or _fill(folder, print_, builder, task, roles, progress), roles.ready_made, folder


def _tell_left_out(roles: Roles, counts: dict[str, int], progress: Progress) -> None:
    if roles.left_out:
        listed = ", ".join(f"{name} ({counts[name]:,} images)" if counts[name] else name for name in roles.left_out)
        progress.say(f"Splits left out, being none of train, validation and test: {listed}.")


def _fill(folder: Path, print_: str, builder: "DatasetBuilder", task: Task, roles: Roles, progress: Progress) -> list[Found]:
    total = sum(int(builder.info.splits[name].num_examples or 0) for name in roles.splits)
    with tfds_cache.Filling(folder) as filling:
        with progress.step(f"Reading {builder.name}", total or None, "images") as advance:
            for name, split in roles.splits.items():
                for _ in filling.add(name, split, _examples(builder, name, task)):
                    advance(1)
        return filling.publish(print_)


def _examples(builder: "DatasetBuilder", split: str, task: Task) -> Iterator[tuple[bytes, str]]:
    """Yield the encoded image and the class's name of each example of a split, in the order of the set's files.

    Raises:
        DataError: where the set's files are broken, or hold fewer examples than the set says.
    """
    read, expected = 0, int(builder.info.splits[split].num_examples or 0)
    try:
        for example in _raw(builder, split, task):
            read += 1
            yield bytes(example[task.image]), task.class_name(int(example[task.label]))
    except Exception as error:  # each of the formats of tensorflow-datasets has errors of its own
        raise DataError(_broken(builder, split, f"after {read:,} of {expected:,} examples: {first_line(error)}")) from None
    if read != expected:
        raise DataError(_broken(builder, split, f"it holds {read:,} examples, its description says {expected:,}"))


def _raw(builder: "DatasetBuilder", split: str, task: Task) -> Iterator[Any]:
    import tensorflow_datasets as tfds

    encoded = {task.image: tfds.decode.SkipDecoding()}
    with tfds_builder.quietly():
        if builder.info.file_format in (tfds.core.FileFormat.ARRAY_RECORD, tfds.core.FileFormat.PARQUET):
            examples = iter(builder.as_data_source(split=split, decoders=encoded))
        else:
            wanted = tfds.decode.PartialDecoding({task.image: True, task.label: True}, decoders=encoded)
            # One file after the other: the position of an example is then its place in the set.
            order = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
            dataset = builder.as_dataset(split=split, decoders=wanted, shuffle_files=False, read_config=order)
            examples = dataset.as_numpy_iterator()
    yield from examples


def _broken(builder: "DatasetBuilder", split: str, why: str) -> str:
    return (
        f"The split {split} of the TFDS data set {builder.info.full_name} is broken or half-written: {why.rstrip('.')}. Delete the "
        f"folder and prepare the set again. Received {os.fspath(builder.data_dir)!r}."
    )


def _image_folder(root: Path) -> tuple[list[Found], Roles]:
    """Return every file of the folder, sorted by path, and what its splits are for.

    What `ImageFolder` passes over, and the splits that are left out, are listed with that reason.

    Raises:
        DataError: where there is no such image, or the folder cannot be read.
    """
    try:
        walked = list(_walk(root, ()))
    except OSError as error:
        raise DataError(f"The folder of tfds:ImageFolder cannot be read: {error.strerror}. Received {error.filename!r}.") from None
    images = {parts for parts, is_folder in walked if _is_image(parts, is_folder)}
    if not images:
        raise DataError(f"tfds:ImageFolder expects ROOT/SPLIT/LABEL/IMAGE (.jpg, .jpeg or .png). Received {str(root)!r} without any.")
    roles = roles_of(sorted({parts[0] for parts in images}), str(root))
    found = [_found(parts, is_folder, parts in images, roles) for parts, is_folder in walked]
    return sorted(found, key=lambda item: os.fsencode(item.path)), roles


def _walk(root: Path, here: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield files, and folders that are not looked into, as the parts of their paths; no more than three levels deep."""
    for name in os.listdir(root.joinpath(*here)):
        parts = (*here, name)
        is_folder = os.path.isdir(root.joinpath(*parts))
        if is_folder and len(parts) < 3 and not name.startswith("."):
            yield from _walk(root, parts)
        else:
            yield parts, is_folder


def _is_image(parts: tuple[str, ...], is_folder: bool) -> bool:
    return len(parts) == 3 and not is_folder and not parts[2].startswith(".") and parts[2].lower().endswith(_ENDINGS)


def _found(parts: tuple[str, ...], is_folder: bool, is_image: bool, roles: Roles) -> Found:
    path = "/".join(parts) + "/" * is_folder
    if is_image and parts[0] in roles.splits:
        return Found(path, parts[1], roles.splits[parts[0]])
    if is_image:
        return Found(path, "", "", f"split left out: {parts[0]} is none of train, validation and test")
    if parts[-1].startswith("."):
        return Found(path, "", "", f"hidden {'folder' if is_folder else 'file'}")
    return Found(path, "", "", f"{'folder: ' if is_folder else ''}{_ELSEWHERE}")
