"""card(): the model card of a finished run, as Markdown."""

import os
from pathlib import Path

from transfer import runs
from transfer.config import build
from transfer.data import sources
from transfer.errors import OutputError, RunError
from transfer.reports.run import card as page
from transfer.runs import CARD
from transfer.system.files import require_place, write_text
from transfer.workflows.run import opened
from transfer.workflows.settings import data_name


def card(run: runs.Run | str | os.PathLike[str], *, output: str | os.PathLike[str] | None = None) -> Path:
    """Write the model card of a run and return its path: Markdown, with the YAML head that the Hugging Face Hub reads.

    Args:
        run: a run, its folder, or its name under `saved_models`.
        output: file that ends in .md, which is replaced if it is a file; none: `model_card.md` in the run's folder.

    Raises:
        OutputError: if it cannot be written there, or would be among the run's images.
        RunError: if there is no such run, or it cannot be read.
    """
    found = opened(run)
    place = found.path / CARD if output is None else Path(output)
    if place.suffix.lower() != ".md":
        raise OutputError(f"--output is a Markdown file. Expected a name that ends in .md. Received {str(place)!r}.")
    require_place(place, sources.own(build([found.config]).data), replaces=Path.is_file, expected="a file")
    place.parent.mkdir(parents=True, exist_ok=True)
    write_text(place, rendered(found, found.path.resolve().name))
    return place


def rendered(run: runs.Run, name: str) -> str:
    """Return the text of the card of a run, or of a draft that will be published under this name.

    Raises:
        RunError: if the run's files do not say what they should.
    """
    source = run.config.get("data.source")
    try:
        return page.render(run, name, data_name(str(source)) if source else "images")
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise RunError(f"The files of the run do not say what a card needs ({why}). Fit again. Received {str(run.path)!r}.") from None
