"""The table of converters from markup to plain text or light Markdown.

A converter takes and returns a text, never raises, and is linear in its length. The text is composed and its lines end with
line feeds; ``convert`` sees to both.
"""

from __future__ import annotations

from collections.abc import Callable

from preprocessing.markup.asciidoc import asciidoc_to_markdown
from preprocessing.markup.html_elements import unescape
from preprocessing.markup.html_text import HTML_HINT, has_html, html_to_text
from preprocessing.markup.latex import latex_to_markdown
from preprocessing.markup.message_catalog import po_to_text
from preprocessing.markup.namumark import namumark_to_markdown
from preprocessing.markup.notebook import notebook_to_markdown
from preprocessing.markup.org_mode import org_to_markdown
from preprocessing.markup.restructured_text import rst_to_markdown
from preprocessing.markup.wikitext import mediawiki_to_markdown
from preprocessing.text.characters import change_composed

__all__ = [
    "CONVERTERS",
    "HTML_HINT",
    "asciidoc_to_markdown",
    "convert",
    "has_html",
    "html_to_text",
    "latex_to_markdown",
    "mediawiki_to_markdown",
    "namumark_to_markdown",
    "notebook_to_markdown",
    "org_to_markdown",
    "po_to_text",
    "rst_to_markdown",
    "unescape",
]

CONVERTERS: dict[str, Callable[[str], str]] = {
    "html": html_to_text,
    "mediawiki": mediawiki_to_markdown,
    "namumark": namumark_to_markdown,
    "latex": latex_to_markdown,
    "rst": rst_to_markdown,
    "asciidoc": asciidoc_to_markdown,
    "notebook": notebook_to_markdown,
    "org": org_to_markdown,
    "po": po_to_text,
}


def convert(markup: str, text: str) -> str:
    """What one of CONVERTERS makes of a text, whatever its line ends and its form of Unicode."""
    return change_composed(text, CONVERTERS[markup])
