"""Drawings as self-contained files: SVG, and PNG by Pillow, which includes a Latin font.

Colors are those of light mode in ``style.css``, so every shape needs its own color; shapes styled by a class are for
pages only.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import re

from markupsafe import Markup

from megatron_ko.errors import DataError
from preprocessing.page.drawing import Box, Drawing, Stroke, Words, element, elements
from preprocessing.page.template import STYLE

FONTS = "Inter, Pretendard, Noto Sans KR, Noto Sans CJK KR, Malgun Gothic, Helvetica, Arial, sans-serif"
PNG_SCALE, SAMPLES = 2, 2
"""Pixels of a PNG per unit, and samples per pixel and axis, which are averaged."""
MARGIN = 16


@functools.cache
def light_colors() -> dict[str, str]:
    """Names and values of the first block of ``style.css``, the light mode."""
    block = re.search(r":root \{(.*?)\}", STYLE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block[1]))


def _self_colored_shapes(drawing: Drawing) -> list[Box | Stroke | Words]:
    """The shapes of the drawing. Raises TypeError if one has no color of its own."""
    shapes = [shape for shape in drawing.shapes if isinstance(shape, (Box, Stroke, Words)) and not shape.css]
    if len(shapes) < len(drawing.shapes):
        raise TypeError("a drawing with shapes styled by a class is for pages only")
    return shapes


def svg_file(drawing: Drawing) -> str:
    """SVG of a self-contained file, on a background."""
    colors = light_colors()
    width, height = drawing.width + 2 * MARGIN, drawing.height + 2 * MARGIN
    paper = Box(-MARGIN, -MARGIN, width, height, "sheet")
    whole = Drawing(width, height, [paper, *_self_colored_shapes(drawing)], drawing.label)
    svg = element(
        "svg", Markup("\n").join(elements(whole, colors.__getitem__)), xmlns="http://www.w3.org/2000/svg",
        width=width, height=height, viewBox=f"{-MARGIN} {-MARGIN} {width} {height}",
        font_family=FONTS, role="img", aria_label=drawing.label,
    )  # fmt: skip
    return f"{svg}\n"


# --- PNG -------------------------------------------------------------------------------------------------


def png_available() -> bool:
    return importlib.util.find_spec("PIL") is not None


def png_file(drawing: Drawing) -> bytes:
    """Bytes of a PNG file. Raises DataError if Pillow is not installed."""
    if not png_available():
        raise DataError(
            "PNG files require the package Pillow; run pip install 'megatron_ko[plots]'",
            rule="missing-package",
        )
    from PIL import Image, ImageDraw, ImageFont

    colors = light_colors()
    scale = PNG_SCALE * SAMPLES
    size = (drawing.width + 2 * MARGIN, drawing.height + 2 * MARGIN)
    image = Image.new("RGB", (size[0] * scale, size[1] * scale), colors["sheet"])
    brush = ImageDraw.Draw(image)
    for shape in _self_colored_shapes(drawing):
        color = colors[shape.color]
        if isinstance(shape, Box):
            left, top, right, bottom = _pixels(
                shape.x, shape.y, shape.x + shape.width, shape.y + shape.height
            )
            brush.rectangle((left, top, right - 1, bottom - 1), fill=color)
        elif isinstance(shape, Stroke):
            ends = _pixels(shape.x1, shape.y1, shape.x2, shape.y2)
            brush.line(ends, fill=color, width=max(1, round(shape.width * scale)))
        else:
            font = ImageFont.load_default(size=shape.size * scale)
            anchor = {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor]
            # the font has one weight: bold text gets an outline
            outline = 1 if shape.strong else 0
            x, y = _pixels(shape.x, shape.y)
            brush.text((x, y), latin(shape.text), fill=color, font=font, anchor=anchor, stroke_width=outline)
    small = image.resize((size[0] * PNG_SCALE, size[1] * PNG_SCALE), Image.Resampling.BOX)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


def _pixels(*units: float) -> list[int]:
    return [round((unit + MARGIN) * PNG_SCALE * SAMPLES) for unit in units]


def latin(text: str) -> str:
    """The text for a Latin font; other characters become their code points."""
    return "".join(c if ord(c) < 0x180 else f"U+{ord(c):04X}" for c in text.replace("…", "..."))
