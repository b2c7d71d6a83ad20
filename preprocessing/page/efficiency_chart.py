"""Efficiency chart as in GECKO's report (arXiv 2405.15640): tokens relative to a chosen tokenizer, a panel per language.

Owns the placement of shapes. The value is ``100 * tokens(chosen) / tokens(this)``: higher is better, the chosen tokenizer
is at the red line of 100.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from preprocessing.page.drawing import NARROW, Box, Drawing, Stroke, Words
from preprocessing.page.palette import LANGUAGES, color_of
from preprocessing.page.text_diff import short_name

WIDTH, NAMES, GAP, VALUE = 860, 142, 26, 38
ROW, BAR, HEAD, FOOT, TOP, PANELS = 26, 15, 24, 28, 34, 3
Values = Mapping[str, float | None]


def efficiency_chart(panels: Sequence[tuple[str, Values]], chosen: str, narrow: bool = False) -> Drawing:
    """``panels``: language, and the value of each tokenizer by name, None if it has no tokens in that language.

    ``narrow``: the panels stand below each other.
    """
    full, side_by_side, top = (NARROW, 1, TOP + 18) if narrow else (WIDTH, PANELS, TOP)
    names = list(dict.fromkeys(name for _, values in panels for name in values))
    known = [value for _, values in panels for value in values.values() if value is not None]
    highest = max([100.0, *known])
    columns = min(len(panels), side_by_side) or 1
    width = (full - NAMES - GAP * (columns - 1)) / columns
    height = HEAD + ROW * len(names) + FOOT
    shapes: list[Box | Stroke | Words] = [
        Words("Tokenizer efficiency, %", 0, 16, size=14, strong=True),
        Words(
            f"same text, relative to {short_name(chosen)} = 100; higher is better",
            *((0, 34) if narrow else (200, 16)),
            "soft",
            12.5,
        ),
    ]
    for number, (lang, values) in enumerate(panels):
        row, column = divmod(number, side_by_side)
        y, x = top + row * height, NAMES + column * (width + GAP)
        if column == 0:
            shapes += [
                Words(short_name(name), NAMES - 10, y + HEAD + ROW * i + 16, anchor="end", size=12.5)
                for i, name in enumerate(names)
            ]
        shapes += _panel(lang, values, names, chosen, x, y, highest, (width - VALUE) / highest)
    rows = -(-len(panels) // side_by_side)
    label = "; ".join(
        f"{lang}: {', '.join(f'{n} {v:.0f}' for n, v in values.items() if v is not None)}"
        for lang, values in panels
    )
    return Drawing(
        full, top + rows * height, shapes, f"Tokenizer efficiency relative to {chosen} = 100. {label}"
    )


def _panel(
    lang: str,
    values: Values,
    names: Sequence[str],
    chosen: str,
    x: float,
    y: float,
    highest: float,
    scale: float,
) -> list[Box | Stroke | Words]:
    """One language: a bar for each tokenizer in the order of ``names``, and the red line on top."""
    bottom = y + HEAD + ROW * len(names)
    color = color_of(lang)
    title = LANGUAGES.get(lang, lang)
    shapes: list[Box | Stroke | Words] = [
        Words(title[:1].upper() + title[1:], x, y + 14, color, 13, strong=True),
        Stroke(x, bottom, x + highest * scale + VALUE, bottom, "rule"),
    ]
    for i, name in enumerate(names):
        value = values.get(name)
        top = y + HEAD + ROW * i
        if value is None:
            shapes.append(Words("no tokens", x + 6, top + 16, "soft", 11.5))
            continue
        shown = f"{value:.0f}" if value >= 10 else f"{value:.1f}"
        tip = f"{name}, {title}: {value:.1f} % of the efficiency of {chosen}"
        shapes += [
            Box(
                x, top + 4, max(1.0, value * scale), BAR, "plain" if name == chosen else color, tip
            ),
            Words(shown, x + highest * scale + VALUE, top + 16, size=12.5, anchor="end"),
        ]  # fmt: skip
    at = x + 100 * scale
    return [
        *shapes,
        Stroke(at, y + HEAD - 3, at, bottom + 3, "mark", 1.6),
        Words("100", at, bottom + 14, "mark", 11, "middle"),
    ]
