"""All checks of a data set, in order: facts of the files first, then what images and features say."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from transfer.config import CheckConfig
from transfer.data import dataset as manifests
from transfer.quality import files, label_issues, leaks, near_duplicates, outliers, similarity
from transfer.quality.findings import COLUMNS, Findings
from transfer.quality.near_duplicates import Pairs
from transfer.quality.seen import Seen

NO_FEATURES = "Wrong labels and outliers were not looked for: that takes the features of a pretrained backbone (--backbone vgg16)."
NO_IMAGES = (
    "Near copies, wrong labels, outliers, blank images and border colours were not looked for: that takes the images' "
    "features, which --files-only leaves out."
)
ALIKE = (
    "Pairs of images that are as alike as near copies, but hardly more alike than each of the two is like others, were taken "
    "for different images: {:,}, beside {:,} reported near copies. check.near_copy_ratio=1 reports them too."
)


@dataclass(frozen=True)
class Likeness:
    """Which distinct images are nearly the same.

    Attributes:
        pairs: rows of `Seen`.
        groups: number of each row's set of near copies, int64 [n].
        alike: number of pairs that are as alike, but no more than each is like many others.
    """

    pairs: Pairs
    groups: np.ndarray
    alike: int = 0

    @classmethod
    def of(cls, seen: Seen, config: CheckConfig) -> "Likeness":
        """Compare all images."""
        found = similarity.find(seen.features, seen.thumbnails, config.near_copy, config.neighbours, config.near_copy_ratio)
        return cls(found.pairs, near_duplicates.groups(len(seen.rows), found.pairs), found.alike)

    def names(self, seen: Seen) -> dict[int, str]:
        """Return manifest row -> name of its group, for images that have near copies: the digest of the first by digest."""
        digests = seen.rows["digest"].to_numpy()
        members = pd.Series(digests).groupby(self.groups)
        name, size = members.transform("min").to_numpy(), members.transform("size").to_numpy()
        return {int(row): f"near {name[number][:16]}" for number, row in enumerate(seen.rows.index) if size[number] > 1}


def collect(manifest: pd.DataFrame, seen: Seen | None, likeness: Likeness | None, config: CheckConfig, seed: int) -> Findings:
    """Look at everything.

    Args:
        manifest: all files, divided where that was possible.
        seen: what is stored of the used images; none: only the files are judged.
        likeness: near copies among them.
        config: limits of the checks.
        seed: of the cross-validations.
    """
    usable = manifests.used(manifest)
    thumbnails = dict(zip(seen.rows["digest"], seen.thumbnails, strict=True)) if seen else {}
    kinds, odd = files.peculiar(manifest, thumbnails, config.tiny)
    notes = [] if seen and seen.features else [NO_FEATURES if seen else NO_IMAGES]
    if likeness and likeness.alike:
        notes.append(ALIKE.format(likeness.alike, len(likeness.pairs)))
    tables = {
        "classes": files.classes(manifest),
        "formats": files.formats(usable),
        "sizes": files.sizes(usable),
        "kinds": kinds,
        "files": odd,
        "duplicates": files.duplicates(manifest),
        "leaks": _leaks(usable.drop_duplicates("digest"), seen, config, seed),
    }
    if seen and likeness:
        rows = manifest.loc[seen.rows.index]  # divided meanwhile
        tables["near_duplicates"] = _near_duplicates(rows, likeness)
        if seen.features:
            tables |= _by_features(rows, usable, seen, likeness, config, seed)
    return Findings(notes, unchecked=[name for name in ("near_duplicates", "label_issues", "outliers") if name not in tables], **tables)


def _near_duplicates(rows: pd.DataFrame, likeness: Likeness) -> pd.DataFrame:
    pairs, facts = likeness.pairs, rows[["path", "label", "split"]].to_numpy()
    sets = {group: number for number, group in enumerate(dict.fromkeys(likeness.groups[pairs.first]))}
    table = [
        [sets[likeness.groups[first]], *facts[first], *facts[second], float(similarity), _apart(facts[first][2], facts[second][2])]
        for first, second, similarity in zip(pairs.first, pairs.second, pairs.similarity, strict=True)
    ]
    return pd.DataFrame(table, columns=COLUMNS["near_duplicates"], dtype=object)


def _apart(one: str, other: str) -> bool:
    return bool(one and other and one != other)


def _by_features(
    rows: pd.DataFrame, usable: pd.DataFrame, seen: Seen, likeness: Likeness, config: CheckConfig, seed: int
) -> dict[str, pd.DataFrame]:
    """Wrong labels and outliers, among the contents that stand in one class only: others are contradictions anyway."""
    one_label = usable.groupby("digest", sort=False)["label"].nunique() == 1
    judged = np.flatnonzero(rows["digest"].map(one_label).to_numpy(bool) & (rows["reason"] == "").to_numpy())
    rows, groups = rows.iloc[judged], likeness.groups[judged]
    names = sorted(set(rows["label"]))
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([numbers[label] for label in rows["label"]], np.int64)
    facts = rows[["path", "label", "split"]].to_numpy()
    features = label_issues.joined(seen.features, judged)
    issues = label_issues.find(features, labels, groups, config.folds, config.inverse_penalty, seed, config.max_rows)
    far = outliers.find(features, labels, config.outlier_ratio)
    wrong = [
        [*facts[row.row], names[row.suggested], float(row.given_probability), float(row.suggested_probability)]
        for row in issues.itertuples()
    ]
    apart = [[*facts[row.row], float(row.ratio)] for row in far.itertuples()]
    return {
        "label_issues": pd.DataFrame(wrong, columns=COLUMNS["label_issues"], dtype=object),
        "outliers": pd.DataFrame(apart, columns=COLUMNS["outliers"], dtype=object),
    }


def _leaks(rows: pd.DataFrame, seen: Seen | None, config: CheckConfig, seed: int) -> pd.DataFrame:
    names = sorted(set(rows["label"]))
    if len(names) < 2:
        return pd.DataFrame(columns=COLUMNS["leaks"], dtype=object)
    width, height = rows["width"].to_numpy(np.float64), rows["height"].to_numpy(np.float64)
    properties = {
        "file size": rows["size"].to_numpy(np.float64),
        "format": rows["format"].to_numpy(str),
        "width": width,
        "height": height,
        "aspect ratio": width / np.maximum(height, 1),
    }
    if seen:
        thumbnails = dict(zip(seen.rows["digest"], leaks.border_color(seen.thumbnails), strict=True))
        properties["border colour"] = np.stack([thumbnails[digest] for digest in rows["digest"]])
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([numbers[label] for label in rows["label"]], np.int64)
    return leaks.find(properties, labels, names, config.folds, config.leak_margin, config.leak_level, seed, config.leak_saved)
