"""What must be known to read a comparison's paragraph: what is missing, and what its intervals cover."""

import pandas as pd

from transfer.evaluation.curve_crossings import LEVEL
from transfer.reports.comparison import words


def lacking(runs: pd.DataFrame, summary: pd.DataFrame) -> list[str]:
    """Return sizes that a method was not run at, and seeds that it lacks."""
    sizes, told = sizes_of(summary), []
    for method, rows in summary.groupby("method", sort=False):
        missing = sizes[~sizes["size"].isin(rows["size"])]
        if len(missing):
            names = [words.size(row["size"], row["images_per_class"]) for _, row in missing.iterrows()]
            told.append(f"{method} was not run with {words.listed(names, 'or')}.")
    most = runs["seed"].nunique()
    fewer = summary[summary["seeds"] < most]
    if len(fewer):
        first = fewer.iloc[0]
        more = f", and {len(fewer) - 1} more have too few" if len(fewer) > 1 else ""
        where = words.size(first["size"], first["images_per_class"])
        told.append(f"Runs are missing: {first['method']} with {where} has {first['seeds']} of {most} seeds{more}.")
    return told


def seeds(runs: pd.DataFrame) -> list[str]:
    """Return what one seed, or two, leave open."""
    number = runs["seed"].nunique()
    if number == 1:
        return ["Only one seed was run: the intervals cover the choice of test images, not the luck of one training."]
    return ["Two seeds say little about the luck of a training, so the intervals are wide: run more."] if number == 2 else []


def meaning(runs: pd.DataFrame, paired: pd.DataFrame) -> list[str]:
    """Return what a difference, its interval and `better` mean here."""
    if runs["method"].nunique() == 1:
        return ["With one method there is nothing to compare."]
    if paired.empty:
        return ["No two methods have runs of the same size and seed to compare."]
    over = "seeds and test images" if (paired["seeds"] > 1).all() else "test images"
    over += ", and seeds where there are several" if paired["seeds"].max() > 1 and paired["seeds"].min() == 1 else ""
    holm = f", adjusted for {len(paired)} comparisons by Holm's method," if len(paired) > 1 else ""
    told = [
        f"Differences are in percentage points, with 95 % intervals over {over}; better means that the difference is real: "
        f"p{holm} is below {LEVEL}."
    ]
    lost = int(((paired["p"] < LEVEL) & (paired["p_adjusted"] >= LEVEL)).sum())
    if lost:
        would = "would be real by itself, but not" if lost == 1 else "would be real by themselves, but not"
        fewer = ", or a reference (fewer comparisons)," if paired["method_b"].nunique() > 1 else ""
        told.append(f"{lost} of them {would} among so many: more seeds{fewer} would tell more.")
    return told


def sizes_of(table: pd.DataFrame) -> pd.DataFrame:
    """Return the sizes of a table, from few images to many."""
    return table.drop_duplicates("size").sort_values("images_per_class", kind="stable")[["size", "images_per_class"]]
