"""Small TFDS data sets on disk, as tensorflow-datasets itself writes them; their code is not registered by name."""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from tests.conftest import made_up_image
from tests.data.decoding.encoders import saved

CLASSES = ("cat", "dog")
Splits = Mapping[str, Sequence[Mapping[str, Any]]]


def images(count: int, start: int = 0, format: str = "PNG", label: int | None = None) -> list[dict[str, Any]]:
    """Return examples of two classes, each a different encoded image; `label` for all of them, or 0 and 1 in turn."""
    numbers = range(start, start + count)
    return [{"image": saved(made_up_image(i, (20, 20), i % 2), format), "label": i % 2 if label is None else label} for i in numbers]


def features(**others: Any) -> dict[str, Any]:
    return {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(names=CLASSES), **others}


def prepare(
    data_dir: Path,
    splits: Splits,
    kinds: Mapping[str, Any] | None = None,
    *,
    name: str = "pets",
    supervised: tuple[Any, ...] | None = ("image", "label"),
    config: str = "",
    version: str = "1.0.0",
    file_format: str = "tfrecord",
    shards: int = 1,
) -> tfds.core.DatasetBuilder:
    """Write a data set to `data_dir/name[/config]/version` and return the builder that has written it."""
    described = features() if kinds is None else dict(kinds)

    def info(self: Any) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(described), supervised_keys=supervised)

    def generate(self: Any, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, example in enumerate(splits[split]):
            yield number, {key: _as_file(value) for key, value in example.items()}

    members = {
        "name": name,
        "VERSION": tfds.core.Version(version),
        "BUILDER_CONFIGS": [tfds.core.BuilderConfig(name=config)] if config else [],
        "_info": info,
        "_split_generators": lambda self, manager: {split: self._generate_examples(split) for split in splits},
        "_generate_examples": generate,
        "__module__": __name__,
    }
    with tfds.core.registered.skip_registration():
        kind = type(name.title(), (tfds.core.GeneratorBasedBuilder,), members)
    builder = kind(data_dir=str(data_dir), file_format=file_format)
    settings = tfds.download.DownloadConfig(try_download_gcs=False, num_shards=shards)
    builder.download_and_prepare(download_config=settings)
    return builder


def _as_file(value: Any) -> Any:
    return io.BytesIO(value) if isinstance(value, bytes) else value


def shards(data_dir: Path, split: str = "train") -> list[Path]:
    """Return the files that hold a split."""
    return sorted(path for path in data_dir.rglob(f"*-{split}.*") if path.is_file())
