"""Charts of shares and of distributions: rings, histograms, ranges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from preprocessing.page.charts import Bar, Format, ticks
from preprocessing.page.drawing import Box, Disc, Drawing, Outline, Shape, Stroke, Words, inline_svg

PERCENTILES = (0.01, 0.1, 0.5, 0.9, 0.99)


def ring(slices: Sequence[Bar], label: str, middle: str = "", size: int = 240) -> Markup:
    """Shares as a ring, clockwise from the top; ``Bar.shown`` appears in a slice if it fits."""
    total = sum(bar.value for bar in slices) or 1.0
    center, outer, inner = size / 2, size / 2 - 4, size / 2 - 46
    shapes: list[Shape] = []
    texts: list[Shape] = []
    start = 0.0
    for bar in slices:
        share = bar.value / total
        path = _sector(center, outer, inner, start, share)
        shapes.append(Outline(path, bar.tooltip, f"bar slice {bar.color}"))
        if share > 0.07 and " " not in bar.color:  # white text is not legible on lighter shades
            angle, radius = 2 * math.pi * (start + share / 2), (outer + inner) / 2
            x, y = center + radius * math.sin(angle), center - radius * math.cos(angle)
            texts.append(Words(bar.shown, x, y + 4, css="inside middle"))
        start += share
    if middle:
        texts.append(Words(middle, center, center + 5, css="value middle"))
    return inline_svg(Drawing(size, size, [*shapes, *texts], label))


def _sector(center: float, outer: float, inner: float, start: float, share: float) -> str:
    """SVG path of a slice of a ring; a full ring is drawn as almost full, because an arc needs two ends."""
    first, last = 2 * math.pi * start, 2 * math.pi * (start + min(share, 0.99999))

    def at(radius: float, angle: float) -> str:
        return f"{center + radius * math.sin(angle):.2f},{center - radius * math.cos(angle):.2f}"

    large = int(share > 0.5)
    return (
        f"M{at(outer, first)} A{outer:.2f},{outer:.2f} 0 {large} 1 {at(outer, last)} "
        f"L{at(inner, last)} A{inner:.2f},{inner:.2f} 0 {large} 0 {at(inner, first)} Z"
    )


def histogram(
    heights: Sequence[float],
    edges: Sequence[str],
    color: str,
    label: str,
    *,
    behind: Sequence[float] = (),
    width: int = 420,
    height: int = 150,
) -> Markup:
    """Adjacent columns; ``edges``: labels of the ``len(heights) + 1`` borders; ``behind``: paler columns of a larger total."""
    left, bottom, top = 12, 24, 8
    step = (width - 2 * left) / max(len(heights), 1)
    highest = max([*heights, *behind], default=0.0) or 1.0
    shapes: list[Shape] = []
    for values, css in ((behind, "plain"), (heights, color)):
        for number, value in enumerate(values):
            size = (height - bottom - top) * value / highest
            text = f"{edges[number]} to {edges[number + 1]}: {heights[number]:,.0f}"
            title = f"{text} of {behind[number]:,.0f}" if behind else text
            x, y, high = left + number * step, height - bottom - size, max(size, 0.5 if value else 0.0)
            shapes.append(Box(x, y, max(step - 1.5, 0.5), high, title=title, css=f"bar {css}", round=1.5))
    every = max(1, math.ceil(len(edges) / 7))
    shapes += [
        Words(name, left + number * step, height - 8, css="tick middle")
        for number, name in enumerate(edges)
        if number % every == 0
    ]
    return inline_svg(Drawing(width, height, shapes, label))


# --- ranges ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """Distribution of one group's numbers: ``values`` are its PERCENTILES."""

    label: str
    color: str
    values: Sequence[float]


def range_chart(
    ranges: Sequence[Range],
    label: str,
    shown: Format,
    *,
    log: bool = False,
    left: int = 104,
    width: int = 420,
) -> Markup:
    """A row per group: a thin line from the 1st to the 99th percentile, a thick line from the 10th to the 90th, a dot at the
    median. ``log``: logarithmic scale for numbers of at least 1."""
    row, top, right, bottom = 22, 4, 16, 22
    base = top + row * len(ranges)
    low, high = _limits([value for item in ranges for value in item.values], log)

    def at(value: float) -> float:
        share = (
            (math.log(max(value, low) / low) / math.log(high / low)) if log else (value - low) / (high - low)
        )
        return left + (width - left - right) * share

    shapes: list[Shape] = []
    for value in _log_ticks(low, high) if log else ticks(low, high, 4):
        x = round(at(value)) + 0.5
        shapes.append(Stroke(x, top, x, base, css="grid"))
        shapes.append(Words(shown(value), x, base + 16, css="tick middle"))
    for number, item in enumerate(ranges):
        y = top + row * number + row / 2
        first, tenth, middle, ninetieth, last = map(at, item.values)
        text = ", ".join(f"{share:.0%} {shown(v)}" for share, v in zip(PERCENTILES, item.values, strict=True))
        title = f"{item.label}: {text}"
        shapes += [
            Words(item.label, left - 12, y + 4, css="tick end label"),
            Stroke(first, y, last, y, css=f"whisker {item.color}"),
            Stroke(tenth, y, ninetieth, y, css=f"box {item.color}"),
            Disc(middle, y, 4.2, f"median {item.color}"),
            Box(left, y - row / 2, width - left - right, row, title=title, css="strip"),
        ]
    return inline_svg(Drawing(width, base + bottom, shapes, label))


def _limits(values: Sequence[float], log: bool) -> tuple[float, float]:
    if log:
        low = max(1.0, min(values))
        return low, max(max(values), low * 2)
    return 0.0, max(values) or 0.01


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, with multiples in between if there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if high / low > 1000 else (1, 3) if high / low > 30 else (1, 2, 5)
    return [f * 10.0**power for power in powers for f in factors if low <= f * 10.0**power <= high]
