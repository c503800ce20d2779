"""Everything that is kept on disk and read again, looked through for damage: the cache (but for features), and finished folders."""

from collections.abc import Iterator
from pathlib import Path

from transfer.data.decoding import DECODER_VERSION
from transfer.data.sources.tfds import cache as tfds_cache
from transfer.runs import CONFIG, EXPORT, EXPORT_CHECKSUMS, METRICS
from transfer.system import sealed
from transfer.system.home import cache_home
from transfer.workflows.comparison import folder as comparisons

_SEALED = {
    "scans/*.npz": "the files of its data folder are read again",
    "checkpoints/*.npz": "training starts from the first epoch",
    "compute/*.json": "it is measured again",
    "engines/*.npz": "the engines of the export are measured again",
    "weights/*.json": "it is written again when the weights are loaded",
    f"transcoded/v{DECODER_VERSION}/*/*.png": "it is converted again",
}
"""Files of the cache that hold their own checksum, and what happens without them."""

_LOST = "not as it was written: restore it from a copy, or make it again"


def verify_cache() -> Iterator[tuple[Path, str]]:
    """Yield the damaged files of the cache, apart from the feature store, and what is done about each.

    Files of earlier versions, which had no checksums, are among them.
    """
    home = cache_home()
    for pattern, remedy in _SEALED.items():
        for path in sorted(home.glob(pattern)):
            whole = sealed.read_json(path) is not None if path.suffix == ".json" else sealed.is_whole(path)
            if not whole:
                yield path, f"damaged, or of an earlier version: {remedy}"
    for index in sorted(home.glob("tfds/*/index.json")):
        for path in tfds_cache.damaged(index.parent):
            yield path, f"damaged, or of an earlier version: delete {str(index.parent)!r}, and the data set is read again"
    yield from _weights(home)


def _weights(home: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted((home / "weights").glob("*-imagenet.npz")):
        from transfer.models import weights  # starts TensorFlow
        from transfer.models.registry import BACKBONES

        backbone = BACKBONES.get(path.name.removesuffix("-imagenet.npz"))
        if backbone is not None and weights.cached_weights(path, backbone) is None:
            yield path, "not the published weights: they are downloaded again"


def verify_folder(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the damaged files of a run, a comparison, or an unfinished `predict --output`, and what is to be done about each."""
    if (folder / CONFIG).is_file() and (folder / METRICS).is_file():
        for name in sealed.damaged(folder):
            yield folder / name, _LOST
        for version in sorted(path for path in (folder / EXPORT).glob("*") if path.is_dir()):
            for name in sealed.damaged(version, place=EXPORT_CHECKSUMS):
                yield version / name, _LOST
    elif (folder / comparisons.RECORDS).is_dir():
        stored = [*sorted((folder / comparisons.RECORDS).glob("*.json")), *folder.glob(comparisons.RATES)]
        for path in stored:
            if sealed.read_json(path) is None:
                yield path, "damaged, or of an earlier version: the trial is repeated when the comparison is continued"
        if (folder / comparisons.FACTS).exists():
            for path in comparisons.damaged(folder):
                yield path, "not as it was written: run the same comparison again, which writes it anew"
    else:
        for path in sorted(folder.glob("*.npz")):
            if not sealed.is_whole(path):
                yield path, "damaged: the same command computes it again"
