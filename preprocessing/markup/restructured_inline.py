"""Converts markup inside lines of reStructuredText to Markdown: roles, literals, links and substitutions."""

from __future__ import annotations

import re
from collections.abc import Callable

from preprocessing.markup.restructured_options import TITLED_TARGET
from preprocessing.markup.small_text import convert_small_text

_ROLE = re.compile(r":(?:[a-zA-Z][\w+-]{0,30}:){1,2}`([^`\n]{1,500}(?:\n[^`\n]{1,500})?)`")
_FORMULA = re.compile(r":math:`([^`\n]{1,500}(?:\n[^`\n]{1,500})?)`")
_ICON = re.compile(r"(?<!`):(?:octicon|fa[bsr]?|material-[a-z]{1,12}):`[^`\n]{1,100}`(?!`)[ \t]*")
_LINK = re.compile(
    r"`([^`<>\n]{1,300}(?:\n[^`<>\n]{1,300})?)\s*(?:<[^<>`\n]{1,500}(?:\n[^<>`\n]{1,500})?>)?`__?(?![\w`])"
)
_NAMED = re.compile(r"(?<![\w`])([^\W_][\w.-]{0,80}[^\W_])__?(?!\w)(?=[\s,.;:!?)\]가-힣\x1f]|$)")
_LITERAL = re.compile(r"``((?:[^`\n]|`(?!`)){1,1000}`?)``(?!`)")
_SUBSTITUTION = re.compile(r"\|(\w(?:[\w .-]{0,60}[\w.-])?)\|(?!\|)")  # no cell, whose text ends with blanks
_PROSE_ROLES = frozenset((
    "ref", "doc", "term", "numref", "pep", "rfc", "abbr", "any", "dfn", "title", "title-reference", "eq",
    "guilabel", "menuselection",
))  # fmt: skip
_SMALL = {
    "sup": "sup",
    "superscript": "sup",
    "sub": "sub",
    "subscript": "sub",
}
"""Roles and their tags of HTML."""
_NOTE = re.compile(r"\[(#?)([\w.-]{1,60}|\*)\]_(?!\w)(?=[\s,.;:!?)\]가-힣\x1f]|$)")  # a reference to it
_INLINE_TARGET = re.compile(r"(?<![\w`])_`([^`\n]{1,300}(?:\n[^`\n]{1,300})?)`(?![\w`])")
_MARK = re.compile("\x7f([0-9]{1,8})\x7f")
_GLUE = re.compile(
    r"(?<=[^\s\\:(\[<\x22\x27][`|\x7f])\\(?:[ \n]|(?=\w))|(?<=[^\s\\][*_])\\(?:[ \n]|(?=[가-힣]))|\\ (?=[*`:|\x7f\[])"
)
_GLUED = "\x1f"
"""Replaces a backslash that ends or starts inline markup, until all inline markup is converted."""


def without_marks(text: str) -> str:
    """The text without the characters that stand for converted markup."""
    return re.sub(f"[\x7f{_GLUED}]", "", text)


def convert_inline(text: str) -> str:
    """Converts roles, literals, links and substitutions; emphasis is the same in both languages.

    A backslash between markup and a letter (``*args*\\는``, docutils: inline markup recognition rules) only marks the
    end of the markup; Korean text has one before most particles.
    """
    if not any(mark in text for mark in "`_|\\"):
        return text
    codes: list[str] = []

    def protect(markdown: str) -> str:
        codes.append(markdown)
        return f"\x7f{len(codes) - 1}\x7f"

    def protect_code(code: str) -> str:
        blank = " " if code[:1] == "`" or code[-1:] == "`" else ""
        return protect(f"``{blank}{code}{blank}``" if "`" in code else f"`{code}`")

    def convert_role(match: re.Match[str]) -> str:
        name = match[0][1:].partition("`")[0].rstrip(":").split(":")[-1]
        return _convert_role(name, match[1], protect_code)

    text = _ICON.sub("", _LITERAL.sub(lambda match: protect_code(match[1]), text))
    text = _FORMULA.sub(lambda match: protect(f"${match[1]}$"), text)
    text = _GLUE.sub(_GLUED, text)
    has_small = any(f":{role}:`" in text for role in _SMALL)
    text = _ROLE.sub(convert_role, text)
    text = _INLINE_TARGET.sub(r"\1", _NOTE.sub(lambda match: label_of_note(match[1] + match[2]), text))
    text = _LINK.sub(lambda match: match[1].strip(), text)
    text = _SUBSTITUTION.sub(r"\1", text)
    text = _NAMED.sub(r"\1", text).replace(_GLUED, "")
    text = convert_small_text(text) if has_small else text
    return _MARK.sub(lambda match: codes[int(match[1])], text)


def label_of_note(name: str) -> str:
    """``[^1]`` for a footnote, ``[name]`` for a citation."""
    return f"[^{name.removeprefix('#')}]" if name.isdecimal() or name[0] == "#" else f"[{name}]"


def _convert_role(name: str, content: str, protect_code: Callable[[str], str]) -> str:
    titled = TITLED_TARGET.fullmatch(content)
    title = titled[1] if titled else content
    if name in ("pep", "rfc"):
        return title if titled else f"{name.upper()} {title}"
    if name in _SMALL:
        return f"<{_SMALL[name]}>{content}</{_SMALL[name]}>"
    if name in _PROSE_ROLES or name.startswith("bdg-"):
        return title
    title = title.lstrip("!")
    return protect_code(title[1:].rpartition(".")[2] if title.startswith("~") else title)
