"""`transfer quickstart`: transfer learning and training from scratch compared in three minutes, without a download of images."""

from dataclasses import dataclass
from pathlib import Path

from transfer.data import digits
from transfer.runs import Run
from transfer.system.home import cache_home
from transfer.system.progress import Progress
from transfer.workflows.fit import fit

TRAIN, VALIDATION, TEST = 10, 5, 100
"""Images per class."""

_IMAGE_SIZE = 64


@dataclass(frozen=True)
class Quickstart:
    """Two runs on the same images.

    Attributes:
        vgg16, lenet: the runs.
        data: folder of the images: `train`, `val`, `test`.
    """

    vgg16: Run
    lenet: Run
    data: Path


def quickstart(output: Path, progress: Progress) -> Quickstart:
    """Write the digits as an image folder and fit VGG16 (truncation chosen by cross-validation) and LeNet-5 to it.

    Both use the same training, validation and test images. The runs are `output/quickstart-vgg16` and
    `output/quickstart-lenet`; those of an earlier quickstart are replaced.
    """
    folder = cache_home() / "quickstart" / f"digits-{TRAIN}-{VALIDATION}-{TEST}"
    digits.write_folder(folder, TRAIN, VALIDATION, TEST)
    progress.say(f"Digits of scikit-learn: {TRAIN} training, {VALIDATION} validation, {TEST} test images per class, in {folder}")
    vgg16 = fit(
        folder, {"backbone": "vgg16", "truncate_at": "auto", "image_size": _IMAGE_SIZE},
        name="quickstart-vgg16", output=output, overwrite=True, progress=progress,
    )  # fmt: skip
    lenet = fit(folder, {"backbone": "lenet"}, name="quickstart-lenet", output=output, overwrite=True, progress=progress)
    return Quickstart(vgg16, lenet, folder)
