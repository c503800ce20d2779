"""The name of a TFDS data set: `tfds:NAME[/CONFIG][:VERSION]`. Checked without importing tensorflow-datasets."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transfer.errors import DataError

if TYPE_CHECKING:
    from tensorflow_datasets.core import DatasetBuilder

PREFIX = "tfds:"
"""What the name of a TFDS data set begins with."""
_FORM = re.compile(
    r"tfds:(?P<name>[A-Za-z]\w*)(/(?P<config>[\w+.\-]+))?(:(?P<version>(\d+|\*)(\.(\d+|\*)){2}))?",
    re.ASCII,
)
_FOLDERS = ("ImageFolder", "image_folder")


@dataclass(frozen=True)
class Name:
    """The parts of a name; an empty `config` or `version` is left to tensorflow-datasets."""

    name: str
    config: str = ""
    version: str = ""

    @property
    def is_image_folder(self) -> bool:
        """Whether this is `tfds.folder_dataset.ImageFolder`: files used where they are, below SPLIT/LABEL/."""
        return self.name in _FOLDERS

    def __str__(self) -> str:
        return self.name + (f"/{self.config}" if self.config else "") + (f":{self.version}" if self.version else "")


def parse(source: str) -> Name:
    """Return the parts of a name.

    Raises:
        DataError: if it has another form.
    """
    found = _FORM.fullmatch(source)
    if found is None:
        raise DataError(
            "A TFDS data set is named tfds:NAME[/CONFIG][:VERSION], such as tfds:mnist or tfds:cifar10_corrupted/fog_1:1.0.0. "
            f"Received {source!r}."
        )
    parts = found.groupdict(default="")
    name = Name(parts["name"], parts["config"], parts["version"])
    if name.is_image_folder and (name.config or name.version):
        raise DataError(f"tfds:ImageFolder has neither configurations nor versions. Received {source!r}.")
    return name


def require(source: str, data_dir: str | None) -> None:
    """Check the form of the name, and that the folder of data sets exists.

    Raises:
        DataError: if the name has another form, or the folder does not exist.
    """
    name = parse(source)
    if data_dir is None and name.is_image_folder:
        raise DataError(
            "tfds:ImageFolder needs its folder ROOT/SPLIT/LABEL/IMAGE: --tfds-data-dir ROOT (data.tfds_data_dir). Received none."
        )
    if data_dir is not None and not os.path.isdir(data_dir):
        raise DataError(
            "The folder of TFDS data sets (--tfds-data-dir, data.tfds_data_dir) does not exist. Expected the folder above "
            f"{name.name}/, or one to prepare it in. Received {data_dir!r}."
        )


def is_builder(data: object) -> bool:
    """Return whether this is a `tfds.core.DatasetBuilder`, without importing tensorflow-datasets: whoever made one has done so."""
    tfds = sys.modules.get("tensorflow_datasets")
    return tfds is not None and isinstance(data, tfds.core.DatasetBuilder)


def settings_of(builder: "DatasetBuilder") -> dict[str, str]:
    """Return the configuration keys that name the data set of a builder.

    Raises:
        DataError: if no name stands for the builder: it has several folders, or one that is not ROOT/NAME[/CONFIG]/VERSION.
    """
    folder = Path(builder.data_dir).expanduser().absolute()
    if type(builder).__name__ == "ImageFolder":
        return {"data.source": PREFIX + "ImageFolder", "data.tfds_data_dir": os.fspath(folder)}
    config = getattr(builder.builder_config, "name", "") or ""
    parts = [builder.name, *([config] if config else []), str(builder.version)]
    several = any(type(info).__name__ == "MultiSplitInfo" for info in builder.info.splits.values())
    received = f"several, {str(folder)!r} among them" if several else repr(str(folder))
    if several or list(folder.parts[-len(parts) :]) != parts:
        raise DataError(
            "A TFDS builder is named in the configuration by its folder ROOT/NAME[/CONFIG]/VERSION, so that the run can be made "
            f"again. Expected one folder .../{'/'.join(parts)}. Received {received}."
        )
    return {
        "data.source": f"{PREFIX}{Name(builder.name, config, parts[-1])}",
        "data.tfds_data_dir": os.fspath(folder.parents[len(parts) - 1]),
    }
