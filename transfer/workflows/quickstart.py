"""`transfer quickstart`: transfer learning against training from scratch, in three minutes, on data that is at hand."""

from pathlib import Path

from transfer.data import digits
from transfer.reports.run import text
from transfer.system.files import cache_home
from transfer.system.progress import Progress
from transfer.workflows.fit import fit

TRAIN, VALIDATION, TEST = 10, 5, 100
"""Images a class."""

_IMAGE_SIZE = 64


def quickstart(output: Path, progress: Progress) -> str:
    """Write the digits as an image folder, fit VGG16 (truncated where cross-validation says) and LeNet-5 on it.

    Both have the same training, validation and test images. The runs are `output/quickstart-vgg16` and
    `output/quickstart-lenet`; those of an earlier quickstart are replaced.

    Returns:
        The text to print.
    """
    folder = cache_home() / "quickstart" / f"digits-{TRAIN}-{VALIDATION}-{TEST}"
    digits.write_folder(folder, TRAIN, VALIDATION, TEST)
    progress.say(f"Digits of scikit-learn: {TRAIN} training, {VALIDATION} validation, {TEST} test images a class, in {folder}")
    vgg16 = fit(
        folder, {"backbone": "vgg16", "truncate_at": "auto", "image_size": _IMAGE_SIZE},
        name="quickstart-vgg16", output=output, overwrite=True, progress=progress,
    )  # fmt: skip
    lenet = fit(folder, {"backbone": "lenet"}, name="quickstart-lenet", output=output, overwrite=True, progress=progress)
    table = vgg16.cut_points
    assert table is not None
    return "\n".join(
        [
            text.cut_points(table),
            "",
            text.side_by_side([vgg16, lenet]),
            "",
            f"SavedModels  {vgg16.export}, {lenet.export}",
            f"Report       {vgg16.report}",
            f"Try next     transfer predict {vgg16.path} {folder / 'test' / '7'}",
            "             transfer fit YOUR_FOLDER",
        ]
    )
