#!/usr/bin/env python3
"""Feature extraction (read, decode, network, store) against the backbone alone on batches that are already in memory.

    python tests/benchmarks/frozen_pass.py --data FOLDER [--backbone vgg16] [--size 224] [--precision float32] [--images 320]

Both run in turn on the same images, several times; `ratio` is the median of the pairs: 1 would mean that reading,
decoding and storing cost nothing.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.common import describe_machine, used_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--backbone", default="vgg16")
    parser.add_argument("--size", type=int)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--images", type=int, default=320, help="images in one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()

    from transfer.data.pipeline import ImageSpec, batches, files_of
    from transfer.features import store
    from transfer.features.extraction import compute_missing
    from transfer.features.extractor import BackboneExtractor
    from transfer.models.pretrained import FeatureSpec, Pretrained
    from transfer.models.registry import find
    from transfer.system.progress import Silent

    backbone = find(args.backbone)
    size = args.size or backbone.size
    image_spec = ImageSpec(size)
    pretrained = Pretrained.load(backbone, args.weights, size, args.precision, 0, Silent())
    extractor = BackboneExtractor(pretrained, image_spec, (FeatureSpec("top", "avg"),), args.batch)
    rows = used_rows(args.data, args.images * args.rounds)
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        opened = store.Store(Path(folder))
        for number in range(args.rounds):
            part = rows.iloc[number * args.images : (number + 1) * args.images]
            in_memory = [images for _, images in batches(files_of(args.data, part), image_spec, args.batch)]
            extractor(in_memory[0])
            started = time.perf_counter()
            for images in in_memory:
                extractor(images)
            alone = len(part) / (time.perf_counter() - started)
            del in_memory
            started = time.perf_counter()
            failures = compute_missing(part, args.data, image_spec, extractor.outputs, extractor, args.batch, opened, Silent())
            whole = (len(part) - len(failures)) / (time.perf_counter() - started)
            pairs.append((whole, alone))
            print(f"round {number + 1}: extraction {whole:.1f}, backbone alone {alone:.1f} images/s", file=sys.stderr)
        opened.close()
    result = {
        "benchmark": "frozen_pass",
        "ratio": round(statistics.median(whole / alone for whole, alone in pairs), 3),
        "pass_images_per_s": round(statistics.median(whole for whole, _ in pairs), 2),
        "alone_images_per_s": round(statistics.median(alone for _, alone in pairs), 2),
        "backbone": args.backbone,
        "size": size,
        "precision": args.precision,
        "machine": describe_machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
