#!/usr/bin/env python3
"""Out of distribution: which score finds images of other data, near and far, on several pairs of sets.

    python tests/benchmarks/ood.py --data CLIPART [--fashion FOLDER] [--size 224] [--small 64] [--seeds 3] [--features FOLDER]

The sets are drawings (`--data`, at `--size` pixels), the digits of scikit-learn and, if given, Fashion-MNIST, both at `--small`
pixels; the features are those of VGG16, pretrained, in float32. `near`: classes of the set that the reference does not hold;
`style`: the drawings of one author against those of all others; `far`: the other sets, parts of photographs, noise. Seven tenths of
the images of a pair's own set are the reference (at most 700); up to 250 of the others are judged beside 250 of the other data.
For each rule: mean area under the ROC curve (auroc), and mean share of the other data that is `found` where 5 % of the set's own
images are called out of distribution. `ratio` is the AUROC of the package's rule over that of the rule before it, over all pairs
that are not far. `--features` keeps the features, so that another call needs only a minute.
"""

import argparse
import json
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.common import describe_machine
from tests.benchmarks.ood_scores import BEFORE, PACKAGE, RULES, Features, Pair, blocks

FALSE_ALARMS, REFERENCE, JUDGED, SHARE = 0.05, 700, 250, 0.7
AUTHOR = re.compile("archit|rolland")  # drew a tenth of the clip art; the names of its files hold the authors


def features_of(folder: Path, size: int, file: Path) -> Features:
    """Return the features of the images of a folder: those in `file`, or, if it is missing, computed and written there."""
    if not file.exists():
        from tests.benchmarks.common import used_rows
        from transfer.data.pipeline import ImageSpec, batches, files_of
        from transfer.models.frozen_pass import FrozenPass
        from transfer.models.pretrained import FeatureSpec, Pretrained
        from transfer.models.registry import find
        from transfer.system.progress import Silent

        rows = used_rows(folder)
        extractor = FrozenPass(
            Pretrained.load(find("vgg16"), "imagenet", size, "float32", 0, Silent()),
            [FeatureSpec(*name.split(":")) for name in blocks()],
            16,
        )
        computed = [(positions.numpy(), *extractor(images)) for positions, images in batches(files_of(folder, rows), ImageSpec(size), 16)]
        positions, *arrays = (np.concatenate(parts) for parts in zip(*computed, strict=True))
        texts = {name: rows.iloc[positions][name].to_numpy(str) for name in ("path", "label")}
        np.savez(file, allow_pickle=False, **texts, **dict(zip(blocks(), arrays, strict=True)))
    with np.load(file) as stored:
        return {name: stored[name] for name in ("path", "label", *blocks())}


def write_others(folder: Path, sets: dict[str, Path]) -> Path:
    """Write a folder for each kind of other data, with images of the sets, parts of photographs and noise; return `folder`."""
    from transfer.evaluation import ood_images

    generator = np.random.default_rng(0)
    kinds = {"photographs": ood_images.images(JUDGED, [], 1)["parts of photographs"]}
    for name, source in sets.items():
        files = sorted(source.rglob("*.png"))
        kinds[name] = [files[number].read_bytes() for number in generator.permutation(len(files))[:JUDGED]]
    for kind, contents in kinds.items():
        (folder / kind).mkdir(parents=True)
        for number, content in enumerate(contents):
            (folder / kind / f"{number:04d}.png").write_bytes(content)
    (folder / "noise").mkdir()
    for number in range(100):  # of single pixels, and of squares of 16
        pixels = (
            generator.integers(0, 256, (96, 96, 3)) if number % 2 else np.kron(generator.integers(0, 256, (6, 6, 3)), np.ones((16, 16, 1)))
        )
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "noise" / f"{number:04d}.png")
    return folder


def some(features: Features, chosen: np.ndarray) -> Features:
    return {name: values[chosen] for name, values in features.items()}


def pair_of(name: str, kind: str, own: Features, is_own: np.ndarray, other: Features, seed: int) -> Pair:
    """Divide a set's own images at random into reference and judged ones."""
    generator = np.random.default_rng(seed)
    positions = generator.permutation(np.flatnonzero(is_own))
    count = int(len(positions) * SHARE)
    drawn = generator.permutation(len(other["label"]))[:JUDGED]
    return Pair(name, kind, some(own, positions[:count][:REFERENCE]), some(own, positions[count:][:JUDGED]), some(other, drawn))


def pairs(name: str, own: Features, others: Features, seed: int) -> Iterator[Pair]:
    """Yield the pairs of one set."""
    labels, paths = own["label"], own["path"]
    classes = np.random.default_rng(7).permutation(sorted(set(labels)))
    alone = [[label] for label in classes] if name == "drawings" else []
    together = (
        [classes[start : start + 3] for start in (0, 2, 4)]
        if name == "drawings"
        else [classes[start : start + 2] for start in range(0, 10, 2)]
    )
    for without in (*alone, *together):
        is_new = np.isin(labels, without)
        yield pair_of(f"{name} without {', '.join(without)}", "near", own, ~is_new, some(own, is_new), seed)
    if name == "drawings":
        by_author = np.array([bool(AUTHOR.search(Path(path).name)) for path in paths])
        for of_these in (classes, ["animals", "people"]):
            chosen = np.isin(labels, of_these)
            yield pair_of(f"one author of {len(of_these)} classes", "style", own, chosen & ~by_author, some(own, chosen & by_author), seed)
    for kind in sorted(set(others["label"]) - {name}):
        yield pair_of(f"{name} against {kind}", "far", own, np.ones(len(labels), bool), some(others, others["label"] == kind), seed)


def judged(score: np.ndarray, own: int) -> tuple[float, float]:
    """Return AUROC, and the share of other data found; the first `own` scores are those of the set's own images."""
    from sklearn.metrics import roc_auc_score

    limit = np.quantile(score[:own], 1 - FALSE_ALARMS, method="higher")
    return float(roc_auc_score(np.arange(len(score)) >= own, score)), float((score[own:] > limit).mean())


def tables(found: list[tuple[Pair, dict[str, tuple[float, float]]]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the figures of each rule, averaged by set and kind and then over these, and those of each pair for two rules."""
    rules: dict[str, Any] = {}
    for rule in RULES:
        by_group: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        for pair, figures in found:
            by_group[pair.kind, pair.name.split()[0]].append(figures[rule])
        by_kind: dict[str, list[np.ndarray]] = defaultdict(list)
        for (kind, _), figures in by_group.items():
            by_kind[kind].append(np.mean(figures, 0))
        rules[rule] = {kind: np.mean(figures, 0).round(3).tolist() for kind, figures in by_kind.items()}
    each = {
        pair.name: {
            rule: np.mean([figures[rule] for other, figures in found if other.name == pair.name], 0).round(3).tolist()
            for rule in (next(iter(RULES)), BEFORE, PACKAGE)
        }
        for pair, _ in found
    }
    return rules, each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the clip art")
    parser.add_argument("--fashion", type=Path, help="folder of Fashion-MNIST")
    parser.add_argument("--size", type=int, default=224, help="side of the drawings")
    parser.add_argument("--small", type=int, default=64, help="side of the other sets")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--features", type=Path, help="folder that keeps the features")
    args = parser.parse_args()

    from transfer.data import digits

    found = []
    with tempfile.TemporaryDirectory() as temporary:
        kept = args.features or Path(temporary)
        sets = {"drawings": args.data, "digits": digits.write_folder(Path(temporary) / "digits", 174, 0, 0)}
        sets |= {"fashion": args.fashion} if args.fashion else {}
        folder = write_others(Path(temporary) / "others", sets)
        for name, source in sets.items():
            size = args.size if name == "drawings" else args.small
            own, others = features_of(source, size, kept / f"{name}{size}.npz"), features_of(folder, size, kept / f"others{size}.npz")
            for pair in (pair for seed in range(args.seeds) for pair in pairs(name, own, others, seed)):
                found.append((pair, {rule: judged(score(pair), len(pair.own["label"])) for rule, score in RULES.items()}))
                print(pair.kind, pair.name, found[-1][1][BEFORE], found[-1][1][PACKAGE], file=sys.stderr)
    rules, each = tables(found)
    near = [np.mean([rules[rule][kind][0] for kind in rules[rule] if kind != "far"]) for rule in (PACKAGE, BEFORE)]
    figures = {"benchmark": "ood", "ratio": round(float(near[0] / near[1]), 3), "auroc_and_found": rules, "pairs": each}
    print(json.dumps(figures | {"machine": describe_machine()}))


if __name__ == "__main__":
    main()
