"""Converts the markup inside lines of AsciiDoc to light Markdown: links, references, macros, attributes, emphasis.

Follows the AsciiDoc language documentation (docs.asciidoctor.org). Code spans stay unchanged. Every pattern is linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from preprocessing.markup.html_elements import unescape
from preprocessing.markup.references import escape_marks, resolve_blanks
from preprocessing.markup.small_text import convert_small_text

_SPAN = re.compile(r"(?<!`)(`{1,2})(?!`)((?:[^`\n]|\n(?!\s*\n)){1,1000}?)\1(?!`)")
_PASS = re.compile(r"(?<![\w+])\+(?! )([^+\n]{1,300})(?<! )\+(?![\w+])|pass:[a-z,]{0,9}\[([^\]\n]{0,500})\]")
_CURVED = re.compile(r"\"`([^`\"\n]{1,500})`\"|(?<!\w)'`([^`'\n]{1,500})`'")
_INDEX = re.compile(r"\(\(\([^()\n]{1,300}\)\)\) ?|indexterm:\[[^\]\n]{0,300}\] ?")
_TERM = re.compile(r"\(\(([^()\n]{1,200})\)\)|indexterm2:\[([^\]\n]{1,200})\]")
_ANCHOR = re.compile(r"\[\[[\w:.,가-힣 -]{1,200}\]\]|anchor:[\w.-]{1,200}\[[^\]\n]{0,200}\]")
_CROSS = re.compile(r"<<([^<>\n,]{1,200})(?:,\s*([^<>]{1,300}))?>>|xref:([^\s\[\]]{1,300})\[([^\]]{0,300})\]")
_LINK = re.compile(
    r"(?:link:(?P<link>[^\s\[\]]{1,1000})|(?P<url>(?:https?|ftp|irc)://[^\s\[\]<>]{1,1000}|mailto:[^\s\[\]]{1,300}))"
    r"\[(?P<title>(?:[^\[\]\n]|\\\]|\n(?!\n)){0,500})\]"
)
_IMAGE = re.compile(r"image::?([^\s:\[\]][^\s\[\]]{0,500})\[([^\]\n]{0,500})\]")
_NOTE = re.compile(r" ?footnote:[\w-]{0,60}\[((?:[^\[\]]|\[[^\[\]\n]{0,200}\]){0,2000})\]")
_MENU = re.compile(r"menu:([^\s\[\]]{1,100})\[([^\]\n]{0,200})\]")
_MACRO = re.compile(r"(kbd|btn|icon):(?:[\w-]{1,60})?\[((?:[^\]\n]|\\\]){0,500})\]")
_FORMULA = re.compile(r"(?:stem|latexmath|asciimath):\[\$?((?:[^\]\n]|(?<=\\)\]){1,500}?)\$?(?<!\\)\]")
_ATTRIBUTE = re.compile(r"(?<!\\)\{([A-Za-z0-9_][\w-]{0,60})\}")
_MARKED = re.compile(
    r"(?:\[[\w.#% -]{1,100}\])?(?<![\w#&])#(?![ #])([^#\n]{1,300})(?<! )#(?![\w#])|\[[.#][\w.#% -]{1,100}\]##?([^#\n]{1,300})##?"
)
_STRONG = re.compile(r"(?<![\w*\\])\*(?![\s*])([^*\n]{1,300})(?<!\s)\*(?![A-Za-z0-9_*])")
_SMALL = re.compile(r"(?<!\\)\^([^\s^]{1,60})\^|(?<![\\~])~([^\s~]{1,60})~(?!~)")
_BREAK = re.compile(r" \+(?=\n|\Z)")
_QUOTED_TITLE = re.compile(r"\"([^\"]*)\"(?:,.*)?|([^=]*?)(?:,\s*\w[\w-]*=.*)?", re.DOTALL)
_FIRST = re.compile(r"\s*\"[^\"]*\"|[^,]*")  # attribute of a macro
_MARK = re.compile("\x7f([0-9]{1,8})\x7f")
BUILT_IN = {
    "nbsp": " ", "sp": " ", "empty": "", "blank": "", "zwsp": "", "amp": "&", "lt": "<", "gt": ">", "plus": "+", "startsb": "[",
    "endsb": "]", "vbar": "|", "caret": "^", "asterisk": "*", "tilde": "~", "backslash": "\\", "backtick": "`", "apos": "'",
    "quot": '"', "lsquo": "‘", "rsquo": "’", "ldquo": "“", "rdquo": "”", "deg": "°", "two-colons": "::", "two-semicolons": ";;",
    "cpp": "C++", "pp": "++", "cxx": "C++",
}  # fmt: skip


def convert_inline(text: str, attributes: Mapping[str, str], titles: Mapping[str, str]) -> str:
    """Converts lines of prose. ``attributes``: values of ``{name}``; ``titles``: headings by their anchors."""
    kept: list[str] = []

    def keep(code: str) -> str:
        kept.append(code)
        return f"\x7f{len(kept) - 1}\x7f"

    def keep_span(match: re.Match[str]) -> str:
        code = match[2]
        if len(code) > 2 and code[0] == code[-1] == "+":
            return keep(f"`{code[1:-1]}`")
        code = _ATTRIBUTE.sub(lambda name: attributes.get(name[1], name[0]), code)
        return keep(f"{match[1]}{code}{match[1]}")

    def replace_attribute(match: re.Match[str]) -> str:
        value = attributes.get(match[1])
        return value if value is not None else BUILT_IN.get(match[1], match[0])

    text = _BREAK.sub("", text)
    text = _CURVED.sub(lambda match: f"“{match[1]}”" if match[1] else f"‘{match[2]}’", text)
    text = _SPAN.sub(keep_span, text)
    text = _FORMULA.sub(lambda match: keep("$" + match[1].replace("\\]", "]") + "$"), text)
    text = _PASS.sub(lambda match: keep(match[1] or match[2] or ""), text)
    text = _ATTRIBUTE.sub(replace_attribute, text).replace("\\{", "{")
    text = _TERM.sub(lambda match: match[1] or match[2], _INDEX.sub("", text))
    text = _CROSS.sub(lambda match: _cross(match, titles), text)
    text = _IMAGE.sub(lambda match: keep(f"![{_first(match[2])}]({match[1]})"), text)
    text = _LINK.sub(lambda match: _link(match, keep), text)
    text = _NOTE.sub(lambda note: f" ({note[1]})" if note[1].strip() else "", text)
    text = _MACRO.sub(_macro, _MENU.sub(_menu, text))
    text = _ANCHOR.sub("", text)
    text = _MARKED.sub(lambda match: match[1] or match[2], text)
    text = _STRONG.sub(r"**\1**", text)
    if _SMALL.search(text):
        text = convert_small_text(
            _SMALL.sub(lambda match: f"<sup>{match[1]}</sup>" if match[1] else f"<sub>{match[2]}</sub>", text)
        )
    text = unescape(escape_marks(resolve_blanks(text)))
    while "\x7f" in text and kept:
        text, count = _MARK.subn(lambda match: kept[int(match[1])] if int(match[1]) < len(kept) else "", text)
        if not count:
            break
    return text


def _title_of(attributes: str) -> str:
    """The text of a macro without its named attributes: ``누리집^,window=_blank`` becomes 누리집."""
    match = _QUOTED_TITLE.fullmatch(attributes.strip())
    title = (match[1] or match[2] or "") if match else attributes
    return " ".join(title.strip().removesuffix("^").replace("\\]", "]").split())


def _first(attributes: str) -> str:
    """The first attribute of a macro, such as the alternative text of a picture."""
    first = _FIRST.match(attributes)
    return _title_of(first[0]) if first else ""


def _cross(match: re.Match[str], titles: Mapping[str, str]) -> str:
    target, title = match[1] or match[3], match[2] or match[4]
    anchor = target.rpartition("#")[2] or target
    return " ".join((title or titles.get(anchor) or anchor).split())


def _link(match: re.Match[str], keep: Callable[[str], str]) -> str:
    address = match["link"] or match["url"]
    title = _title_of(match["title"])
    return f"[{title}]({keep(address)})" if title else keep(address.removeprefix("mailto:"))


def _menu(match: re.Match[str]) -> str:
    return " > ".join(part.strip() for part in [match[1], *match[2].split(">")] if part.strip())


def _macro(match: re.Match[str]) -> str:
    name, content = match[1], match[2].replace("\\]", "]")
    return "" if name == "icon" else content
