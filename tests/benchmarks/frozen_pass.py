#!/usr/bin/env python3
"""The frozen pass on batches that are in memory, with reading, decoding and storing around it, and as others compute it.

    python tests/benchmarks/frozen_pass.py --data FOLDER [--backbone vgg16] [--size 224] [--compute auto] [--precision auto] [--peers]

All run in turn on the same images, several times; a ratio is the median of the pairs. `around` is extraction (read, decode, network,
store) over the frozen pass alone: 1 would mean that what is around the network costs nothing. With `--peers`, `ratio` is the frozen pass
over the fastest of Keras in a TensorFlow function, OpenVINO (as its documentation advises, for latency and for throughput) and ONNX
Runtime on the same batches. Images/s of each are told. Weights may be random.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.common import describe_machine, used_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--backbone", default="vgg16")
    parser.add_argument("--size", type=int)
    parser.add_argument("--compute", default="auto")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--images", type=int, default=320, help="images in one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--peers", action="store_true", help="compare with other ways to run the backbone")
    args = parser.parse_args()

    from transfer.config import Config
    from transfer.data.pipeline import ImageSpec, batches, files_of
    from transfer.features import compute, store
    from transfer.features.extraction import compute_missing
    from transfer.features.extractor import BackboneExtractor
    from transfer.models.pretrained import FeatureSpec, Pretrained
    from transfer.models.registry import find
    from transfer.system.progress import Silent

    backbone = find(args.backbone)
    size = args.size or backbone.size
    image_spec = ImageSpec(size)
    rows = used_rows(args.data, args.images * args.rounds)

    def load(precision: str) -> Pretrained:
        return Pretrained.load(backbone, args.weights, size, precision, 0, Silent())

    def sample(count: int) -> Any:
        decoded = next(iter(batches(files_of(args.data, rows.iloc[:count]), image_spec, count)))
        return decoded[1].numpy()

    config = Config(backbone=backbone.name, compute=args.compute, precision=args.precision, features={"batch_size": args.batch})
    started = time.perf_counter()
    chosen = compute.choose(config, load, sample, Silent())
    choosing = time.perf_counter() - started
    pretrained = load(chosen["precision"]).with_engine(chosen["compute"])
    extractor = BackboneExtractor(pretrained, image_spec, (FeatureSpec("top", "avg"),), args.batch)
    runs: dict[str, Callable[[list], list]] = {"ours": lambda given: [extractor(images) for images in given]}
    if args.peers:
        from tests.benchmarks.frozen_pass_peers import peers

        runs |= peers(pretrained, args.batch)
    speeds: dict[str, list[float]] = {"extraction": [], **{name: [] for name in runs}}
    with tempfile.TemporaryDirectory() as folder:
        opened = store.Store(Path(folder))
        for number in range(args.rounds):
            part = rows.iloc[number * args.images : (number + 1) * args.images]
            in_memory = [images.numpy() for _, images in batches(files_of(args.data, part), image_spec, args.batch)]
            in_memory = [images for images in in_memory if len(images) == args.batch]
            extractor(in_memory[0])  # compiles
            for name, run in [*list(runs.items())[number % len(runs) :], *list(runs.items())[: number % len(runs)]]:
                run(in_memory[:1])
                started = time.perf_counter()
                run(in_memory)
                speeds[name].append(sum(map(len, in_memory)) / (time.perf_counter() - started))
            del in_memory
            started = time.perf_counter()
            failures = compute_missing(part, args.data, image_spec, extractor.outputs, extractor, args.batch, opened, Silent())
            speeds["extraction"].append((len(part) - len(failures)) / (time.perf_counter() - started))
            told = ", ".join(f"{name} {found[-1]:.1f}" for name, found in speeds.items())
            print(f"round {number + 1}: {told} images/s", file=sys.stderr)
        opened.close()

    def ratio(name: str, *others: str) -> float:
        best = [max(found) for found in zip(*(speeds[other] for other in others), strict=True)]
        return round(statistics.median(one / of for one, of in zip(speeds[name], best, strict=True)), 3)

    result = {
        "benchmark": "frozen_pass",
        **({"ratio": ratio("ours", *(set(runs) - {"ours"}))} if args.peers else {}),
        "around": ratio("extraction", "ours"),
        "images_per_s": {name: round(statistics.median(found), 2) for name, found in speeds.items()},
        "chosen": chosen,
        "choosing_s": round(choosing, 1),
        "backbone": args.backbone,
        "size": size,
        "machine": describe_machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
