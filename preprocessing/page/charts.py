"""Charts: lines over steps, horizontal bars, stacked bars; ``distributions`` has charts of shares and distributions.

Owns scales, ticks and marks; shapes and SVG are in ``drawing``. Colors are CSS classes (``style.css``). Charts wider than
NARROW are drawn a second time for narrow screens, where a bar has its name and value above it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from megatron_ko.tables import width_of
from preprocessing.page.drawing import NARROW, Box, Curve, Disc, Drawing, Shape, Stroke, Words, inline_svg

NAME_CHARACTER = 7.8  # width of a letter of a curve's name, in the widest of the usual fonts
TICK_CHARACTER = 6.6
NARROW_ROW = 58
Format = Callable[[float], str]
Scale = Callable[[float], float]


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
    """One curve: ``points`` are (x, y); ``color`` a CSS class; ``faint`` for raw values behind a smoothed curve."""

    name: str
    color: str
    points: Sequence[tuple[float, float]]
    faint: bool = False
    dots: bool = False


@dataclass(frozen=True)
class Panel:
    """The frame of a line chart: sizes in SVG units, formats of the values."""

    width: int = 860
    height: int = 300
    left: int = 52
    right: int = 112
    top: int = 12
    bottom: int = 34
    y_format: Format = "{:g}".format
    x_label: str = "step"
    zero: bool = False
    names: bool = True
    x_ticks: int = 6
    y_ticks: int = 5


def line_chart(lines: Sequence[Line], panel: Panel, label: str) -> Markup:
    """Curves, named at their right end, with one tooltip per x."""
    drawing = _line_drawing(lines, panel, label)
    if panel.width <= NARROW:
        return inline_svg(drawing)
    narrow = replace(panel, width=NARROW, height=min(panel.height, 240), x_ticks=min(panel.x_ticks, 4))
    return inline_svg(drawing, _line_drawing(lines, narrow, label))


def _line_drawing(lines: Sequence[Line], panel: Panel, label: str) -> Drawing:
    if panel.names:
        longest = max((width_of(line.name) for line in lines if not line.faint), default=0)
        panel = replace(panel, right=max(panel.right, math.ceil(NAME_CHARACTER * longest) + 10))
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

    shapes = [*_grid(panel, ticks(low, high, panel.y_ticks), at_y), *_steps(panel, x_low, x_high, at_x)]
    for line in drawn:
        points = [(at_x(x), at_y(y)) for x, y in line.points if math.isfinite(y)]
        shapes.append(Curve(points, f"line {line.color}{' faint' if line.faint else ''}"))
        if line.dots:
            shapes += [Disc(at_x(x), at_y(y), 2.6, f"dot {line.color}") for x, y in line.points]
    if panel.names:
        shapes += _names([line for line in drawn if line.name and not line.faint], panel, at_y)
    shapes += _tooltips(drawn, panel, at_x, height)
    return Drawing(panel.width, panel.height, shapes, label)


def _grid(panel: Panel, values: list[float], at_y: Scale) -> list[Shape]:
    right = panel.width - panel.right
    shapes: list[Shape] = []
    for value in values:
        y = round(at_y(value)) + 0.5
        shapes.append(Stroke(panel.left, y, right, y, css="grid"))
        shapes.append(Words(panel.y_format(value), panel.left - 8, y + 4, css="tick end"))
    return shapes


def _steps(panel: Panel, low: float, high: float, at_x: Scale) -> list[Shape]:
    if not panel.x_ticks:
        return []
    y = panel.height - panel.bottom + 18
    end = panel.width - panel.right + 18
    shapes: list[Shape] = []
    for x in ticks(low, high, panel.x_ticks):
        text = f"{x:,.0f}"
        overlaps = panel.x_label and at_x(x) + TICK_CHARACTER * len(text) / 2 > end - 6
        if x == int(x) and not overlaps:
            shapes.append(Words(text, at_x(x), y, css="tick middle"))
    if panel.x_label:
        shapes.append(Words(panel.x_label, end, y, css="tick"))
    return shapes


def _names(lines: Sequence[Line], panel: Panel, at_y: Scale) -> list[Shape]:
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
        Words(line.name, x, y + 4, css=f"name {line.color}")
        for y, (_, line) in zip(places, wanted, strict=True)
    ]


def _tooltips(lines: Sequence[Line], panel: Panel, at_x: Scale, height: int) -> list[Shape]:
    """An invisible strip per x whose title lists every curve there."""
    by_x: dict[float, list[str]] = {}
    for line in lines:
        for x, y in line.points:
            by_x.setdefault(x, []).append(
                f"{line.name}  {panel.y_format(y)}" if line.name else panel.y_format(y)
            )
    xs = sorted(by_x)
    shapes: list[Shape] = []
    for i, x in enumerate(xs):
        here = at_x(x)
        left = (here + at_x(xs[i - 1])) / 2 if i else here - 4
        right = (here + at_x(xs[i + 1])) / 2 if i + 1 < len(xs) else here + 4
        title = "\n".join([f"{panel.x_label or 'step'} {x:,.0f}", *by_x[x]])
        shapes.append(Box(left, panel.top, right - left, height, title=title, css="strip"))
    return shapes


# --- bars ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """One horizontal bar: ``shown`` is the text of its value, ``title`` the tooltip."""

    label: str
    value: float
    color: str
    shown: str
    title: str = ""

    @property
    def tooltip(self) -> str:
        return self.title or f"{self.label}: {self.shown}"


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
    """Horizontal bars from 0, with an optional red line at ``mark``; ``right``: space for the values."""
    row, top = 30, 26 if mark is not None else 4
    scale = (width - left - right) / _highest(bars, mark)
    shapes: list[Shape] = []
    values: list[Shape] = []
    for number, bar in enumerate(bars):
        y = top + number * row
        length = max(1.0, bar.value * scale)
        shapes.append(Words(bar.label, left - 10, y + 17, css="tick end label"))
        shapes.append(Box(left, y + 3, length, row - 10, title=bar.tooltip, css=f"bar {bar.color}", round=3))
        values.append(Words(bar.shown, left + length + 8, y + 17, css="value"))
    height = top + len(bars) * row + 4
    shapes += _mark(mark, mark_text, left, scale, height)
    return inline_svg(
        Drawing(width, height, [*shapes, *values], label), _narrow_bars(bars, label, mark, mark_text)
    )


def _highest(bars: Sequence[Bar], mark: float | None) -> float:
    return max([bar.value for bar in bars] + [mark or 0.0]) or 1.0


def _mark(mark: float | None, text: str, left: float, scale: float, height: float) -> list[Shape]:
    if mark is None:
        return []
    x = left + mark * scale
    return [Stroke(x, 18, x, height - 2, css="mark"), Words(text, x, 12, css="mark-text middle")]


def _narrow_bars(bars: Sequence[Bar], label: str, mark: float | None, mark_text: str) -> Drawing:
    row, top = 44, 26 if mark is not None else 2
    scale = (NARROW - 2) / _highest(bars, mark)
    height = top + len(bars) * row
    shapes = _mark(mark, mark_text, 0, scale, height)
    for number, bar in enumerate(bars):
        y = top + number * row
        length = max(1.0, bar.value * scale)
        shapes += [
            Words(bar.label, 0, y + 14, css="label"),
            Words(bar.shown, NARROW, y + 14, css="value end"),
            Box(0, y + 20, length, 15, title=bar.tooltip, css=f"bar {bar.color}", round=3),
        ]
    return Drawing(NARROW, height, shapes, label)


def stacked_bars(
    rows: Sequence[tuple[str, Sequence[Bar]]], label: str, *, left: int = 150, width: int = 860
) -> Markup:
    """Rows of shares that fill the width; ``Bar.shown`` appears inside a bar if it fits."""
    row = 38
    shapes: list[Shape] = []
    narrow: list[Shape] = []
    for number, (name, bars) in enumerate(rows):
        y = number * row + 4
        shapes.append(Words(name, left - 12, y + 18, css="tick end label"))
        shapes += _shares(bars, left, y, width - left - 4)
        y = number * NARROW_ROW
        narrow.append(Words(name, 0, y + 14, css="label"))
        narrow += _shares(bars, 0, y + 20, NARROW)
    return inline_svg(
        Drawing(width, len(rows) * row + 2, shapes, label),
        Drawing(NARROW, len(rows) * NARROW_ROW, narrow, label),
    )


def _shares(bars: Sequence[Bar], x: float, y: float, full: float) -> list[Shape]:
    """One row of ``full`` width."""
    shapes: list[Shape] = []
    total = sum(bar.value for bar in bars) or 1.0
    for bar in bars:
        length = full * bar.value / total
        css = f"bar {bar.color}"
        shapes.append(Box(x, y, max(0.5, length - 1.5), 27, title=bar.tooltip, css=css, round=2))
        inside = f"{bar.label} {bar.shown}"
        room = 7.6 * len(inside) + 10
        text = inside if length > room else bar.label if length > 7.6 * len(bar.label) + 10 else ""
        if text:
            shapes.append(Words(text, x + length / 2, y + 18, css="inside middle"))
        x += length
    return shapes
