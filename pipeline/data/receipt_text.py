"""The words on a synthetic receipt: rows of text segments, drawn from word lists by a seeded generator.

A segment is what becomes one labelled line box: a run of words with single spaces. A row holds one segment, or several
with a wide gap between them (item on the left, price on the right): so are the boxes of the SROIE receipts drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Align = Literal["left", "center", "right"]
Emphasis = Literal["plain", "bold", "wide", "tall", "big"]
Rule = Literal["dashes", "equals", "line"]


@dataclass(frozen=True)
class Segment:
    """One run of words. `anchor`, in 0..1 of the text width, is where its left end, middle or right end stands."""

    text: str
    align: Align = "left"
    anchor: float = 0.0


@dataclass(frozen=True)
class Row:
    """One row of print: segments from left to right, or (with `rule`) a separator that carries no text."""

    segments: tuple[Segment, ...] = ()
    emphasis: Emphasis = "plain"
    rule: Rule | None = None
    # Blank space above the row, in rows.
    space_above: float = 0.0


def compose_rows(rng: np.random.Generator, *, num_lines: int, num_columns: int) -> list[Row]:
    """The rows of one receipt from top to bottom, about `num_columns` characters wide, with `num_lines` segments."""
    header = _header(rng, num_rows=int(np.clip(num_lines // 8, 1, 6)))
    details = _details(rng, num_rows=int(np.clip(num_lines // 12, 0, 5)))
    totals = _totals(rng, num_rows=int(np.clip(num_lines // 7, 0, 8)))
    footer = _footer(rng, num_rows=int(np.clip(num_lines // 10, 0, 6)))
    num_fixed = sum(len(row.segments) for row in (*header, *details, *totals, *footer))
    items = _items(rng, num_segments=num_lines - num_fixed, num_columns=num_columns)
    sections = [section for section in (header, details, items, totals, footer) if section]
    rows = list(sections[0])
    for section in sections[1:]:
        rows.extend(_separator(rng))
        rows.extend(section)
    return _first_segments(rows, num_lines)


def _first_segments(rows: Sequence[Row], num_lines: int) -> list[Row]:
    """`rows` up to and with the row in which segment `num_lines` falls."""
    kept: list[Row] = []
    for row in rows:
        segments = row.segments[:num_lines]
        num_lines -= len(segments)
        if segments or (row.rule and num_lines):
            kept.append(Row(segments, row.emphasis, row.rule, row.space_above))
    return kept


def _separator(rng: np.random.Generator) -> list[Row]:
    kind = rng.choice(["none", "dashes", "equals", "line"], p=[0.4, 0.35, 0.1, 0.15])
    if kind == "none":
        return []
    return [Row(rule=kind, space_above=float(rng.uniform(0.0, 0.4)))]


def _pick(rng: np.random.Generator, words: Sequence[str]) -> str:
    return words[int(rng.integers(len(words)))]


def _digits(rng: np.random.Generator, count: int) -> str:
    return "".join(str(digit) for digit in rng.integers(0, 10, count))


def _amount(rng: np.random.Generator, *, largest: float = 80.0) -> str:
    """A price with two decimals, small ones more often than large ones."""
    return f"{max(0.05, float(rng.beta(1.1, 4.0)) * largest):,.2f}"


def _date(rng: np.random.Generator) -> str:
    day, month, year = int(rng.integers(1, 29)), int(rng.integers(1, 13)), int(rng.integers(2009, 2026))
    form = _pick(
        rng, ["{d:02}/{m:02}/{y}", "{d:02}-{m:02}-{y}", "{y}-{m:02}-{d:02}", "{d} {name} {y}", "{d:02}.{m:02}.{s:02}"]
    )
    return form.format(d=day, m=month, y=year, s=year % 100, name=MONTHS[month - 1])


def _time(rng: np.random.Generator) -> str:
    hour, minute, second = int(rng.integers(8, 23)), int(rng.integers(60)), int(rng.integers(60))
    form = _pick(rng, ["{h:02}:{m:02}", "{h:02}:{m:02}:{s:02}", "{t}:{m:02} {half}", "{t}:{m:02}:{s:02} {half}"])
    return form.format(h=hour, m=minute, s=second, t=(hour - 1) % 12 + 1, half="PM" if hour >= 12 else "AM")


def _header(rng: np.random.Generator, *, num_rows: int) -> list[Row]:
    name = f"{_pick(rng, SHOP_FIRST)} {_pick(rng, SHOP_SECOND)}"
    company = f"{name} {_pick(rng, COMPANY_FORMS)}".upper()
    phone = f"0{rng.integers(2, 9)}-{_digits(rng, 4)} {_digits(rng, 4)}"
    address = f"{_pick(rng, ['No.', 'Lot', 'Unit', ''])} {rng.integers(1, 200)}, {_pick(rng, STREETS)}"
    texts = [
        _pick(rng, [f"({_digits(rng, 6)}-{_pick(rng, 'ADHKMPTUVWX')})", f"Co. Reg. No. {_digits(rng, 9)}", company]),
        f"{address} {rng.integers(1, 40)}/{rng.integers(1, 20)},",
        f"{_digits(rng, 5)} {_pick(rng, TOWNS)}",
        _pick(rng, [f"Tel: {phone}", f"TEL : {phone}", f"Phone {phone} Fax {phone[:4]}{_digits(rng, 4)}"]),
        _pick(rng, [f"GST ID : {_digits(rng, 12)}", f"VAT No. {_digits(rng, 9)}", f"GST No: {_digits(rng, 12)}"]),
    ]
    align: Align = "left" if rng.random() < 0.2 else "center"
    anchor = 0.0 if align == "left" else 0.5
    title = name.upper() if rng.random() < 0.7 else name
    emphasis: Emphasis = rng.choice(["bold", "wide", "big", "plain"])
    rows = [Row((Segment(title, align, anchor),), emphasis)]
    rows += [Row((Segment(" ".join(text.split()), align, anchor),)) for text in texts[: num_rows - 1]]
    return rows


def _details(rng: np.random.Generator, *, num_rows: int) -> list[Row]:
    """The document's title, number, date and cashier."""
    colon = _pick(rng, [":", " :"])
    date, time = _date(rng), _time(rng)
    number = f"{_pick(rng, ['CS', 'INV', 'A', 'R', ''])}{_digits(rng, int(rng.integers(5, 12)))}"
    rows = [
        Row((Segment(_pick(rng, TITLES), "center", 0.5),), rng.choice(["plain", "bold", "tall"]), space_above=0.3),
        Row((Segment(f"{_pick(rng, ['Bill No', 'Invoice No', 'Receipt #', 'Doc No.'])}{colon} {number}"),)),
        Row((Segment(f"Date{colon} {date}"), Segment(time, "right", 1.0))),
        Row(
            (
                Segment(f"Cashier{colon} {_pick(rng, FIRST_NAMES)}"),
                Segment(f"POS {rng.integers(1, 30):02}", "right", 1.0),
            )
        ),
        Row((Segment(f"{_pick(rng, ['Table', 'Counter', 'Member', 'Salesperson'])}{colon} {_digits(rng, 3)}"),)),
    ]
    return rows[:num_rows]


def _items(rng: np.random.Generator, *, num_segments: int, num_columns: int) -> list[Row]:
    """Item rows with `num_segments` segments in all, printed in one of the ways that tills print them."""
    style = _pick(rng, ["one row", "one row", "quantity first", "two rows", "table"])
    rows: list[Row] = []
    remaining = num_segments
    if remaining >= 12 and rng.random() < 0.7:
        rows.append(_column_heads(style))
        remaining -= len(rows[0].segments)
    while remaining > 0:
        item = _item(rng, style=style, num_columns=num_columns)
        if remaining == 1:
            item = [Row((Segment(_pick(rng, REMARKS)),))]
        item = _first_segments(item, remaining)
        remaining -= sum(len(row.segments) for row in item)
        rows += item
    return rows


def _column_heads(style: str) -> Row:
    heads = {
        "one row": (Segment("Description"), Segment("Amount", "right", 1.0)),
        "quantity first": (Segment("Qty"), Segment("Item", "left", 0.14), Segment("RM", "right", 1.0)),
        "two rows": (Segment("Item"), Segment("Qty x Price", "right", 0.68), Segment("Total", "right", 1.0)),
        "table": (
            Segment("Code"),
            Segment("Qty", "right", 0.46),
            Segment("Price", "right", 0.7),
            Segment("Amt", "right", 1.0),
        ),
    }
    return Row(heads[style], "bold")


def _item(rng: np.random.Generator, *, style: str, num_columns: int) -> list[Row]:
    quantity, price = int(rng.integers(1, 7)), _amount(rng)
    total = f"{quantity * float(price.replace(',', '')):,.2f}"
    code = _digits(rng, int(np.clip(num_columns // 4, 4, 13)))
    tax = _pick(rng, ["", "", " S", " SR", " Z", "*"])
    if style == "one row":
        return [Row((Segment(_product(rng, longest=num_columns - 10)), Segment(price + tax, "right", 1.0)))]
    if style == "quantity first":
        name = _product(rng, longest=num_columns - 15)
        return [Row((Segment(str(quantity)), Segment(name, "left", 0.14), Segment(total, "right", 1.0)))]
    name_row = Row((Segment(_product(rng, longest=num_columns - 2)),))
    if style == "two rows":
        by_price = f"{quantity} x {price}"
        return [
            name_row,
            Row((Segment(code[:6]), Segment(by_price, "right", 0.68), Segment(total + tax[:2], "right", 1.0))),
        ]
    cells = (Segment(str(quantity), "right", 0.46), Segment(price, "right", 0.7), Segment(total, "right", 1.0))
    return [name_row, Row((Segment(code), *cells))]


def _product(rng: np.random.Generator, *, longest: int) -> str:
    """A product's name of at most `longest` characters (never empty), cut at a word where that is possible."""
    size = _pick(
        rng,
        [
            "",
            "",
            f" {rng.integers(1, 10) * 50}G",
            f" {rng.integers(1, 30)}X{rng.integers(2, 90)}",
            f" {rng.integers(1, 5)}L",
            " (L)",
        ],
    )
    name = f"{_pick(rng, PRODUCT_FIRST)} {_pick(rng, PRODUCT_SECOND)}{size}"
    name = name.upper() if rng.random() < 0.6 else name
    while len(name) > max(longest, 3):
        name = name.rpartition(" ")[0] or name[: max(longest, 3)]
    return name


def _totals(rng: np.random.Generator, *, num_rows: int) -> list[Row]:
    total = float(_amount(rng, largest=400.0).replace(",", ""))
    tax, paid = total * 0.06, np.ceil(total / 10) * 10
    currency = _pick(rng, ["", "", "RM ", "$", "EUR "])
    lines: list[tuple[str, float, Emphasis]] = [
        (
            _pick(rng, ["TOTAL", "Total Sales", "Total (RM)", "NET TOTAL", "Amount Due"]),
            total,
            rng.choice(["bold", "tall", "big", "plain"]),
        ),
        (_pick(rng, ["Sub Total", "SUBTOTAL", "Total Excl. GST"]), total - tax, "plain"),
        (_pick(rng, ["GST 6%", "Tax @6%", "VAT (6%)", "Service Charge"]), tax, "plain"),
        (_pick(rng, ["CASH", "Cash Tendered", "VISA CARD", "Paid"]), paid, "plain"),
        (_pick(rng, ["CHANGE", "Change Due", "Balance"]), paid - total, "plain"),
        (_pick(rng, ["Rounding Adj", "Rounding", "Discount"]), -0.02, "plain"),
        (_pick(rng, ["Total Qty", "Item Count", "Points Earned"]), float(rng.integers(1, 40)), "plain"),
        (_pick(rng, ["Total Savings", "You Saved", "Deposit"]), total * 0.04, "plain"),
    ]
    # The printed order differs from the order of importance above.
    order = [row for row in (1, 5, 2, 0, 3, 4, 6, 7) if row < num_rows]
    label_anchor = float(rng.choice([0.0, 0.0, 0.35]))
    colon = _pick(rng, ["", ":", " :"])
    return [
        Row(
            (
                Segment(lines[row][0] + colon, "left", label_anchor),
                Segment(f"{currency}{lines[row][1]:,.2f}", "right", 1.0),
            ),
            lines[row][2],
        )
        for row in order
    ]


def _footer(rng: np.random.Generator, *, num_rows: int) -> list[Row]:
    texts = rng.permutation(np.array(FAREWELLS))[:num_rows]
    upper = rng.random() < 0.4
    return [
        Row((Segment(text.upper() if upper else text, "center", 0.5),), space_above=0.5 if index == 0 else 0.0)
        for index, text in enumerate(str(text) for text in texts)
    ]


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SHOP_FIRST = (
    "Golden", "Lucky", "Green", "Happy", "Sunrise", "Ocean", "Royal", "Metro", "Old Town", "Seven", "Evergreen",
    "Pacific", "Central", "Silver", "Maple", "Corner", "Family", "City", "Harbour", "Hilltop", "Bright", "Twin",
    "Jade", "Orchid", "Northern", "Kampung",
)  # fmt: skip
SHOP_SECOND = (
    "Mart", "Supermarket", "Hardware", "Stationery", "Restaurant", "Bakery", "Pharmacy", "Trading", "Bookstore",
    "Cafe", "Kitchen", "Minimarket", "Electrical", "Auto Parts", "Seafood", "Noodle House", "Fashion", "Pet Shop",
    "Grocer", "Coffee", "Petrol Station",
)  # fmt: skip
COMPANY_FORMS = ("Sdn Bhd", "Ltd", "Enterprise", "(M) Sdn. Bhd.", "& Co.", "GmbH", "Inc.", "& Sons")
STREETS = (
    "Jalan Permas", "Jalan Mahagoni", "High Street", "Station Road", "Taman Indah", "Mill Lane", "Lorong Setia",
    "Park Avenue", "Jalan Besar", "Queen's Road", "Market Street", "Persiaran Bukit", "King Street", "Jalan Puteri",
)  # fmt: skip
TOWNS = (
    "Shah Alam, Selangor", "Johor Bahru", "Petaling Jaya", "Kuala Lumpur", "Bristol", "Springfield", "Klang",
    "Leeds", "Ipoh, Perak", "Newport", "Georgetown", "Seremban", "Batu Caves", "Melaka",
)  # fmt: skip
TITLES = (
    "TAX INVOICE", "RECEIPT", "CASH BILL", "SIMPLIFIED TAX INVOICE", "Cash Sales", "INVOICE", "** COPY **",
    "Official Receipt",
)  # fmt: skip
FIRST_NAMES = (
    "Ann", "Farid", "MANAGER", "Lim", "Siti", "user01", "Kumar", "Grace", "Ben", "Nurul", "admin", "Wei Ling",
)  # fmt: skip
REMARKS = ("** No exchange **", "Promo item", "Member price", "(takeaway)", "Less ice", "Disc. applied")
PRODUCT_FIRST = (
    "Fresh", "Organic", "Iced", "Hot", "Chicken", "Beef", "Fried", "Wholemeal", "Mini", "Premium", "Steel", "PVC",
    "Cotton", "Plastic", "Sweet", "Spicy", "Grilled", "Dark", "White", "Brown", "Lemon", "Mango", "A4", "Copper",
    "Garden", "Baby", "Classic", "Instant",
)  # fmt: skip
PRODUCT_SECOND = (
    "Milk", "Bread", "Rice", "Noodles", "Tea", "Coffee", "Juice", "Eggs", "Butter", "Paper", "Pipe", "Screw Set",
    "Cable", "Towel", "Soap", "Shampoo", "Biscuits", "Chocolate", "Yoghurt", "Wings", "Burger", "Soup", "Salad",
    "Folder", "Pen Blue", "Wire", "Tape", "Paint", "Brush", "Battery AA", "Curry", "Satay", "Cake Slice",
    "Mineral Water", "Detergent", "Tissue Roll", "Marker",
)  # fmt: skip
FAREWELLS = (
    "Thank you, please come again", "Goods sold are not returnable", "Exchange within 3 days with receipt",
    "Have a nice day!", "Please keep this receipt", "www.example.com/feedback", "Prices include 6% GST",
    "Follow us @example", "TERIMA KASIH", "This is a computer generated receipt", "Customer service: 1-300-88-2000",
    "E. & O. E.",
)  # fmt: skip
