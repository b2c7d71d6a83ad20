"""Elements of HTML in wikitext: comments outside of code, and tables and lists, which become those of wikitext.

Every pass is linear in the length of the text.
"""

from __future__ import annotations

import re

_COMMENT_OR_CODE = re.compile(
    r"<!--|<(nowiki|pre|syntaxhighlight|source)(?=[\s>])[^<>]{0,2000}(?<!/)>", re.IGNORECASE
)
_HAS_BLOCKS = re.compile(r"<(?:table|li)[\s>]", re.IGNORECASE)
_BLOCK = re.compile(
    r"\s{0,200}<(?P<close>/?)(?P<name>table|thead|tbody|tfoot|caption|t[rdh]|[uo]l|li)"
    r"(?P<style>\s[^<>|]{0,2000})?>\s{0,200}",
    re.IGNORECASE,
)
_TABBER = re.compile(r"<tabber>([^<]*(?:<(?!/tabber>)[^<]*)*)</tabber>", re.IGNORECASE)
_TABS = re.compile(
    r"</?(tabs?)(?:\s[^<>]{0,200}?(?:name|title)\s{0,5}=\s{0,5}(?:\"([^\"<>]{1,200})\"|'([^'<>]{1,200})'))?(?:\s[^<>]{0,200})?>",
    re.IGNORECASE,
)
_MARKS = {"caption": "|+ ", "tr": "|-\n", "td": "| ", "th": "! "}
_ITEMS = {"ul": "*", "ol": "#"}


def remove_comments(text: str) -> str:
    """Removes each ``<!-- ... -->`` outside of code and ``<nowiki>``; an unclosed comment stays."""
    if "<!--" not in text:
        return text
    pieces, at, here = [], 0, 0
    unclosed: set[str] = set()
    while found := _COMMENT_OR_CODE.search(text, here):
        end = "-->" if found[1] is None else f"</{found[1]}>"
        closing = -1 if end in unclosed else text.find(end, found.end())
        if closing < 0:
            unclosed.add(end)
            here = found.end()
            continue
        here = closing + len(end)
        if found[1] is None:
            pieces.append(text[at : found.start()])
            at = here
    return "".join([*pieces, text[at:]])


def tabs_to_wikitext(text: str) -> str:
    """``<tabber>title=text|-|title=text</tabber>`` and ``<tab name="title">``: each title in bold above its text."""
    if "<tab" not in text:
        return text
    text = _TABBER.sub(lambda tabs: "\n\n".join(map(_tab, tabs[1].split("|-|"))), text)
    return _TABS.sub(lambda tag: f"\n'''{tag[2] or tag[3]}'''\n\n" if tag[2] or tag[3] else "\n", text)


def _tab(text: str) -> str:
    title, equals, content = text.partition("=")
    return f"\n'''{title.strip()}'''\n\n{content.strip()}\n" if equals and title.strip() else text


def blocks_to_wikitext(text: str) -> str:
    """Tables and lists that are written with tags, in the marks of wikitext."""
    if not _HAS_BLOCKS.search(text):
        return text
    lists: list[str] = []

    def replace(match: re.Match[str]) -> str:
        name, style = match["name"].lower(), (match["style"] or "").strip()
        if name in _ITEMS:
            if match["close"]:
                del lists[-1:]
                return "\n"
            lists.append(_ITEMS[name])
            return ""
        if match["close"]:
            return "\n|}\n" if name == "table" else ""
        if name == "li":
            return f"\n{''.join(lists[-8:]) or '*'} "
        if name == "table":
            return f"\n{{| {style}\n"
        mark = _MARKS.get(name, "")
        return f"\n{mark}{style} | " if style and name in ("td", "th") else f"\n{mark}"

    return _BLOCK.sub(replace, text)
