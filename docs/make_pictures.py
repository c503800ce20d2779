"""Makes the pictures of README.md from a finished run, with the pages as they are: `python docs/make_pictures.py RUN IMAGE...`.

    transfer fit art --backbone vgg16 --name art       # `art`: the clip art
    python docs/make_pictures.py saved_models/art art/animals/*_bee_*.png art/people/*_chef_*.png art/food/*_lemon*.png

Needs Chromium and the package playwright.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 1200, 800
MOST_BYTES = 300_000


def main() -> None:
    """Write `report.png` and `served.png`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("images", type=Path, nargs="+", help="images that are given to the served model")
    given = parser.parse_args()
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        sys.exit("error: Chromium is not installed.")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto((given.run / "report.html").absolute().as_uri())
        taken(page, PICTURES / "report.png")
        with serving(given.run) as address:
            page.goto(address)
            page.set_input_files("#file", given.images)
            page.wait_for_selector("body:not(.busy)")
            page.wait_for_selector("#result:not([hidden])")
            page.wait_for_load_state("networkidle")
            taken(page, PICTURES / "served.png")
        browser.close()


class serving:  # noqa: N801 - a context manager
    """Serve a run while the block is open; yields the address of its page."""

    def __init__(self, run: Path) -> None:
        command = [sys.executable, "-m", "transfer", "serve", str(run), "--port", "0"]
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def __enter__(self) -> str:
        assert self._server.stdout is not None
        for line in self._server.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+/?", line):
                return found[0]
        sys.exit("error: the server did not start.")

    def __exit__(self, *_: object) -> None:
        self._server.terminate()
        self._server.wait()


def taken(page: Any, path: Path) -> None:
    """Save what the window shows, in 128 colours: a quarter of the bytes, and no difference to the eye."""
    path.parent.mkdir(exist_ok=True)
    page.screenshot(path=path)
    Image.open(path).convert("RGB").quantize(128, method=Image.Quantize.FASTOCTREE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size:,} bytes")
    assert path.stat().st_size < MOST_BYTES


if __name__ == "__main__":
    main()
