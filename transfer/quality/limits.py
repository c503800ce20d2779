"""Limits for continuous integration of a data set: which findings are more than a person allowed."""

from transfer.config import CheckConfig
from transfer.quality.findings import Findings


def exceeded(findings: Findings, config: CheckConfig) -> list[str]:
    """Return a sentence for each limit that is exceeded: what was found, and the limit with its key.

    Files that are left out on purpose (excluded in a table, hidden, in a class that was left out) count for no limit.
    """
    images = int(findings.classes["images"].sum())
    unusable = int(findings.kinds.loc[findings.kinds["treatment"] == "not used", "images"].sum())
    found = {
        "max_unusable": (unusable / max(images + unusable, 1), "share of files that are not used"),
        "max_contradictions": (findings.contradictions, "images that stand in several classes"),
        "max_across": (len(findings.across), "pairs of near copies in different splits"),
        "max_label_issues": (len(findings.label_issues) / max(images, 1), "share of labels that are likely wrong"),
        "max_leaks": (int(findings.leaks["leak"].astype(bool).sum()), "properties of files that tell the class"),
    }
    sentences = []
    for name, (value, what) in found.items():
        limit = getattr(config, name)
        if value > limit:
            sentences.append(f"{what}: {value:.3g}, the limit is {limit:g} (check.{name})")
    return sentences
