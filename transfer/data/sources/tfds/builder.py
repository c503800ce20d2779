"""The name of a TFDS data set -> its builder, and the data on this machine. Every failure is one clear line."""

import contextlib
import difflib
import fnmatch
import io
import logging
import os
import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfer.data.sources.tfds.name import Name
from transfer.errors import DataError
from transfer.system.progress import Progress

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_LISTED = 8  # names that an error shows at most
_HOSTS = 3  # looked up before a download, at most


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep the progress bars, lines and warnings of tensorflow-datasets and what it calls off the terminal."""
    from tensorflow_datasets.core.utils import tqdm_utils

    bars, level = getattr(tqdm_utils, "_active", True), logging.root.manager.disable
    tqdm_utils.display_progress_bar(False)
    logging.disable(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(level)
        tqdm_utils.display_progress_bar(bars)


def builder_of(name: Name, data_dir: str | None) -> "DatasetBuilder":
    """Return the builder of a name; its data need not be there yet.

    A set on disk needs no code: it is read by its own description.

    Args:
        name: the parsed name of the set.
        data_dir: folder of data sets; None: the default of tensorflow-datasets.

    Raises:
        DataError: if the name, configuration or version does not exist, or the description cannot be read.
    """
    import tensorflow_datasets as tfds

    try:
        with quietly():
            return tfds.builder(str(name), data_dir=data_dir, try_gcs=False)
    except Exception as error:  # builders are other people's code, and raise all kinds of errors
        raise DataError(_why_not(name, data_dir, error)) from None


def _why_not(name: Name, data_dir: str | None, error: Exception) -> str:
    import tensorflow_datasets as tfds

    received = f"Received 'tfds:{name}', looked for in {', '.join(map(str, _places(data_dir)))}."
    plain = tfds.core.naming.camelcase_to_snakecase(name.name)
    try:
        code = tfds.builder_cls(plain)
    except Exception:
        code = None
    folders = [place / plain for place in _places(data_dir) if (place / plain).is_dir()]
    if code is None and not folders:
        known = {*tfds.list_builders(with_community_datasets=False), *(entry for place in _places(data_dir) for entry in _inside(place))}
        near = difflib.get_close_matches(plain, sorted(known), n=5, cutoff=0.6)
        return f"There is no TFDS data set of this name. {f'Did you mean: {_few(near)}? ' if near else ''}{received}"
    configs = {
        *(code.builder_configs if code else ()),
        *(entry for folder in folders for entry in _inside(folder) if _versions(folder / entry)),
    }
    if name.config and name.config not in configs:
        near = difflib.get_close_matches(name.config, sorted(configs), n=_LISTED, cutoff=0.3) or sorted(configs)
        there = f"There are {len(configs)}: {_few(near, len(configs))}." if configs else "It has none."
        return f"{plain} has no such configuration. {there} {received}"
    versions = {version for folder in folders for version in _versions(folder / name.config)} | _of_code(code, name.config)
    if name.version and not fnmatch.filter(versions, name.version):
        return f"{plain} has no such version. There are: {_few(sorted(versions))}. {received}"
    if code is None and not name.config and not versions and configs:
        return f"{plain} has several configurations: name one, tfds:{plain}/CONFIG. There are: {_few(sorted(configs))}. {received}"
    return f"{plain} cannot be opened by tensorflow-datasets: {first_line(error)} {received}"


def download(builder: "DatasetBuilder", name: Name, progress: Progress) -> None:
    """Download and prepare a set whose data is not on this machine.

    Raises:
        DataError: if that fails, with what was tried and what to do.
    """
    import tensorflow_datasets as tfds

    folder = Path(builder.data_dir)
    others = [version for version in _versions(folder.parent) if version != folder.name]
    unreachable = _unreachable_hosts(builder)
    if unreachable:
        reason = f"no address was found for {_few(unreachable)}"
    else:
        progress.say(f"{name} is not in {folder.parent}: tensorflow-datasets downloads and prepares it, which can take a while.")
        try:
            with quietly():
                builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
            return
        except Exception as error:  # as above
            reason = first_line(error)
    raise DataError(
        f"The TFDS data set is not on this machine, and downloading and preparing it failed: {reason.rstrip('.')}. Prepare it on a machine "
        f"with a network (tfds build {builder.name}), copy the folder {builder.name}/, and pass the folder that holds it as "
        f"--tfds-data-dir (data.tfds_data_dir). Received 'tfds:{name}', expected in {str(folder)!r}"
        f"{f'; other versions there: {_few(others)}' if others else ''}."
    )


def first_line(error: Exception) -> str:
    """Return the text of an error on one line of at most 300 characters, without TensorFlow's names of nodes."""
    text = re.sub(r"\{\{.*?\}\}|\[Op:\w+\]", "", str(error)) or type(error).__name__
    return " ".join(text.split())[:300].strip()


def _unreachable_hosts(builder: "DatasetBuilder") -> list[str]:
    """Return the hosts of the set's downloads if none of them has an address: tensorflow-datasets would try for minutes."""
    try:
        with quietly():
            addresses = list(builder.url_infos)
    except Exception:  # a set read from files, or code that does not list its addresses
        return []
    hosts = sorted({host for host in (urllib.parse.urlsplit(address).hostname for address in addresses) if host})[:_HOSTS]
    proxied = bool(urllib.request.getproxies())  # then the proxy looks them up
    return [] if proxied or any(_has_address(host) for host in hosts) else hosts


def _has_address(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, 443))
    except OSError:
        return False


def _places(data_dir: str | None) -> list[Path]:
    from tensorflow_datasets.core.utils import file_utils

    return [Path(os.fspath(place)) for place in file_utils.list_data_dirs(data_dir)]


def _inside(folder: Path) -> list[str]:
    try:
        return sorted(entry for entry in os.listdir(folder) if not entry.startswith(".") and (folder / entry).is_dir())
    except OSError:
        return []


def _versions(folder: Path) -> list[str]:
    return [entry for entry in _inside(folder) if _VERSION.fullmatch(entry)]


def _of_code(code: Any, config: str) -> set[str]:
    """Return the versions that a builder's code supports."""
    if code is None:
        return set()
    chosen = code.builder_configs.get(config)
    own = (getattr(chosen, "version", None), *(getattr(chosen, "supported_versions", None) or ()))
    return {str(version) for version in (code.VERSION, *(code.SUPPORTED_VERSIONS or ()), *own) if version}


def _few(names: list[str], total: int | None = None) -> str:
    more = (total or len(names)) - min(len(names), _LISTED)
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
