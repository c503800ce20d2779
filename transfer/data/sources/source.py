"""Where images come from: an image folder, a table of paths, or a TFDS data set -> manifest."""

import os
import shlex
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from transfer.config import DataConfig, option
from transfer.data import groups, scan, storage
from transfer.data.classes import require_unlike
from transfer.data.dataset import Dataset
from transfer.data.sources import folder, left_out
from transfer.data.sources.tables import listing, reading
from transfer.data.sources.tfds import cache as tfds_cache
from transfer.data.sources.tfds import listing as tfds_listing
from transfer.data.sources.tfds import name as tfds_name
from transfer.data.storage import RemotePath, Root, archives
from transfer.engines import LOCAL, Engine
from transfer.errors import DataError
from transfer.system.progress import Progress

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder

TFDS = tfds_name.PREFIX
"""Prefix of the name of a TFDS data set."""


def settings(data: "str | os.PathLike[str] | DatasetBuilder") -> dict[str, str]:
    """Return the configuration keys that name a source: a path, `tfds:NAME`, or a TFDS builder.

    Raises:
        DataError: if no name stands for the builder.
    """
    if tfds_name.is_builder(data):
        return tfds_name.settings_of(cast("DatasetBuilder", data))
    return {"data.source": absolute(os.fspath(cast("str | os.PathLike[str]", data)))}


def absolute(source: str) -> str:
    """Return a source with its path made absolute, so that a configuration means the same everywhere."""
    return source if source.startswith(TFDS) else storage.absolute(source)


def _located(config: DataConfig) -> Root:
    """Return the folder, the archive or the table of a source that is not a TFDS data set."""
    if archives.is_archive(str(config.source)):
        return archives.root_of(str(config.source))
    return storage.located(str(config.source), config.connections, config.cache_gb)


def _as_configured(root: Root, config: DataConfig) -> Root:
    """Return a root whose objects are read with the settings of the configuration."""
    if isinstance(root, RemotePath) and not root.in_archive:
        return replace(root, connections=config.connections, cache_gb=config.cache_gb)
    return root


def options(config: DataConfig) -> str:
    """Return the options that a command line needs after the name of the source, such as ` --root images`; may be empty."""
    source, found = str(config.source), []
    if source.startswith(TFDS):
        found += [f"--tfds-data-dir {shlex.quote(config.tfds_data_dir)}"] if config.tfds_data_dir else []
    elif reading.is_table(source):
        found += [f"--root {shlex.quote(config.root)}"] if config.root else []
    elif config.split_folders != "auto":
        found.append(option("data.split_folders", config.model_dump(mode="json")["split_folders"]))
    if config.exclude:
        found.append(option("data.exclude", list(config.exclude)))
    return "".join(f" {option}" for option in found)


def own(config: DataConfig) -> list[Path]:
    """Return the user's own places, in which nothing is written, as far as they can be known at once.

    The data folder, and folders that links in it lead to; a table, the folder where its paths start (`data.root`) or, where that
    is the table's own, those of its images; the folder of TFDS data sets. Not what lies in object storage: results are written to the disk.
    """
    source, root = str(config.source), config.root
    if source.startswith(TFDS):
        default = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
        return [Path(os.path.expanduser(config.tfds_data_dir or default))]  # noqa: PTH111 - there may be no home
    places = [found for place in (root, config.source) if place and isinstance(found := storage.located(place), Path)]
    if not root and config.source and reading.is_table(source):
        return [*places, *(folder for folder in listing.image_folders(storage.located(source)) if isinstance(folder, Path))]
    return [*places, *(link for place in places[:1] for link in _links(place))]


def _links(folder: Path) -> list[Path]:
    """Return the links to other folders in a folder, and in its folders (of a split or a class): their files are the user's too."""
    try:
        with os.scandir(folder) as entries:
            inside = list(entries)
        for name in (entry for entry in inside if entry.is_dir(follow_symlinks=False)):
            with suppress(OSError), os.scandir(name) as entries:
                inside += (entry for entry in entries if entry.is_symlink())
    except OSError:  # it is gone, or no folder
        return []
    return [Path(entry.path) for entry in inside if entry.is_symlink() and os.path.isdir(entry.path)]


def require(config: DataConfig) -> None:
    """Check the source as far as that is possible at once and without TensorFlow.

    Raises:
        DataError: if it does not exist or cannot be used.
    """
    columns = None
    if str(config.source).startswith(TFDS):
        tfds_name.require(str(config.source), config.tfds_data_dir)
    elif reading.is_table(str(config.source)):
        columns = listing.require(_located(config), config.root)
    else:
        folder.require(_located(config))
    if config.split_folders != "auto" and (columns is not None or str(config.source).startswith(TFDS)):
        raise DataError(
            "data.split_folders is for folders. A table names its splits in the column split, and a TFDS data set has its own. "
            f"Received data.split_folders={config.split_folders!r} with {str(config.source)!r}."
        )
    groups.column(config.group_by, columns)


def root(config: DataConfig, progress: Progress) -> Root:
    """Return where the paths of a manifest of `data.source` start, without reading images; prepares a TFDS set.

    Raises:
        DataError: if the source does not exist.
    """
    require(config)
    if str(config.source).startswith(TFDS):
        return tfds_listing.listing(config, progress)[2]
    source = _located(config)
    return _as_configured(listing.root_of(source, config.root), config) if reading.is_table(source) else source


def read(config: DataConfig, progress: Progress, decode_test: bool = False, engine: Engine = LOCAL) -> Dataset:
    """List the images of `data.source`, read each once, and return them; none has a split but those that the source itself names.

    With `decode_test`, images whose pixels cannot be decoded are found now, not when features are extracted.

    Raises:
        DataError: if the source cannot be used.
    """
    columns = None
    root: Root
    if str(config.source).startswith(TFDS):
        found, ready_made, root = tfds_listing.listing(config, progress)
        found = left_out.without(found, config.exclude)
        require_unlike(dict.fromkeys((item.label for item in found if item.label), "the classes"), str(config.source))
    elif reading.is_table(source := _located(config)):
        columns = reading.columns(source)
        found, ready_made, root = listing.listing(
            source, config.root, groups.column(config.group_by, columns), config.missing_files, config.exclude
        )
    else:
        root = source
        found, ready_made = folder.listing(root, config, progress)
    root = _as_configured(root, config)
    manifest = scan.examined(root, found, config.max_megapixels, progress, decode_test, engine)
    if damaged := tfds_cache.delete_damaged(root, zip(manifest["path"], manifest["digest"], strict=True)):
        progress.say(f"Images of the data set were damaged in the cache ({damaged}): it is read again.")
        return read(config, progress, decode_test, engine)
    table = groups.grouped(manifest, config.group_by, columns, progress)
    return Dataset(root, table, ready_made, table)
