"""One synthetic receipt: what pages there may be (ReceiptSpec), and the page that a seed stands for (render_receipt).

Page sizes, aspect ratios and numbers of lines follow SROIE (ICDAR 2019): 18 to 153 line boxes a page. The 64 scans
that were measured are 532 to 992 px by 1040 to 1975 px, height over width 1.4 to 3.0, with 50 boxes and a box height of
1.8 % of the page's height in the median.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.data import paper
from pipeline.data.glyphs import Face, draw_line, natural_width
from pipeline.data.receipt_text import Row, Segment, compose_rows

# Rows of print and blank space that a labelled line takes; rows with several segments make it less than one.
_ROWS_A_LINE = 0.7
_TIGHTEST_LEADING = 1.1
# Of a page's height, what is left for text between a sheet's margins.
_TEXT_SHARE = 0.8


@dataclass(frozen=True)
class ReceiptSpec:
    """What pages to render. Pairs are (smallest, largest), both included. ValueError if no page can meet it."""

    long_side: tuple[int, int] = (1040, 1975)  # px
    aspect: tuple[float, float] = (1.4, 3.0)  # height / width
    num_lines: tuple[int, int] = (18, 153)  # labelled boxes a page
    min_text_px: float = 13.0  # em of the body text before the page is tilted; less only where `num_lines` demands it
    max_skew_degrees: float = 4.0
    max_perspective: float = 0.02  # a corner's shift, as a share of the sheet's width and height
    desk_fraction: float = 0.35  # share of pages that lie on a desk; the others fill a scanner
    clutter: float = 1.0  # scales how often rules, barcodes, stamps and pen marks appear; 0: print only
    degradation: float = 1.0  # scales fading, folds, shading, blur and grain; 0: clean
    jpeg_quality: tuple[int, int] = (40, 95)

    def __post_init__(self) -> None:
        for name, kind, low, high in (
            ("long_side", int, 64, 8192),
            ("aspect", float, 0.25, 8.0),
            ("num_lines", int, 1, 1000),
            ("jpeg_quality", int, 1, 100),
        ):
            pair = tuple(getattr(self, name))
            if len(pair) != 2 or not low <= pair[0] <= pair[1] <= high:
                raise ValueError(f"{name} is {list(pair)}: two numbers in order, within {low} to {high}, were expected")
            # 13 and 13.0 are one spec, with one folder of pages.
            object.__setattr__(self, name, tuple(kind(value) for value in pair))
        for name, low, high in (
            ("min_text_px", 6, 200),
            ("max_skew_degrees", 0, 20),
            ("max_perspective", 0, 0.1),
            ("desk_fraction", 0, 1),
            ("clutter", 0, 1),
            ("degradation", 0, 1),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)}: it lies within {low} to {high}")
            object.__setattr__(self, name, float(getattr(self, name)))
        if self.num_lines[0] * _ROWS_A_LINE * self.min_text_px * _TIGHTEST_LEADING > _TEXT_SHARE * self.tallest_px:
            raise ValueError(
                f"num_lines: {self.num_lines[0]} lines of {self.min_text_px} px "
                f"do not fit a page {self.tallest_px:.0f} px tall"
            )

    @property
    def tallest_px(self) -> float:
        """The height of the tallest page."""
        return self.long_side[1] * min(1.0, self.aspect[1])

    @classmethod
    def small(cls) -> ReceiptSpec:
        """Pages for training on a CPU: at most 640 px, 18 to 40 lines, text that survives at that size."""
        return cls(long_side=(600, 640), aspect=(1.3, 2.0), num_lines=(18, 40))


@dataclass(frozen=True)
class RenderedReceipt:
    """One page: `image` uint8 (H, W, 3) RGB, and for each line of print its quad and its text.

    A quad is float32 (4, 2), xy in px (pixel centres at integers), clockwise from the corner at the text's top left.
    """

    image: np.ndarray
    quads: list[np.ndarray]
    texts: list[str]
    jpeg_quality: int

    def jpeg_bytes(self) -> bytes:
        _, encoded = cv2.imencode(".jpg", self.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality])
        return encoded.tobytes()


def render_receipt(seed: int | Sequence[int], *, spec: ReceiptSpec) -> RenderedReceipt:
    """The page that `seed` stands for; about 0.15 s for 1000 x 2000 px on one core."""
    rng = np.random.default_rng(seed)
    plan = _plan_page(rng, spec)
    sheet = _print_sheet(rng, plan, spec)
    image, to_image = _lay_down(rng, sheet.pixels, sheet.text_area, plan, spec)
    quads = [cv2.perspectiveTransform(quad[None], to_image)[0].astype(np.float32) for quad in sheet.quads]
    return RenderedReceipt(
        image=paper.photograph(rng, image, strength=spec.degradation),
        quads=quads,
        texts=sheet.texts,
        jpeg_quality=int(rng.integers(spec.jpeg_quality[0], spec.jpeg_quality[1] + 1)),
    )


@dataclass(frozen=True)
class _PagePlan:
    """The sizes of one page, in px; the sheet is the paper, the image what is seen of it and around it."""

    image_size: tuple[int, int]  # (w, h)
    sheet_size: tuple[int, int]  # (w, h)
    on_desk: bool
    rows: list[Row]
    face: Face
    em_px: float
    row_px: float
    text_left: float
    text_top: float
    text_width: float


# How much taller than a plain row each emphasis is, and how it scales the glyphs (across, along).
_EMPHASES = {
    "plain": (1.0, 1.0, 1.0),
    "bold": (1.0, 1.0, 1.0),
    "wide": (1.0, 1.5, 1.0),
    "tall": (1.7, 1.0, 1.7),
    "big": (1.6, 1.5, 1.5),
}
_ROW_WITH_RULE = 0.7


def _row_units(row: Row) -> float:
    """The height of `row`, with the space above it, in plain rows."""
    return row.space_above + (_ROW_WITH_RULE if row.rule else _EMPHASES[row.emphasis][0])


def _plan_page(rng: np.random.Generator, spec: ReceiptSpec) -> _PagePlan:
    low, high = spec.num_lines
    # Beta(2, 6) over 18..153 has its median at 49 and 5 % above 88 (SROIE: 50 and 79); now and then any number.
    num_lines = low + round((high - low) * float(rng.beta(2, 6) if rng.random() < 0.95 else rng.random()))
    num_columns = int(rng.integers(26, 45))
    rows = compose_rows(rng, num_lines=num_lines, num_columns=num_columns)
    units = sum(_row_units(row) for row in rows)
    for _ in range(20):
        if units * spec.min_text_px * _TIGHTEST_LEADING <= _TEXT_SHARE * spec.tallest_px:
            break
        # Fewer lines while there may be fewer; at the smallest number, another receipt: some set more lines in a row.
        num_lines = max(low, round(0.9 * num_lines))
        rows = compose_rows(rng, num_lines=num_lines, num_columns=num_columns)
        units = sum(_row_units(row) for row in rows)
    if rng.random() >= spec.clutter:
        rows = [row for row in rows if not row.rule]
        units = sum(_row_units(row) for row in rows)
    face = _choose_face(rng)
    leading = float(rng.uniform(1.15, 1.55))
    on_desk = bool(rng.random() < spec.desk_fraction)
    sheet_share = float(rng.uniform(0.78, 0.92)) if on_desk else float(rng.uniform(0.96, 1.0))
    margin = float(rng.uniform(0.04, 0.12))

    # Columns give the text's size as a share of the width, and the rows then ask for a height (aspect = height /
    # width). Half way between that and a shape drawn at random: long receipts are narrow, but not all alike.
    em_share = sheet_share * (1 - 2 * margin) / (num_columns * 0.6 * face.width)
    wanted_aspect = units * em_share * leading / sheet_share / 0.9 * float(rng.uniform(1.0, 1.2))
    aspect_low, aspect_high = spec.aspect
    usual_aspect = float(rng.triangular(aspect_low, 0.65 * aspect_low + 0.35 * aspect_high, aspect_high + 1e-6))
    aspect = float(np.clip(np.sqrt(wanted_aspect * usual_aspect), aspect_low, aspect_high))
    long_low, long_high = spec.long_side
    least_long = units * spec.min_text_px * leading / (0.9 * sheet_share) * max(1.0, 1 / aspect)
    wanted_long = float(rng.triangular(long_low, (long_low + long_high) / 2, long_high + 1))
    long_side = int(np.clip(max(wanted_long, least_long), long_low, long_high))
    width, height = (round(long_side / aspect), long_side) if aspect >= 1 else (long_side, round(long_side * aspect))

    sheet_width, sheet_height = round(width * sheet_share), round(height * sheet_share)
    top_share = float(rng.uniform(0.03, 0.07))
    room = sheet_height * (1 - top_share - 0.03)
    em_px = min(em_share * width, room / (units * _TIGHTEST_LEADING))
    row_px = min(em_px * leading, room / units)
    text_width = min(
        sheet_width * (1 - 2 * margin), num_columns * 0.6 * em_px * max(face.width, 1.0) * float(rng.uniform(1.0, 1.25))
    )
    slack_x, slack_y = sheet_width - text_width, room - row_px * units
    left = min(slack_x / 2, sheet_width * margin) if rng.random() < 0.3 else slack_x / 2
    return _PagePlan(
        image_size=(width, height),
        sheet_size=(sheet_width, sheet_height),
        on_desk=on_desk,
        rows=rows,
        face=face,
        em_px=em_px,
        row_px=row_px,
        text_left=left,
        text_top=sheet_height * top_share + slack_y * float(rng.uniform(0.0, 0.4)),
        text_width=text_width,
    )


def _choose_face(rng: np.random.Generator) -> Face:
    typeface = str(rng.choice(["sans", "plotter", "plotter heavy", "till"], p=[0.35, 0.25, 0.15, 0.25]))
    return Face(
        typeface=typeface,
        weight=int(rng.choice([0, 1, 2], p=[0.5, 0.35, 0.15])),
        monospaced=bool(rng.random() < 0.65),
        width=float(rng.uniform(0.55, 1.05)),
        slant=float(rng.uniform(0.1, 0.25)) if rng.random() < 0.08 else 0.0,
    )


@dataclass(frozen=True)
class _Sheet:
    """The flat printed paper: pixels uint8 (h, w, 3); quads and the area that holds all of them in sheet px."""

    pixels: np.ndarray
    quads: list[np.ndarray]
    texts: list[str]
    text_area: np.ndarray


def _print_sheet(rng: np.random.Generator, plan: _PagePlan, spec: ReceiptSpec) -> _Sheet:
    width, height = plan.sheet_size
    ink = np.zeros((height, width), np.uint8)
    boxes: list[tuple[int, int, int, int]] = []
    texts: list[str] = []
    y = plan.text_top
    for row in plan.rows:
        y += row.space_above * plan.row_px
        row_height = (_row_units(row) - row.space_above) * plan.row_px
        if row.rule:
            _draw_rule(ink, plan, kind=row.rule, y=round(y + row_height / 2))
        else:
            for text, box in _print_row(ink, plan, row, top=y, row_height=row_height):
                texts.append(text)
                boxes.append(box)
        y += row_height
    if rng.random() < 0.5 * spec.clutter:
        _draw_barcode(rng, ink, plan, top=round(y + 0.5 * plan.row_px))
    ink = paper.fade_ink(rng, ink, strength=spec.degradation)
    pixels = paper.print_on_paper(rng, ink, strength=spec.degradation)
    if rng.random() < 0.25 * spec.clutter:
        _draw_pen_mark(rng, pixels)
    quads = [_quad(*box) for box in boxes]
    corners = np.concatenate(quads)
    area = _corners(*corners.min(axis=0), *corners.max(axis=0))
    return _Sheet(pixels, quads, texts, area)


def _print_row(
    ink: np.ndarray, plan: _PagePlan, row: Row, *, top: float, row_height: float
) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    """Draws a row's segments into `ink`; yields each one's text and ink box (x0, y0, x1, y1), last pixels included."""
    _, scale_x, scale_y = _EMPHASES[row.emphasis]
    face = plan.face
    face = Face(
        face.typeface,
        min(2, face.weight + (row.emphasis != "plain")),
        face.monospaced,
        face.width * scale_x / scale_y,
        face.slant,
    )
    em_px = plan.em_px * scale_y
    for segment, left, right in _segment_spans(row.segments, plan=plan, face=face, em_px=em_px):
        line = draw_line(segment.text, face=face, em_px=em_px, max_width_px=right - left)
        height, width = line.shape
        if segment.align == "left":
            x = left
        elif segment.align == "right":
            x = right - width
        else:
            x = (left + right - width) / 2
        x = int(np.clip(round(x), 1, ink.shape[1] - width - 1))
        y = int(np.clip(round(top + (row_height - height) / 2), 1, ink.shape[0] - height - 1))
        window = ink[y : y + height, x : x + width]
        np.maximum(window, line, out=window)
        yield segment.text, (x, y, x + width - 1, y + height - 1)


def _segment_spans(
    segments: Sequence[Segment], *, plan: _PagePlan, face: Face, em_px: float
) -> list[tuple[Segment, float, float]]:
    """Each segment with the left and right ends of the room it may fill, in sheet px, a character from the next."""
    gap = 1.2 * em_px * 0.6
    text_left, text_right = plan.text_left, plan.text_left + plan.text_width
    # Segments that end at their anchor take their natural width first; those that start there get what is left.
    spans: list[list[float]] = []
    for segment in segments:
        anchor = text_left + segment.anchor * plan.text_width
        width = min(natural_width(segment.text, face=face, em_px=em_px), plan.text_width)
        if segment.align == "right":
            spans.append([anchor - width, anchor])
        elif segment.align == "center":
            spans.append([text_left, text_right])
        else:
            spans.append([anchor, text_right])
    for index in range(len(spans) - 1):
        here, after = spans[index], spans[index + 1]
        if segments[index].align == "left":
            here[1] = after[0] - gap
            if segments[index + 1].align == "right":
                # A label keeps two fifths of the way to the amount's end, however long the amount is.
                here[1] = max(here[1], here[0] + 0.4 * (after[1] - here[0]))
        after[0] = max(after[0], here[1] + gap)
    return [(segment, left, right) for segment, (left, right) in zip(segments, spans, strict=True)]


def _draw_rule(ink: np.ndarray, plan: _PagePlan, *, kind: str, y: int) -> None:
    left, right = round(plan.text_left), round(plan.text_left + plan.text_width)
    thickness = max(1, round(plan.em_px / 16))
    offsets = (-thickness, thickness) if kind == "equals" else (0,)
    for offset in offsets:
        if kind == "line":
            cv2.line(ink, (left, y), (right, y), 220, thickness)
            continue
        step = max(3, round(plan.em_px * 0.6))
        for x in range(left, right - step, step):
            cv2.line(ink, (x, y + offset), (x + max(1, round(0.7 * step)), y + offset), 220, thickness)


def _draw_barcode(rng: np.random.Generator, ink: np.ndarray, plan: _PagePlan, *, top: int) -> None:
    """A barcode under the text, where there is room for one. It holds no text and gets no label."""
    height = round(plan.row_px * rng.uniform(1.5, 2.5))
    width = round(plan.text_width * rng.uniform(0.4, 0.8))
    if top + height > ink.shape[0] - 4:
        return
    module = max(1, round(plan.em_px / 12))
    bars = np.repeat(rng.random(width // module) < 0.5, module).astype(np.uint8) * 230
    left = round(plan.text_left + (plan.text_width - len(bars)) / 2)
    ink[top : top + height, left : left + len(bars)] = bars


def _draw_pen_mark(rng: np.random.Generator, sheet: np.ndarray) -> None:
    """A stamp's rim, a tick or a scribble in pen somewhere on the sheet: what a detector must learn to leave alone."""
    height, width = sheet.shape[:2]
    colour = tuple(int(level) for level in PENS[int(rng.integers(len(PENS)))])
    centre = rng.uniform(0.15, 0.85, 2) * (width, height)
    reach = rng.uniform(0.05, 0.14) * width
    thickness = max(1, round(width / 350))
    if rng.random() < 0.3:
        axes = (round(reach * 1.6), round(reach))
        cv2.ellipse(
            sheet,
            tuple(int(c) for c in centre),
            axes,
            float(rng.uniform(-25, 25)),
            0,
            360,
            colour,
            thickness,
            cv2.LINE_AA,
        )
        return
    steps = rng.normal(0, 0.45, (int(rng.integers(4, 14)), 2)) * reach + (reach * 0.12, 0)
    stroke = np.round(centre + np.cumsum(steps, axis=0)).astype(np.int32)
    cv2.polylines(sheet, [stroke], False, colour, thickness, cv2.LINE_AA)


# Boxes reach half a pixel past the outermost pixel centres, where the ink ends, and as much again for soft print.
_BOX_MARGIN_PX = 1.0


def _quad(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return _corners(x0 - _BOX_MARGIN_PX, y0 - _BOX_MARGIN_PX, x1 + _BOX_MARGIN_PX, y1 + _BOX_MARGIN_PX)


def _corners(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """float32 (4, 2), clockwise from top left."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)


def _lay_down(
    rng: np.random.Generator, sheet: np.ndarray, text_area: np.ndarray, plan: _PagePlan, spec: ReceiptSpec
) -> tuple[np.ndarray, np.ndarray]:
    """The sheet on its background, uint8 (h, w, 3), and the 3 x 3 homography from sheet px to image px."""
    width, height = plan.image_size
    background = paper.desk if plan.on_desk else paper.scan_bed
    image = background(rng, size=(height, width), strength=spec.degradation)
    to_image = _tilt(rng, text_area, plan, spec)
    sheet_height, sheet_width = sheet.shape[:2]
    outline = cv2.perspectiveTransform(_corners(0, 0, sheet_width - 1, sheet_height - 1)[None], to_image)[0]
    if plan.on_desk:
        offset = tuple(float(shift) for shift in rng.uniform(-0.012, 0.012, 2) * width)
        image = paper.drop_shadow(
            image, outline, depth=float(rng.uniform(0.15, 0.5)), offset=offset, reach=0.012 * width
        )
    cv2.warpPerspective(
        sheet, to_image, (width, height), dst=image, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
    )
    return image, to_image


def _tilt(rng: np.random.Generator, text_area: np.ndarray, plan: _PagePlan, spec: ReceiptSpec) -> np.ndarray:
    """A homography that turns, shifts and tilts the sheet and leaves `text_area` at least 3 px inside the image."""
    width, height = plan.image_size
    size = np.array(plan.sheet_size, np.float64)
    corners = _corners(0, 0, size[0] - 1, size[1] - 1).astype(np.float64)
    # A sheet on a scanner lies nearly straight.
    calm = 1.0 if plan.on_desk else 0.4
    angle = np.radians(float(rng.triangular(-1, 0, 1)) * spec.max_skew_degrees * calm)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    seen = (corners - size / 2) @ turn.T
    seen += rng.uniform(-1, 1, (4, 2)) * spec.max_perspective * calm * size
    seen += (np.array([width, height]) - size) * rng.uniform(-0.3, 0.3, 2)
    middle = np.array([width - 1, height - 1]) / 2
    for _ in range(60):
        to_image = cv2.getPerspectiveTransform(np.float32(corners), np.float32(seen + middle))
        text = cv2.perspectiveTransform(text_area[None], to_image)[0]
        if (text >= 3).all() and (text <= (width - 4, height - 4)).all():
            break
        seen *= 0.98
    return to_image


PENS = ((30, 40, 160), (170, 30, 40), (20, 20, 30), (20, 110, 60))
