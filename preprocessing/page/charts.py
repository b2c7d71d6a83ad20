"""Charts as SVG text: lines over steps, horizontal bars, stacked bars; ``distributions`` has those of shares and spreads.

Owns scales, ticks and marks. Colours are CSS classes (``style.css``), so that a chart follows light and dark; every
text is escaped; tooltips are ``<title>`` elements and need no script.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

Format = Callable[[float], str]
Scale = Callable[[float], float]


def element(name: str, *inside: object, **attributes: object) -> Markup:
    """``<name a="b">inside</name>``; ``css`` is the class, ``_`` in names becomes ``-``."""
    names = {"css": "class"}
    pairs = "".join(
        f' {names.get(key, key.replace("_", "-"))}="{escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    body = Markup("").join(escape(item) for item in inside)
    return Markup(f"<{name}{pairs}>{body}</{name}>")


def _number(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten) within [low, high], about ``count`` of them."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Line:
    """One curve: ``points`` are (x, y); ``colour`` a CSS class; ``faint`` for raw values behind a smoothed curve."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    faint: bool = False
    dots: bool = False


@dataclass(frozen=True)
class Panel:
    """The frame of a line chart: sizes in SVG units, formats of the values."""

    width: int = 860
    height: int = 300
    left: int = 52
    right: int = 96
    top: int = 12
    bottom: int = 34
    y_format: Format = "{:g}".format
    x_label: str = "step"
    zero: bool = False
    names: bool = True
    x_ticks: int = 6
    y_ticks: int = 5


def line_chart(lines: Sequence[Line], panel: Panel, label: str) -> Markup:
    """Curves with their names at the right end and one tooltip per x."""
    drawn = [line for line in lines if line.points]
    xs = [x for line in drawn for x, _ in line.points]
    ys = [y for line in drawn for _, y in line.points if math.isfinite(y)]
    low, high = (0.0 if panel.zero else min(ys)), max(ys)
    pad = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    low, high = (0.0 if panel.zero else low - pad), high + pad
    x_low, x_high = min(0.0, min(xs)), max(xs)
    width, height = panel.width - panel.left - panel.right, panel.height - panel.top - panel.bottom

    def at_x(x: float) -> float:
        return panel.left + width * (x - x_low) / ((x_high - x_low) or 1)

    def at_y(y: float) -> float:
        return panel.top + height * (1 - (y - low) / (high - low))

    parts = [_grid(panel, ticks(low, high, panel.y_ticks), at_y), _steps(panel, x_low, x_high, at_x)]
    for line in drawn:
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in line.points if math.isfinite(y))
        parts.append(
            element("polyline", points=path, css=f"line {line.colour}{' faint' if line.faint else ''}")
        )
        if line.dots:
            parts += [
                element("circle", cx=at_x(x), cy=at_y(y), r=2.6, css=f"dot {line.colour}")
                for x, y in line.points
            ]
    if panel.names:
        parts += _names([line for line in drawn if line.name and not line.faint], panel, at_y)
    parts.append(_tooltips(drawn, panel, at_x, height))
    return svg(panel.width, panel.height, parts, label)


def svg(width: int, height: int, parts: Sequence[Markup], label: str) -> Markup:
    """The drawing; ``label`` is what is read aloud instead of it."""
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=label,
        preserveAspectRatio="xMinYMin",
    )


def _grid(panel: Panel, values: list[float], at_y: Scale) -> Markup:
    right = panel.width - panel.right
    parts = []
    for value in values:
        y = round(at_y(value)) + 0.5
        parts.append(element("line", x1=panel.left, x2=right, y1=y, y2=y, css="grid"))
        parts.append(element("text", panel.y_format(value), x=panel.left - 8, y=y + 4, css="tick end"))
    return Markup("").join(parts)


def _steps(panel: Panel, low: float, high: float, at_x: Scale) -> Markup:
    if not panel.x_ticks:
        return Markup("")
    base = panel.height - panel.bottom
    found = [x for x in ticks(low, high, panel.x_ticks) if x == int(x)]
    marks = [element("text", f"{x:,.0f}", x=at_x(x), y=base + 18, css="tick middle") for x in found]
    if panel.x_label:
        marks.append(
            element("text", panel.x_label, x=panel.width - panel.right + 18, y=base + 18, css="tick")
        )
    return Markup("").join(marks)


def _names(lines: Sequence[Line], panel: Panel, at_y: Scale) -> list[Markup]:
    """Names right of the last point, moved apart where they would overlap."""
    gap = 15.0
    wanted = sorted(((at_y(line.points[-1][1]), line) for line in lines), key=lambda pair: pair[0])
    places: list[float] = []
    for y, _ in wanted:
        places.append(max(y, places[-1] + gap) if places else y)
    over = max(0.0, places[-1] - (panel.height - panel.bottom)) if places else 0.0
    for i in range(len(places) - 1, -1, -1):
        places[i] = min(
            places[i] - (over if i == len(places) - 1 else 0),
            places[i + 1] - gap if i + 1 < len(places) else math.inf,
        )
    x = panel.width - panel.right + 8
    return [
        element("text", line.name, x=x, y=y + 4, css=f"name {line.colour}")
        for y, (_, line) in zip(places, wanted, strict=True)
    ]


def _tooltips(lines: Sequence[Line], panel: Panel, at_x: Scale, height: int) -> Markup:
    """An invisible strip per x whose title lists every curve there."""
    by_x: dict[float, list[str]] = {}
    for line in lines:
        for x, y in line.points:
            by_x.setdefault(x, []).append(
                f"{line.name}  {panel.y_format(y)}" if line.name else panel.y_format(y)
            )
    xs = sorted(by_x)
    parts = []
    for i, x in enumerate(xs):
        here = at_x(x)
        left = (here + at_x(xs[i - 1])) / 2 if i else here - 4
        right = (here + at_x(xs[i + 1])) / 2 if i + 1 < len(xs) else here + 4
        title = element("title", "\n".join([f"{panel.x_label or 'step'} {x:,.0f}", *by_x[x]]))
        parts.append(
            element("rect", title, x=left, y=panel.top, width=right - left, height=height, css="strip")
        )
    return Markup("").join(parts)


# --- bars ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """One horizontal bar: ``shown`` is the text of its value, ``title`` the tooltip."""

    label: str
    value: float
    colour: str
    shown: str
    title: str = ""


def bar_chart(
    bars: Sequence[Bar],
    label: str,
    *,
    mark: float | None = None,
    mark_text: str = "",
    left: int = 120,
    right: int = 110,
    width: int = 860,
) -> Markup:
    """Horizontal bars from 0, with an optional red line at ``mark``; ``right`` is room for the values."""
    row, top = 30, 26 if mark is not None else 4
    highest = max([bar.value for bar in bars] + [mark or 0.0]) or 1.0
    scale = (width - left - right) / highest
    parts, values = [], []
    for number, bar in enumerate(bars):
        y = top + number * row
        title = element("title", bar.title or f"{bar.label}: {bar.shown}")
        length = max(1.0, bar.value * scale)
        parts += [
            element("text", bar.label, x=left - 10, y=y + 17, css="tick end label"),
            element(
                "rect", title, x=left, y=y + 3, width=length, height=row - 10, rx=3, css=f"bar {bar.colour}"
            ),
        ]
        values.append(element("text", bar.shown, x=left + length + 8, y=y + 17, css="value"))
    height = top + len(bars) * row + 4
    if mark is not None:
        x = left + mark * scale
        parts.append(element("line", x1=x, x2=x, y1=18, y2=height - 2, css="mark"))
        parts.append(element("text", mark_text, x=x, y=12, css="mark-text middle"))
    return svg(width, height, [*parts, *values], label)


def stacked_bars(
    rows: Sequence[tuple[str, Sequence[Bar]]], label: str, *, left: int = 150, width: int = 860
) -> Markup:
    """Rows of shares that fill the width; ``Bar.shown`` is written inside where there is room."""
    row, full = 38, width - left - 4
    parts = []
    for number, (name, bars) in enumerate(rows):
        y, x = number * row + 4, float(left)
        total = sum(bar.value for bar in bars) or 1.0
        parts.append(element("text", name, x=left - 12, y=y + 18, css="tick end label"))
        for bar in bars:
            length = full * bar.value / total
            title = element("title", bar.title or f"{bar.label}: {bar.shown}")
            parts.append(
                element(
                    "rect",
                    title,
                    x=x,
                    y=y,
                    width=max(0.5, length - 1.5),
                    height=row - 11,
                    rx=2,
                    css=f"bar {bar.colour}",
                )
            )
            inside = f"{bar.label} {bar.shown}"
            room = 7.6 * len(inside) + 10
            text = inside if length > room else bar.label if length > 7.6 * len(bar.label) + 10 else ""
            if text:
                parts.append(element("text", text, x=x + length / 2, y=y + 18, css="inside middle"))
            x += length
    return svg(width, len(rows) * row + 2, parts, label)
