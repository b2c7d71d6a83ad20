"""Replaces the tags of Markdown, except those that a text only mentions: ``<div>는 블록 요소이다``, ``<ul>, <ol> 등``, ``a<b && b>c``.

Owns what tells a tag that a text is about from one that marks it up; ``html_tags`` replaces the latter.
"""

from __future__ import annotations

import re

from preprocessing.markup.html_examples import words_around
from preprocessing.markup.html_tags import END_OPTIONAL, TAG, TAG_IN_MARKDOWN, VOID, Tags, find_unclosed

_WORDS = frozenset((
    "a", "address", "area", "article", "aside", "audio", "b", "base", "button", "canvas", "caption", "code", "col", "data",
    "details", "dialog", "header", "i", "link", "main", "map", "mark", "menu", "meta", "nav", "object", "param", "path",
    "picture", "q", "s", "section", "source", "style", "summary", "table", "time", "u", "var", "video",
))  # fmt: skip
"""Names of elements that are also names of placeholders, as in ``cp <source> <path>``."""
_MENTION = re.compile(
    r"[ \t]{0,2}(?:태그|요소|엘리먼트|속성|tags?\b|elements?\b)|[ \t](?:말고|라고[ \t]하)", re.IGNORECASE
)
_MENTION_BEFORE = re.compile(
    r"(?:태그|요소|엘리먼트|줄[ \t]?바꿈|개행|수평선|구분선|tag|element|line break)[ \t]{0,3}[:=(→-][ \t]{0,3}\Z",
    re.IGNORECASE,
)
_MEANING = re.compile(r"[ \t]?(?:줄[ \t]?바꿈|개행|(?:수평|가로|구분)[ \t]?[선줄])")  # of <br> and <hr>
_AMONG_OTHERS = re.compile("[ \t]?등(?:[이을은의]|으로)?(?![가-힣])")
_INSIDE = re.compile("[ \t]?안[에의](?![가-힣])")
_NO_WORDS = re.compile(r"(?:[^\w\n<]|와|과|이?나|및|and|or){0,20}<")  # <b>…</b>, <b>와 </b>
_LONGEST_ELEMENT = 4000
PARTICLE = re.compile(
    "(?:은|는|이|가|을|를|과|와|의|에|에서|에는|도|만|란|라는|처럼|보다|부터|까지|으로|로|이나|나)(?![가-힣])"
)
_PARTICLE_OF_WORD = re.compile(f"[ \\t]?{PARTICLE.pattern}")
_SURE_PARTICLE = re.compile("(?:는|를|에서|에는|으로|로|라는)(?![가-힣])")  # no sentence begins with it
NO_BEGINNING = re.compile(
    "(?:는|를|을|로|으로|에|에서|에는|까지|부터|처럼|라는|이라는)(?![가-힣])"
)  # of a line
_OF_RULE = re.compile(f"{NO_BEGINNING.pattern}|은(?![가-힣])")  # an author sets a rule in a line of its own
_LEFT_BEHIND = frozenset((
    "p", "div", "span", "a", "b", "i", "em", "strong", "u", "s", "font", "br", "li", "td", "th", "tr", "center", "mark", "small", "big",
))  # fmt: skip
_WITH_ATTRIBUTES = frozenset((
    "ol", "ul", "table", "button", "audio", "section", "article", "nav", "header", "footer", "main", "aside", "pre", "blockquote",
    "h1", "h2", "h3", "h4", "h5", "h6",
))  # fmt: skip
"""Elements that are always closed where they lay out, unlike <font> or <div>."""
_WORD_BEFORE, _WORD_BEHIND = re.compile(r"[^\W_][ \t,]{0,3}\Z"), re.compile(r"[ \t,]{0,3}[^\W_]")
_QUOTES = ("''", '""', "‘’", "“”", "()", "**")
_OWNERS = {
    **dict.fromkeys(("td", "th", "tr", "thead", "tbody", "tfoot", "caption"), ("table",)),
    **dict.fromkeys(("dt", "dd"), ("dl",)),
    **dict.fromkeys(("option", "optgroup"), ("select",)),
}
"""Elements that are never outside of others."""
_NO_ATTRIBUTES = re.compile(r"[^=]*[^=\w\s/\"'-][^=]*")  # of ``a<b && b>c``
_TERM = re.compile(r"[ \t]{0,3}(?::|[=→-][ \t])(?=[ \t]*\S)")
_COLON = re.compile(r"[ \t]{1,3}:[ \t]+\S")
_HEADING = re.compile(r"[ \t>]{0,9}#{1,6}[ \t]")
_FIRST_OF_LINE = re.compile(r"(?:^|\n)[ \t>]{0,40}(?:[-*+]|[0-9]{1,3}[.)])[ \t]{1,9}\Z")  # of an item
_NEXT = re.compile(r"[ \t,/]{1,3}<(\w{1,12})>")
_BESIDE_WORDS = re.compile(r"\w[,.]?[ \t]{1,3}\Z")
_NEAR = 400  # characters of a line
_HAS_WORDS = re.compile(r"[^\W_]")


def replace_known_tags(text: str, closed: set[str]) -> str:
    """Replaces tags of Markdown; a tag that is only mentioned, escaped, or a placeholder or component stays.

    ``closed``: names of elements that the text closes somewhere, also in what is converted before.
    """
    tags, unclosed = Tags(), find_unclosed(text)
    return TAG_IN_MARKDOWN.sub(lambda match: _replace(match, closed, unclosed, tags), text)


def _replace(match: re.Match[str], closed: set[str], unclosed: set[int], tags: Tags) -> str:
    name, at = match["name"], match.start()
    if name[0].isupper() and name[1:].islower():  # a component, such as <Button>
        return match[0]
    before, after = match.string[at - 1 : at], match.string[match.end() : match.end() + 1]
    if (
        before == "\\"
        or before + after in _QUOTES
        or _is_mentioned(match)
        or _is_left_open(match, closed, unclosed)
        or _is_named(match, closed)
        or _is_empty(match)
    ):
        return match[0]
    is_column = name.lower() == "col" and (
        "table" in closed or "colgroup" in closed or "/" in match["attributes"]
    )
    if name.lower() in _WORDS and name.lower() not in closed and not match["attributes"].strip(" /"):
        return "" if is_column else match[0]
    return tags.replace(match)


def _is_left_open(match: re.Match[str], closed: set[str], unclosed: set[int]) -> bool:
    """True for a tag that opens nothing, in a line of words: before a particle, a blank or a mark, or outside of its owner; and for
    no tag at all, ``a<b && b>c``."""
    text, name = match.string, match["name"].lower()
    if match["close"]:
        return (
            match.start() in unclosed
            and _BESIDE_WORDS.search(text[max(0, match.start() - 9) : match.start()]) is not None
            and text[match.end() : match.end() + 1] == " "
        )
    if _AMONG_OTHERS.match(text, match.end()) and name not in closed:
        return True
    if _NO_ATTRIBUTES.fullmatch(match["attributes"]) and match.start() in unclosed:
        return True
    is_bare = not match["attributes"].strip(" /")
    before = text[max(0, match.start() - _NEAR) : match.start()]
    if name in VOID or name in END_OPTIONAL:
        if is_bare and name not in VOID and _is_before_tag(match, unclosed):
            return True
        is_first = _FIRST_OF_LINE.search(before) is not None
        if is_bare and _is_explained(match, before, is_first and name not in closed):
            return True
        if (
            is_bare
            and name not in closed
            and (
                _MENTION_BEFORE.search(before)
                or (is_first and (_TERM.match(text, match.end()) or _MEANING.match(text, match.end())))
            )
        ):
            return True
        is_alone = is_bare or name in ("td", "th", "tr")
        return is_alone and name in _OWNERS and not closed.intersection((name, *_OWNERS[name]))
    if match.start() not in unclosed or not _HAS_WORDS.search(words_around(match)):
        return False
    if not is_bare:
        return (
            name in _WITH_ATTRIBUTES
            or NO_BEGINNING.match(text, match.end()) is not None
            or (_FIRST_OF_LINE.search(before) is not None and _TERM.match(text, match.end()) is not None)
        )
    after = text[match.end() : match.end() + 1]
    return not (after.isalnum() or after in "<`*_[!\x7f") or PARTICLE.match(text, match.end()) is not None


def _is_explained(tag: re.Match[str], before: str, is_alone: bool) -> bool:
    """Whether a tag without an end begins a line that explains it, ``<hr> : 가로줄``, ``- <li> 항목``, or stands in a heading."""
    text, name = tag.string, tag["name"].lower()
    line = text[tag.end() : tag.end() + _NEAR].partition("\n")[0]
    if f"</{name}" in line:
        return False
    first = before.rpartition("\n")[2]
    if not first.strip(" \t>"):
        return _COLON.match(line) is not None
    if name in VOID:
        return False
    return (is_alone and name in ("p", "li") and line[:1] == " ") or _HEADING.match(first) is not None


def _is_before_tag(tag: re.Match[str], unclosed: set[int]) -> bool:
    """Whether a tag stands before one of another name that opens nothing: ``<p> <div> <span> 이 있다``."""
    other = _NEXT.match(tag.string, tag.end())
    return other is not None and other.start(1) - 1 in unclosed and other[1].lower() != tag["name"].lower()


def _is_named(match: re.Match[str], closed: set[str]) -> bool:
    """True for a tag without attributes and end that a particle follows: ``<div>는 블록 요소이다.``; so has a line break no particle
    behind a blank: ``개행이 <br>로 바뀐다``."""
    name, text = match["name"].lower(), match.string
    if match["close"] or name in closed:
        return _is_named_apart(match)
    if match["attributes"].strip(" /"):
        return False
    if name in VOID:
        is_word = text[max(0, match.start() - 1) : match.start()] in (" ", "\t", "\n", "")
        particle = _OF_RULE if name == "hr" else NO_BEGINNING
        return is_word and particle.match(text, match.end()) is not None
    particle = _SURE_PARTICLE if name in END_OPTIONAL else PARTICLE
    return particle.match(text, match.end()) is not None


def _is_named_apart(match: re.Match[str]) -> bool:
    """True for a tag of an element that the text closes elsewhere, behind a blank and before a particle, as no element begins or
    ends: ``<i>를 만나면 </i>를 찾는다``, but not ``나 <b>는</b>`` and ``<b>값 </b>를``."""
    text = match.string
    if text[match.start() - 1 : match.start()] not in (" ", "\t") or match["attributes"].strip(" /"):
        return False
    if not match["close"]:
        particle = _SURE_PARTICLE.match(text, match.end())
        return particle is not None and text[particle.end() : particle.end() + 1] == " "
    if not PARTICLE.match(text, match.end()):
        return False
    last = _last_before(match)
    return last is None or bool(last["close"]) or _is_named_apart(last)


def _last_before(match: re.Match[str]) -> re.Match[str] | None:
    """The last tag of the same name before a tag in its line; its string ends where the tag begins."""
    before = match.string[max(0, match.start() - _LONGEST_ELEMENT) : match.start()].rpartition("\n")[2]
    name = match["name"].lower()
    return next((tag for tag in reversed(list(TAG.finditer(before))) if tag["name"].lower() == name), None)


def _is_empty(match: re.Match[str]) -> bool:
    """True for an element without attributes and content inside of a line of words, which would show nothing: ``<body></body> 안에``.

    Elements that editors leave behind are none, unless they are a word of their own with a particle, which may have an id, too:
    ``파일 안의 <div id="root"></div> 가``. Those of a class may be icons.
    """
    text, name = match.string, match["name"]
    if match["close"]:
        first, last = text.rfind("<", max(0, match.start() - _LONGEST_ELEMENT), match.start()), match.end()
        opening = TAG_IN_MARKDOWN.fullmatch(text, max(first, 0), match.start())
        is_empty = opening is not None and opening["name"] == name and not opening["close"]
        attributes = opening["attributes"] if opening else ""
    else:
        first, last = match.start(), match.end() + len(name) + 3
        is_empty, attributes = text[match.end() : last] == f"</{name}>", match["attributes"]
    if not is_empty or ("class" in attributes and name.lower() != "div"):
        return False
    if name.lower() in _LEFT_BEHIND or attributes.strip():
        return text[first - 1 : first] in (" ", "\t") and _PARTICLE_OF_WORD.match(text, last) is not None
    return bool(_WORD_BEFORE.search(text, max(0, first - 9), first) or _WORD_BEHIND.match(text, last))


def _is_mentioned(match: re.Match[str]) -> bool:
    """True before a word such as ``태그``, unless the tag encloses words: ``<b>속성</b>``, ``<b>href</b> 속성``."""
    text = match.string
    if match["close"]:
        return _MENTION.match(text, match.end()) is not None and not _encloses_words(match)
    mention = _MENTION.match(text, match.end()) or _INSIDE.match(text, match.end())
    if mention is None and not _NO_WORDS.match(text, match.end()):
        return False
    closing = re.compile(rf"[^\n<]{{0,200}}</{re.escape(match['name'])}\s{{0,20}}>", re.IGNORECASE)
    end = closing.match(text, match.end())
    if end is None:
        return mention is not None
    return _MENTION.match(text, end.end()) is not None


def _encloses_words(closing: re.Match[str]) -> bool:
    """Whether a closing tag ends an element of its line with words other than ``속성`` and the like at its beginning."""
    opening = _last_before(closing)
    if opening is None or opening["close"]:
        return False
    words = TAG.sub("", opening.string[opening.end() :])
    return not _MENTION.match(words) and not _NO_WORDS.match(words + "<")
