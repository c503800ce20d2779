"""How well a run would find a class that it does not know and that looks like its own: each class in turn is taken for a new one."""

from typing import Any

import numpy as np

from transfer.evaluation import ood
from transfer.evaluation.ood import Reference

MOST_IMAGES, _MOST_CLASSES = 2000, 100
"""Figures of more would hardly differ."""


def new_classes(reference: Reference, embeddings: np.ndarray, labels: np.ndarray, false_alarms: float, seed: int) -> dict[str, Any]:
    """Measure detection on near data, where it is hardest: images of the run's own kind, of a class that is left out.

    For each class (of more than 100: for that many, drawn at random), the reference loses its images of the class, the threshold is
    set again on the validation images of the other classes, and the validation images of the class count as images of other data.

    Args:
        reference: the images that a run compares with.
        embeddings: of the validation images, rows of length 1 [n, d]; of more than 2,000, equally many of each class are used.
        labels: their class names [n].
        false_alarms: the share of images of the other classes above the threshold, 0 to 1.
        seed: of both choices.

    Returns:
        `images` judged and their `classes`, `auroc` (weighted by images), `flagged` (the share of them above the threshold), and
        `per_class`, the result of `ood.against` for each; empty where no class can be left out.
    """
    numbers = np.unique(labels, return_inverse=True)[1]
    chosen = ood.sample(numbers, MOST_IMAGES, seed)
    rows, names, known = embeddings[chosen], labels[chosen], np.asarray(reference.labels)
    whole = ood.distances(reference.embeddings, rows, reference.neighbours)
    near = known[ood.neighbours_of(reference.embeddings, rows, reference.neighbours)]
    candidates = np.random.default_rng(seed).permutation(np.unique(names))[:_MOST_CLASSES]
    per_class = {}
    for name in sorted(candidates.tolist()):
        left, is_new = reference.embeddings[known != name], names == name
        if not len(left) or is_new.all():
            continue
        distance = whole.copy()
        changed = is_new | (near == name).any(1)  # the others are as far from their nearest images as before
        distance[changed] = ood.distances(left, rows[changed], reference.neighbours)
        relative = distance / ood.limit(distance[~is_new], false_alarms)
        per_class[name] = ood.against(relative[~is_new], relative[is_new])
    if not per_class:
        return {}
    images = [facts["images"] for facts in per_class.values()]
    means = {name: float(np.average([facts[name] for facts in per_class.values()], weights=images)) for name in ("auroc", "flagged")}
    return {"images": sum(images), "classes": len(per_class), **means, "per_class": per_class}
