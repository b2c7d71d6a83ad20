"""A drawing as a list of shapes, which is written as SVG for a page, as an SVG file, and as a PNG file.

Owns the three ways; they show the same shapes. Colours are the names of ``style.css``: in a page they follow light and
dark, in files they are those of light. A PNG needs Pillow, which brings its own Latin font.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from megatron_ko.errors import DataError
from preprocessing.page.charts import element, svg
from preprocessing.page.template import STYLE

FONTS = "Inter, Pretendard, Noto Sans KR, Noto Sans CJK KR, Malgun Gothic, Helvetica, Arial, sans-serif"
PNG_SCALE, SAMPLES = 2, 2
"""Pixels of a PNG per unit, and points drawn per pixel and axis before they are averaged."""
MARGIN = 16  # around the drawing in files


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    width: float
    height: float
    colour: str
    title: str = ""


@dataclass(frozen=True)
class Stroke:
    x1: float
    y1: float
    x2: float
    y2: float
    colour: str
    width: float = 1.0


@dataclass(frozen=True)
class Words:
    """``x, y``: of the baseline, where ``anchor`` says."""

    text: str
    x: float
    y: float
    colour: str = "ink"
    size: float = 13.0
    anchor: Literal["start", "middle", "end"] = "start"
    strong: bool = False


@dataclass(frozen=True)
class Drawing:
    width: int
    height: int
    shapes: Sequence[Box | Stroke | Words]
    label: str
    """What is read aloud instead of it."""


@functools.cache
def light_colours() -> dict[str, str]:
    """Names and values of the first block of ``style.css``."""
    block = re.search(r":root \{(.*?)\}", STYLE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block[1]))


def inline_svg(drawing: Drawing) -> Markup:
    """For a page with ``style.css``."""
    return svg(
        drawing.width, drawing.height, _elements(drawing, lambda name: f"var(--{name})"), drawing.label
    )


def svg_file(drawing: Drawing) -> str:
    """A file that stands alone, on the colour of paper."""
    colours = light_colours()
    width, height = drawing.width + 2 * MARGIN, drawing.height + 2 * MARGIN
    paper = Box(-MARGIN, -MARGIN, width, height, "sheet")
    whole = Drawing(width, height, [paper, *drawing.shapes], drawing.label)
    made = element(
        "svg", Markup("\n").join(_elements(whole, colours.__getitem__)), xmlns="http://www.w3.org/2000/svg",
        width=width, height=height, viewBox=f"{-MARGIN} {-MARGIN} {width} {height}",
        font_family=FONTS, role="img", aria_label=drawing.label,
    )  # fmt: skip
    return f"{made}\n"


def _elements(drawing: Drawing, colour: Callable[[str], str]) -> list[Markup]:
    made = []
    for shape in drawing.shapes:
        style = f"fill:{colour(shape.colour)}"
        if isinstance(shape, Box):
            title = [element("title", shape.title)] if shape.title else []
            made.append(
                element("rect", *title, x=float(shape.x), y=float(shape.y), width=float(shape.width), height=float(shape.height), style=style)
            )  # fmt: skip
        elif isinstance(shape, Stroke):
            style = f"stroke:{colour(shape.colour)};stroke-width:{shape.width:g}"
            made.append(
                element("line", x1=float(shape.x1), y1=float(shape.y1), x2=float(shape.x2), y2=float(shape.y2), style=style)
            )  # fmt: skip
        else:
            weight = ";font-weight:600" if shape.strong else ""
            style += f";font-size:{shape.size:g}px;text-anchor:{shape.anchor}{weight}"
            made.append(element("text", shape.text, x=float(shape.x), y=float(shape.y), style=style))
    return made


# --- PNG -------------------------------------------------------------------------------------------------


def png_available() -> bool:
    return importlib.util.find_spec("PIL") is not None


def png_file(drawing: Drawing) -> bytes:
    """Raises DataError where Pillow is not installed."""
    if not png_available():
        raise DataError("PNG files need the package Pillow; pip install 'megatron_ko[plots]'")
    from PIL import Image, ImageDraw, ImageFont

    colours = light_colours()
    scale = PNG_SCALE * SAMPLES
    size = (drawing.width + 2 * MARGIN, drawing.height + 2 * MARGIN)
    image = Image.new("RGB", (size[0] * scale, size[1] * scale), colours["sheet"])
    brush = ImageDraw.Draw(image)
    for shape in drawing.shapes:
        colour = colours[shape.colour]
        if isinstance(shape, Box):
            left, top, right, bottom = _pixels(
                shape.x, shape.y, shape.x + shape.width, shape.y + shape.height
            )
            brush.rectangle((left, top, right - 1, bottom - 1), fill=colour)
        elif isinstance(shape, Stroke):
            ends = _pixels(shape.x1, shape.y1, shape.x2, shape.y2)
            brush.line(ends, fill=colour, width=max(1, round(shape.width * scale)))
        else:
            font = ImageFont.load_default(size=shape.size * scale)
            anchor = {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor]
            # the font has one weight: strong letters get an outline
            outline = 1 if shape.strong else 0
            x, y = _pixels(shape.x, shape.y)
            brush.text((x, y), latin(shape.text), fill=colour, font=font, anchor=anchor, stroke_width=outline)
    small = image.resize((size[0] * PNG_SCALE, size[1] * PNG_SCALE), Image.Resampling.BOX)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


def _pixels(*units: float) -> list[int]:
    return [round((unit + MARGIN) * PNG_SCALE * SAMPLES) for unit in units]


def latin(text: str) -> str:
    """The text for a font without other letters: those are written as their code point."""
    return "".join(c if ord(c) < 0x180 else f"U+{ord(c):04X}" for c in text.replace("…", "..."))
