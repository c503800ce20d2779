"""Makes a data set dirty on purpose, with a fixed seed, and says what was planted where.

By hand: python -m tests.quality.dirty TARGET [--from FOLDER]
"""

import argparse
import hashlib
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, PngImagePlugin, UnidentifiedImageError

from tests.data.decoding import encoders as e
from transfer.data.splits import position

HOW = ("rescaled", "recompressed", "cropped", "brightness")
"""Kinds of near duplicates."""

_SUFFIXES = {".png", ".jpg", ".jpeg"}


@dataclass(frozen=True)
class Planted:
    """What is wrong with a folder. Paths are relative to it, with `/`.

    Attributes:
        root: the folder: `root/<class>/<image>`.
        wrong_labels: path -> the class that it came from.
        near_duplicates: (original, copy, how), the copy in the original's class.
        duplicates: (original, file of the same bytes in the same class).
        contradictions: (original, file of the same bytes in another class).
        odd: path -> what is peculiar about it.
    """

    root: Path
    wrong_labels: dict[str, str] = field(default_factory=dict)
    near_duplicates: list[tuple[str, str, str]] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    contradictions: list[tuple[str, str]] = field(default_factory=list)
    odd: dict[str, str] = field(default_factory=dict)


def make(
    target: Path,
    source: Path | None = None,
    *,
    wrong_labels: int = 40,
    near_duplicates: int = 100,
    duplicates: int = 10,
    contradictions: int = 6,
    across: float = 0.5,
    seed: int = 0,
    per_class: int | None = None,
) -> Planted:
    """Write a dirty data set.

    Args:
        target: folder to be made; must not exist.
        source: clean folder `source/<class>/<image>`, copied; none: the digits of scikit-learn, enlarged to 64 pixels.
        wrong_labels, near_duplicates, duplicates, contradictions: how many of each; no image gets two of them.
        across: share of the near duplicates, at least, that fall in another split than their original (split seed 0).
        seed: of everything.
        per_class: images of each class, at most; none: all.
    """
    target.mkdir(parents=True)
    _write_clean(target, source, per_class)
    planted, random = Planted(target), np.random.default_rng(seed)
    files = sorted(path for path in target.rglob("*") if path.suffix.lower() in _SUFFIXES)
    files = [path for path in files if _plain(path)]
    classes = sorted(path.name for path in target.iterdir() if path.is_dir())
    chosen = iter(files[number] for number in random.permutation(len(files)))

    def name(path: Path) -> str:
        return path.relative_to(target).as_posix()

    def elsewhere(path: Path) -> str:
        return str(random.choice([label for label in classes if label != path.parent.name]))

    for number, original in _first(chosen, near_duplicates):
        how = HOW[number % len(HOW)]
        copy = _near_duplicate(original, how, number < across * near_duplicates, random)
        planted.near_duplicates.append((name(original), name(copy), how))
    for _, original in _first(chosen, duplicates):
        copy = original.with_name(f"{original.stem}_again{original.suffix}")
        shutil.copyfile(original, copy)
        planted.duplicates.append((name(original), name(copy)))
    for _, original in _first(chosen, contradictions):
        copy = target / elsewhere(original) / f"{original.stem}_also{original.suffix}"
        shutil.copyfile(original, copy)
        planted.contradictions.append((name(original), name(copy)))
    for _, original in _first(chosen, wrong_labels):
        moved = target / elsewhere(original) / f"{original.stem}_moved{original.suffix}"
        original.rename(moved)
        planted.wrong_labels[name(moved)] = original.parent.name
    for (_, original), (what, (suffix, content)) in zip(_first(chosen, len(ODD)), ODD.items(), strict=True):
        odd = original.with_name(f"odd_{what.replace(' ', '_')}{suffix}")
        odd.write_bytes(content(_opened(original)))
        original.unlink()  # else it would be a near duplicate of it
        planted.odd[name(odd)] = what
    return planted


def _first(files: Iterator[Path], count: int) -> Iterator[tuple[int, Path]]:
    for number in range(count):
        yield number, next(files)


def _write_clean(target: Path, source: Path | None, per_class: int | None) -> None:
    if source is not None:
        for folder in sorted(path for path in source.iterdir() if path.is_dir()):
            (target / folder.name).mkdir()
            for path in sorted(path for path in folder.iterdir() if path.is_file())[:per_class]:
                shutil.copyfile(path, target / folder.name / path.name)
        return
    from sklearn.datasets import load_digits

    digits = load_digits()
    for label in range(10):
        (target / str(label)).mkdir()
        for number in np.flatnonzero(digits.target == label)[:per_class]:
            pixels = np.round(digits.images[number] * (255 / 16)).astype(np.uint8)
            Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC).save(target / str(label) / f"{number:04d}.png")


def _plain(path: Path) -> bool:
    """Whether an image may be opened at once: drawings of hundreds of megapixels take too long."""
    with suppress(Image.DecompressionBombError, UnidentifiedImageError), Image.open(path) as image:
        return min(image.size) >= 24 and image.width * image.height < 4_000_000
    return False


def _opened(path: Path) -> Image.Image:
    """Return an image as RGB on white."""
    with Image.open(path) as image:
        drawn = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")


def _near_duplicate(original: Path, how: str, across: bool, random: np.random.Generator) -> Path:
    """Write a near duplicate beside an image; with `across`, try until it falls in another split."""
    image, split = _opened(original), _split(original.read_bytes())
    while True:
        suffix, content = _changed(image, how, random)
        if not across or _split(content) != split:
            break
    copy = original.with_name(f"{original.stem}_{how}{suffix}")
    copy.write_bytes(content)
    return copy


def _changed(image: Image.Image, how: str, random: np.random.Generator) -> tuple[str, bytes]:
    width, height = image.size
    if how == "recompressed":
        return ".jpg", e.saved(image, "JPEG", quality=int(random.integers(40, 90)))
    if how == "rescaled":
        factor = random.uniform(0.5, 1.5)
        image = image.resize((max(round(factor * width), 8), max(round(factor * height), 8)), Image.Resampling.BICUBIC)
    elif how == "cropped":
        left, top, right, bottom = random.uniform(0, 0.05, 4)
        left, top = max(round(left * width), 1), round(top * height)
        image = image.crop((left, top, width - round(right * width), height - round(bottom * height)))
    else:
        image = ImageEnhance.Brightness(image).enhance(random.uniform(0.85, 0.97))
    # A note that nobody sees: two draws of few possible crops have different splits.
    note = PngImagePlugin.PngInfo()
    note.add_text("draw", str(random.integers(2**32)))
    return ".png", e.saved(image, "PNG", pnginfo=note)


def _split(content: bytes) -> int:
    """Number the split of a file: seed 0 and the default shares."""
    where = position(hashlib.sha256(content).hexdigest(), 0)
    return int(where >= 0.15) + int(where >= 0.3)


def _animated(image: Image.Image) -> bytes:
    return e.saved(image, "GIF", save_all=True, append_images=[image.rotate(90), image.rotate(180)])


def _truncated(image: Image.Image) -> bytes:
    content = e.saved(image, "PNG")
    return content[: len(content) // 2]


def _sixteen_bits(image: Image.Image) -> bytes:
    return e.png(np.asarray(image).astype(int) * 257, 16, 2)


def _with_alpha(image: Image.Image) -> bytes:
    image.putalpha(Image.new("L", image.size, 200))
    return e.saved(image, "PNG")


ODD: dict[str, tuple[str, Callable[[Image.Image], bytes]]] = {
    "truncated": (".png", _truncated),
    "text": (".png", lambda image: b"404: not found\n"),
    "wrong extension": (".jpg", lambda image: e.saved(image, "PNG", compress_level=1)),
    "blank": (".png", lambda image: e.saved(Image.new("RGB", image.size, "white"), "PNG")),
    "tiny": (".png", lambda image: e.saved(image.resize((5, 4)), "PNG")),
    "CMYK": (".jpg", lambda image: e.saved(image.convert("CMYK"), "JPEG")),
    "16-bit": (".png", _sixteen_bits),
    "animated": (".gif", _animated),
    "alpha": (".png", _with_alpha),
    "EXIF-rotated": (".jpg", lambda image: e.with_orientation(image, 6)),
}
"""What is peculiar -> suffix, and how its bytes are made from an image."""


def _main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Write a dirty copy of an image folder, and what was planted.")
    parser.add_argument("target", type=Path)
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    planted = make(given.target, given.source, seed=given.seed)
    lines = []
    lines += [f"wrong label\t{path}\t{label}" for path, label in planted.wrong_labels.items()]
    lines += [f"{how}\t{copy}\t{original}" for original, copy, how in planted.near_duplicates]
    lines += [f"duplicate\t{copy}\t{original}" for original, copy in planted.duplicates]
    lines += [f"contradiction\t{copy}\t{original}" for original, copy in planted.contradictions]
    lines += [f"{what}\t{path}" for path, what in planted.odd.items()]
    print("\n".join(lines))


if __name__ == "__main__":
    _main(sys.argv[1:])
