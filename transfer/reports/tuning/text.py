"""The trials of a search, for the terminal."""

from transfer.reports.terminal import columns, fitted, wrapped
from transfer.reports.tuning.search import CAUTION, Search
from transfer.runs import Run


def table(run: Run) -> str:
    """Return the best trials of the search that found a run; empty if there was none."""
    search = Search.of(run)
    if search is None:
        return ""
    rows = [[one.mark, str(one.number), one.interval, one.features, one.settings] for one in search.best]
    head = ["", "trial", f"{search.metric} (95 %)", search.size, "settings"]
    words = [line for text in (search.sentence, CAUTION) for line in wrapped(text, columns())]
    return "\n".join(["", *fitted(head, rows, left=(0, 2, 4)), "", *words])
