"""Reads a page as a browser would: tags that close in order, the text that is seen, what it would fetch."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"br", "input", "meta", "wbr"}


@dataclass
class Element:
    """One element; `text` is its own and that of everything in it."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def all(self, name: str, class_: str | None = None) -> list["Element"]:
        """Every element of that name (and class) in it, in order."""
        found = []
        for child in self.children:
            if child.name == name and (class_ is None or class_ in child.attributes.get("class", "").split()):
                found.append(child)
            found += child.all(name, class_)
        return found

    def one(self, name: str, class_: str | None = None) -> "Element":
        (element,) = self.all(name, class_)
        return element


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> gives an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].name == tag, f"</{tag}> closes <{self.open[-1].name}>"
        closed = self.open.pop()
        if tag not in ("script", "style"):
            separator = "\n" if tag in ("p", "li", "h1", "h2", "h3", "tr", "section", "dd", "div", "svg", "ul") else " "
            self.open[-1].text += closed.text + separator

    def handle_data(self, data: str) -> None:
        self.open[-1].text += data


def read_page(page: str) -> Element:
    """The root element, after the check that all is closed, every id is there once, and every link leads to one."""
    assert page.startswith("<!DOCTYPE html>")
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert len(reader.open) == 1, f"<{reader.open[-1].name}> is never closed"
    root = reader.open[0].one("html")
    ids = [one.attributes["id"] for one in _everything(root) if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    dangling = {link.attributes["href"] for link in root.all("a")} - {f"#{name}" for name in ids}
    assert not dangling
    return root


def fetched_by(root: Element) -> list[str]:
    """What a browser would go and get, or could be led to."""
    found = []
    for one in _everything(root):
        if one.name in ("link", "img", "iframe", "object", "embed", "base", "form"):
            found.append(one.name)
        within = one.name == "a" and one.attributes.get("href", "").startswith("#")
        found += [
            f"{name}={value}"
            for name, value in one.attributes.items()
            if name in ("src", "href", "xlink:href") and not within
        ]
        found += [f"{name}={value}" for name, value in one.attributes.items() if "url(" in value or name[:2] == "on"]
    return found


def _everything(root: Element) -> list[Element]:
    return [root, *(element for child in root.children for element in _everything(child))]


def text_of(root: Element) -> str:
    """What is read on the page, one line a paragraph, a row or an item; axes are left out."""
    lines = (" ".join(line.split()) for line in root.one("body").text.splitlines())
    return "\n".join(line for line in lines if line) + "\n"
