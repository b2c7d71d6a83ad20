"""Templates that quote: the text, and who wrote it where, as a quotation of Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from preprocessing.markup.wiki_arguments import Named, first_of, is_technical
from preprocessing.markup.wiki_items import Items, is_item
from preprocessing.markup.wiki_lines import BREAK

_QUOTES = frozenset((
    "quote", "cquote", "blockquote", "인용구", "인용상자", "quotation", "rquote", "pquote", "quote_box",
    "poem", "poemquote", "시", "verse", "글상자인용", "따온글", "인용",
))  # fmt: skip
_BOX = re.compile("box$|상자$")  # shows its title above the text
_SHORTEST_QUOTATION = 10  # of templates that cite, too, but then have names for all arguments
_TEXT_NAMES = ("text", "quote", "내용", "인용", "인용문", "본문", "글")
_AUTHOR_NAMES, _SOURCE_NAMES = ("author", "저자", "작가", "지은이", "말한이", "sign"), ("source", "출처")
_TITLE_NAMES = ("title", "제목")


def is_quotation(key: str, plain: Sequence[str]) -> bool:
    """Whether a template named ``key`` quotes, and does not only cite."""
    has_text = len("".join(plain[:1])) > _SHORTEST_QUOTATION
    return key in _QUOTES or key.startswith("인용문") or (key.endswith("인용") and has_text)


def format_quotation(key: str, plain: Sequence[str], named: Named) -> str:
    """The text with its author, work and source in a line of its own; the title of a box is above it."""
    plain = plain[len(plain) > 1 and is_technical(plain[0]) :]  # the side on which it stands
    text = plain[0] if plain else first_of(named, _TEXT_NAMES)
    if not text:
        return ""
    title, author, source = (first_of(named, names) for names in (_TITLE_NAMES, _AUTHOR_NAMES, _SOURCE_NAMES))
    heading = title if _BOX.search(key) else ""
    # sizes of the marks may come first
    authors = [part for part in plain[1:] if part and not is_technical(part)][:2] or [author]
    origin = ", ".join(dict.fromkeys(filter(None, [*authors, title if not heading else "", source])))
    items = Items()
    written = [line.strip() for line in re.split(rf"{BREAK.pattern}\n?|\n", text)]
    lines = [heading] * bool(heading)
    lines += [items.write(line) if is_item(line) else line for line in written]
    lines += [f"— {origin}"] * bool(origin)
    return "\n" + "\n".join(f"> {line}" for line in lines) + "\n"
