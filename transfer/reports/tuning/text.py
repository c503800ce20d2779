"""The trials of a search, for the terminal."""

from transfer.reports.terminal import columns, wrapped
from transfer.reports.terminal import table as table_of
from transfer.reports.tuning.search import CAUTION, Search
from transfer.runs import Run


def table(run: Run) -> str:
    """Return the best trials of the search that found a run; empty if there was none."""
    search = Search.of(run)
    if search is None:
        return ""
    rows = [[one.mark, str(one.number), one.interval, one.features] for one in search.best]
    head = ["", "trial", f"{search.metric} (95 %)", search.size]
    # The settings of all would make lines of over 200 columns; the report has them.
    chosen = next(one.settings for one in search.best if "fitted" in one.mark)
    told = (*([f"Fitted: {chosen}."] if chosen else []), search.sentence, CAUTION)
    words = [line for text in told for line in wrapped(text, columns())]
    return "\n".join(["", *table_of(head, rows, left=(0, 2)), "", *words])
