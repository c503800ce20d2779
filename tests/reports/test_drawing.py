"""Figures: the same each time, so that a report written again has the same bytes."""

from matplotlib.figure import Figure

from transfer.reports import drawing


def drawn() -> Figure:
    figure = Figure(figsize=(2, 1))
    axes = figure.add_subplot()
    axes.plot([0, 1], [1, 3], marker="o")
    axes.set_title("schön")
    return figure


def test_a_figure_drawn_again_is_the_same_text() -> None:
    assert drawing.svg(drawn()) == drawing.svg(drawn())


def test_text_stays_text() -> None:
    assert "schön" in drawing.svg(drawn()) and drawing.svg(drawn()).startswith("<svg")
