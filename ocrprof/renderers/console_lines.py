"""Lines for a terminal: sections, paragraphs and tables that keep to its width."""

from collections.abc import Callable, Iterable, Sequence

from ocrprof.renderers.places import keep_head, keep_tail, num_cells, plain, wrap
from ocrprof.renderers.terminal import Line


def section(heading: str, lines: Iterable[Line]) -> list[Line]:
    """Lines under a heading; nothing where there are none."""
    body = list(lines)
    return [("", ""), (heading, "heading"), *body] if body else []


def paragraph(text: str, *, width: int, indent: str = "", first: str | None = None, style: str = "") -> list[Line]:
    """Words wrapped to the width."""
    wrapped = wrap(plain(text), width, first=indent if first is None else first, indent=indent)
    return [(line, style) for line in wrapped]


def table_lines(
    rows: Sequence[Sequence[str]], *, align: str, width: int, shorten: Callable[[str, int], str] = keep_head
) -> list[Line]:
    """Rows under a dim header; the last column takes what is left of the width and is shortened to it."""
    widths = [max(num_cells(row[column]) for row in rows) for column in range(len(align))]
    widths[-1] = min(widths[-1], width - 2 - sum(widths[:-1]) - 2 * (len(align) - 1))
    lines: list[Line] = []
    for number, row in enumerate(rows):
        cells = [*row[:-1], shorten(row[-1], widths[-1])]
        text = "  ".join(
            _pad(cell, cells=cells_wide, side=side) for cell, cells_wide, side in zip(cells, widths, align, strict=True)
        )
        lines.append((f"  {text}".rstrip(), "dim" if number == 0 else ""))
    return lines


def _pad(text: str, *, cells: int, side: str) -> str:
    filling = " " * (cells - num_cells(text))
    return text + filling if side == "<" else filling + text


def class_name(dotted: str) -> str:
    """`Module` of `package.Module`."""
    return plain(dotted.rpartition(".")[2])


def keep_place(text: str, cells: int) -> str:
    """The end of a path; the beginning of the facts that stand where there is none."""
    return keep_head(text, cells) if " " in text else keep_tail(text, cells)


def bar_text(share: float, *, cells: int) -> str:
    """A bar of `share` of so many cells."""
    return "█" * round(share * cells) or ("▏" if share > 0 else "")
