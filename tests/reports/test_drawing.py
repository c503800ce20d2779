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
    assert drawing.svg(drawn(), "a figure") == drawing.svg(drawn(), "a figure")


def test_a_figure_has_the_colours_of_the_page_and_nothing_behind_it() -> None:
    figure = drawn()
    figure.axes[0].plot([0, 1], [2, 2], color=drawing.ORANGE)
    figure.axes[0].text(0, 1, "stroke #d55e00")
    text = drawing.svg(figure, 'one "figure"')
    assert text.startswith('<svg role="img" aria-label="one &#34;figure&#34;"')
    assert "stroke: var(--series-2, #d55e00)" in text and "stroke: currentColor" in text
    assert "stroke #d55e00" in text, "words stay as they are"
    assert ": #ffffff" not in text and ": #000000" not in text


def test_text_stays_text() -> None:
    assert "schön" in drawing.svg(drawn(), "a figure") and drawing.svg(drawn(), "a figure").startswith("<svg")
