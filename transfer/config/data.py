"""The section `data:` of the configuration: which images are used, and how they are read and split."""

from typing import Literal

from pydantic import Field

from transfer.config.folders import Globs, SplitFolders, ValueRange
from transfer.config.sections import Section


class DataConfig(Section):
    """Which images are used, and how they are split."""

    source: str | None = Field(
        None,
        description="folder of images, table (.csv, .tsv, .parquet), both also in object storage (s3://BUCKET/FOLDER, gs://, az://, "
        "hdfs://), or tfds:NAME; DATA on the command line overrides it",
    )
    root: str | None = Field(None, description="folder that the paths in a table are relative to; empty: the table's own folder")
    missing_files: Literal["error", "skip"] = Field(
        "error", description="rows of a table whose files are missing: stop with an error, or skip them"
    )
    exclude: Globs = Field(
        (),
        description="globs of files and folders to leave out, with everything in them: docs or *_mask.png wherever they lie; with a /, "
        "cats/blurred*, from the data folder",
    )
    split_folders: SplitFolders = Field(
        "auto",
        description="folders of ready-made splits. auto: recognised by their names (train, val, test and the like); off: every folder is a "
        "class; or {train: FOLDER, validation: FOLDER, test: FOLDER}, at least train, each one folder or several",
    )
    tfds_data_dir: str | None = Field(None, description="folder of TFDS data sets; empty: the default of tensorflow-datasets")
    group_by: str | None = Field(
        None,
        description="keep all images of a group in the same split. Groups are: near-duplicates; or a column of the table; or a regular "
        "expression searched in the path, whose (captures) name the group; empty: the column `group` of a table, if it has one",
    )
    validation: float = Field(0.15, gt=0, lt=0.5, description="fraction of the images used for validation")
    test: float = Field(0.15, gt=0, lt=0.5, description="fraction of the images used for testing")
    resize: Literal["stretch", "pad", "crop"] = Field(
        "stretch", description="how an image is made square: stretched, padded with white, or cropped to its centre"
    )
    max_megapixels: float = Field(100.0, gt=0, le=400, description="larger images are skipped, before memory is allocated for their pixels")
    value_range: ValueRange = Field(
        "auto",
        description="of images of more than 8 bits per sample: the values that become black and white, [low, high]; dtype: all of their "
        "type (0 to 1 for floating-point numbers); auto: those that the training images use, if that is a small part of their type",
    )
    min_per_class: int | None = Field(
        None, ge=3, description="leave out classes with fewer images; empty: a class with fewer than three is an error"
    )
    connections: int = Field(32, ge=1, le=1000, description="requests at once to object storage (s3:// and the like)")
    cache_gb: float = Field(
        10.0, ge=0, description="size of the cache of objects' bytes on the local disk, in GB: what is read twice is fetched once; 0: none"
    )
