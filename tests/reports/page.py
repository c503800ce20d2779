"""What a browser would see of a page."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """Tags, attributes and texts of a page, and what its headings are called."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.headings: list[str] = []
        self.open: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in ("meta", "img", "br", "wbr", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())
            if self.open and self.open[-1] == "h2":
                self.headings.append(data.strip())

    def values(self, attribute: str) -> list[str]:
        """Return the values of an attribute."""
        return [value or "" for name, value in self.attributes if name == attribute]
