"""Drawings: shapes, and their SVG for a page.

Owns the shapes and all SVG output. A shape has a named color of ``style.css`` or is styled by a class (``css``) there;
both adapt to light and dark mode. All text is escaped; tooltips are ``<title>`` elements and need no script.
``drawing_files`` writes files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Union

from markupsafe import Markup, escape

NARROW = 360
"""Width of a drawing for narrow screens, in pixels."""


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    width: float
    height: float
    color: str = ""
    title: str = ""
    css: str = ""
    round: float = 0.0  # radius of the corners


@dataclass(frozen=True)
class Stroke:
    x1: float
    y1: float
    x2: float
    y2: float
    color: str = ""
    width: float = 1.0
    css: str = ""


@dataclass(frozen=True)
class Words:
    """Text; ``x, y``: point of the baseline at ``anchor``."""

    text: str
    x: float
    y: float
    color: str = "ink"
    size: float = 13.0
    anchor: Literal["start", "middle", "end"] = "start"
    strong: bool = False
    css: str = ""


@dataclass(frozen=True)
class Curve:
    points: Sequence[tuple[float, float]]
    css: str


@dataclass(frozen=True)
class Disc:
    x: float
    y: float
    radius: float
    css: str


@dataclass(frozen=True)
class Outline:
    """An area given by the commands of an SVG path."""

    path: str
    title: str
    css: str


Shape = Union[Box, Stroke, Words, Curve, Disc, Outline]


@dataclass(frozen=True)
class Drawing:
    width: int
    height: int
    shapes: Sequence[Shape]
    label: str
    """Text for screen readers."""


def inline_svg(drawing: Drawing, narrow: Drawing | None = None) -> Markup:
    """SVG for a page with ``style.css``; on a narrow screen the page shows ``narrow`` instead, where it is given."""
    if narrow is None:
        return _inline(drawing)
    return _inline(drawing, css="broad") + _inline(narrow, css="narrow")


def _inline(drawing: Drawing, **looks: str) -> Markup:
    return element(
        "svg",
        *elements(drawing, lambda name: f"var(--{name})"),
        **looks,
        viewBox=f"0 0 {drawing.width} {drawing.height}",
        role="img",
        aria_label=drawing.label,
        preserveAspectRatio="xMinYMin",
    )


def elements(drawing: Drawing, color: Callable[[str], str]) -> list[Markup]:
    """SVG elements of the shapes, in their order; ``color`` returns the value of a color name."""
    return [_element_of(shape, color) for shape in drawing.shapes]


def _element_of(shape: Shape, color: Callable[[str], str]) -> Markup:
    looks = {"css": shape.css} if shape.css else {"style": _style(shape, color)}
    title = [element("title", shape.title)] if isinstance(shape, (Box, Outline)) and shape.title else []
    if isinstance(shape, Box):
        corners = {"rx": float(shape.round)} if shape.round else {}
        return element("rect", *title, **_floats(shape, "x", "y", "width", "height"), **corners, **looks)
    if isinstance(shape, Stroke):
        return element("line", **_floats(shape, "x1", "y1", "x2", "y2"), **looks)
    if isinstance(shape, Words):
        return element("text", shape.text, **_floats(shape, "x", "y"), **looks)
    if isinstance(shape, Curve):
        return element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points), **looks)
    if isinstance(shape, Disc):
        return element("circle", cx=float(shape.x), cy=float(shape.y), r=float(shape.radius), **looks)
    return element("path", *title, d=shape.path, **looks)


def _floats(shape: object, *names: str) -> dict[str, float]:
    return {name: float(getattr(shape, name)) for name in names}


def _style(shape: Shape, color: Callable[[str], str]) -> str:
    if isinstance(shape, Stroke):
        return f"stroke:{color(shape.color)};stroke-width:{shape.width:g}"
    if isinstance(shape, Words):
        weight = ";font-weight:600" if shape.strong else ""
        return f"fill:{color(shape.color)};font-size:{shape.size:g}px;text-anchor:{shape.anchor}{weight}"
    if isinstance(shape, Box):
        return f"fill:{color(shape.color)}"
    raise TypeError(f"a {type(shape).__name__} must be styled by a class")


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
