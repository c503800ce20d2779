#!/usr/bin/env python3
"""`transfer predict --output` against the network alone on batches that are decoded already, in the same run.

    python tests/benchmarks/batch_predict.py --run RUN --data FOLDER [--images 240] [--rounds 3] [--large]
        [--compute auto|tensorflow|openvino]

`ratio` is the median of the pairs: 1 would mean that reading, decoding and writing the table cost nothing. Both run in
turn, on the same images in the same batches. `predict_images_per_s` is measured from the first file to the last shard of
answers on disk, without the start of TensorFlow and the loading of the export; `decode_images_per_s` is the decoder alone
on all cores. With `--large`, the memory that further images of 100 megapixels take beside the others, in a process of its own. `--compute`
is the engine of both; `engines` is what was measured of both engines on this machine, unless that is `tensorflow`.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.common import describe_machine, used_rows

ROOT = Path(__file__).resolve().parents[2]


class Stopwatch:
    """Rate of the one step of a prediction."""

    def __init__(self) -> None:
        self.rate = 0.0

    def say(self, text: str) -> None:
        pass

    def step(self, title: str, total: int, unit: str = "images") -> "Stopwatch":
        self.total, self.started = total, time.perf_counter()
        return self

    def __enter__(self) -> object:
        return lambda count: None

    def __exit__(self, *error: object) -> None:
        self.rate = self.total / (time.perf_counter() - self.started)


def peak_mb(run: Path, files: list[str], folder: Path) -> int:
    """Return the peak memory of `transfer predict` on some files, in MB."""
    program = "import resource, sys; from transfer.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
    program += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    words = [sys.executable, "-c", program, "predict", str(run), *files, "--output", str(folder / "x.csv"), "--overwrite"]
    done = subprocess.run(words, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return round(int(done.stdout.splitlines()[-1]) * 1024 / 1e6)


def large_images(folder: Path, count: int) -> list[str]:
    """Write noisy 100-megapixel images: progressive JPEG, PNG and TIFF in turn."""
    from PIL import Image

    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)).resize((10000, 10000))
    kinds = [("jpg", {"quality": 85, "progressive": True}), ("png", {"compress_level": 1}), ("tiff", {})]
    for number in range(count):
        ending, options = kinds[number % 3]
        noise.save(folder / f"large{number}.{ending}", **options)
    return sorted(str(path) for path in folder.glob("large*"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--images", type=int, default=240, help="images in one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--compute", default="tensorflow")
    args = parser.parse_args()

    from transfer.system.startup import import_tensorflow_quietly

    import_tensorflow_quietly()
    from transfer.exporters.compute import choice
    from transfer.exporters.compute.facts import Preference
    from transfer.runs import Run
    from transfer.serving.batch import prediction
    from transfer.serving.batch.answering import Predictor
    from transfer.serving.batch.request import predict_request
    from transfer.system.resources import ahead, cores

    run = Run(args.run)
    classifier = choice.load(run.export, Preference.of(run, args.compute), lambda text: print(text, file=sys.stderr))
    prediction.choice.load = lambda *_: classifier  # loaded once, outside the clock
    predictor = Predictor.of(run, classifier, None)
    decoder, batch = predictor.decoder, predictor.batch_size
    files = [args.data / path for path in used_rows(args.data, args.images * args.rounds)["path"]]
    pairs, decodes = [], []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        for number in range(args.rounds):
            own = files[number * args.images : (number + 1) * args.images]
            groups = [list(map(str, own[start : start + decoder.together])) for start in range(0, len(own), decoder.together)]
            started = time.perf_counter()
            decoded = [image for group in ahead(decoder.decode, groups, cores(), len(groups)) for image in group]
            images = np.stack([image for image in decoded if not isinstance(image, str)])
            decodes.append(len(own) / (time.perf_counter() - started))
            batches = [images[start : start + batch] for start in range(0, len(images), batch)]
            classifier.answer_decoded(batches[0])
            started = time.perf_counter()
            for part in batches:
                classifier.answer_decoded(part)
            alone = len(images) / (time.perf_counter() - started)
            del decoded, images, batches
            watch = Stopwatch()
            prediction.carry_out(predict_request(run, own, Path(name) / f"{number}.csv", compute=args.compute), watch)
            pairs.append((watch.rate, alone))
            print(f"round {number + 1}: predict {watch.rate:.1f}, network alone {alone:.1f} images/s", file=sys.stderr)
        memory = {"peak_mb_here": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)}
        if args.large:
            small = [str(file) for file in files[: args.images]]
            memory["peak_mb"] = peak_mb(args.run, small, Path(name))
            memory["peak_mb_with_6_of_100_megapixels"] = peak_mb(args.run, [*small, *large_images(Path(name), 6)], Path(name) / "out")
    result = {
        "benchmark": "batch_predict",
        "ratio": round(statistics.median(whole / alone for whole, alone in pairs), 3),
        "predict_images_per_s": round(statistics.median(whole for whole, _ in pairs), 2),
        "alone_images_per_s": round(statistics.median(alone for _, alone in pairs), 2),
        "decode_images_per_s": round(statistics.median(decodes), 1),
        "run": run.config["backbone"],
        "size": classifier.served.size,
        "engine": classifier.engine,
        "engines": classifier.engines,
        "batch": batch,
        **memory,
        "load_before": round(os.getloadavg()[0], 1),
        "machine": describe_machine(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
