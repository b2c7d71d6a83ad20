"""Renders the template of a page: one environment, with escaping, our filters and our style."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from megatron_ko.wording import format_bytes, format_count
from preprocessing.page import number_text, text_diff
from preprocessing.page.palette import LANGUAGES, color_of, shades_of

STYLE = Path(__file__).resolve().parent / "style.css"


def render_template(
    template: Path,
    domains: Iterable[str],
    filters: dict[str, Callable[..., Any]] | None = None,
    **values: Any,
) -> str:
    """HTML of the page. ``domains`` get shades of their language's color; ``languages`` and ``style`` are predefined values."""
    shades = shades_of(domains)
    environment = Environment(
        loader=FileSystemLoader([template.parent, STYLE.parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        short=number_text.short,
        size=format_bytes,
        percent=number_text.percent,
        difference=number_text.difference,
        count_of=format_count,
        visible=text_diff.visible,
        color=lambda name: shades.get(name) or color_of(name),
        **(filters or {}),
    )
    style = Markup(STYLE.read_text(encoding="utf-8"))
    return environment.get_template(template.name).render(style=style, languages=LANGUAGES, **values)
