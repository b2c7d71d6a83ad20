"""Writes raised, lowered and small text of HTML in one line, so that neither numbers nor words merge with their neighbors.

Owns <sup>, <sub>, <small>, <del> and <q>; ``ruby`` owns <ruby>: 10<sup>9</sup> becomes 10^9, ``log<sub>2</sub>8`` log_2 8, H<sub>2</sub>O
H2O, ruby base(reading), and a gloss after a word ``word(gloss)``. The result is still HTML: other tags and character
references stay. Every pass is linear in the length of the text.
"""

from __future__ import annotations

import html
import re
import unicodedata

from preprocessing.markup.ruby import LETTERS, TAG, write_readings

_PRESENT = re.compile(r"<(?:su[pb]|small|ruby|rt|del|strike|s|q)(?=[\s>])", re.IGNORECASE)
_FRACTION = re.compile(
    r"<sup(?:\s[^<>]{0,500})?>\s{0,5}([0-9]{1,9})\s{0,5}</sup>\s?(?:[/⁄∕]|&frasl;)\s?"
    r"<sub(?:\s[^<>]{0,500})?>\s{0,5}([0-9]{1,9})\s{0,5}</sub>",
    re.IGNORECASE,
)
_SMALL = re.compile(
    r"<(?P<name>sup|sub|small)(?:\s[^<>]{0,500})?>"
    r"(?P<content>[^<]{0,400}(?:<(?!/?(?:sup|sub|small|p|div|li|ul|ol|td|tr|table|pre|h[1-6])[\s>])[^<]{0,400}){0,20})"
    r"</(?P=name)\s{0,20}>",
    re.IGNORECASE,
)
_UNCLOSED = re.compile(
    r"(?<=[\w)\]}])(?P<open>[ \t]?<(?P<name>sup|sub)>)(?=[ \t]?[\w(+-])"
    r"(?:(?P<word>[^\s<>|*]{1,12})<(?P=name)>(?![^<\n]{1,20}</(?P=name)\s{0,20}>)"
    r"|(?P<index>\w{1,9}(?=[ \t][^<>|\n]{1,60}<(?P=name)>)|(?:[0-9]{1,3}|[i-nt-z])(?=[ \t][^\s<]|[,;]))"
    r"(?=(?:(?!</?(?P=name))[^|\n]){1,400}(?:<(?P=name)>|[|\n]|\Z))"
    r"|(?P<rest>[^<>|*\n]{1,60})(?=\*\*|<br|\||\n|\Z))",
    re.IGNORECASE,
)
"""An element that its paragraph never closes: ``**2<sup>i**``; or that a tag closes which lacks its slash."""
_STRUCK = re.compile(
    r"(?<=\w)<(del|s|strike)(?:\s[^<>]{0,500})?>(?=(?:[^<\n]|<(?!/?\1[\s>])){0,500}</\1\s{0,20}>)|</(?:del|s|strike)\s{0,20}>(?=\w)",
    re.IGNORECASE,
)
_QUOTATION = re.compile(r"<(/?)q(?:\s[^<>]{0,500})?>", re.IGNORECASE)
_INLINE_TAGS_BEFORE = re.compile(
    r"(?:</?(?:a|b|i|em|strong|span|var|u|font|code|sup|sub|small|tt|cite|mark)(?:\s[^<>]{0,80})?>){1,6}\Z",
    re.IGNORECASE,
)
_LOGO = re.compile(r"(X<sub>[EeƎ]</sub>)?(L<su[pb]>[Aa]</su[pb]>)?T<sub>[Ee]</sub>X")  # TeX, LaTeX, XeLaTeX
_NEAR = 200  # characters in which the neighbor of an element is searched
_LONGEST_GLOSS = 60
_NESTING = 4

_NUMBER = re.compile(r"[-+−–±]?[0-9]{1,12}(?:\.[0-9]{1,12})?")
_ATOM = re.compile(rf"[-+−–±]?[{LETTERS}∞]['′]?|[0-9]{{0,2}}[-+−–]")
_EXPRESSION = re.compile(rf"[0-9{LETTERS}+\-−–±*/×·⋅.,'′()=^_∞ ]{{1,40}}")
_OPERATOR = re.compile(r"[0-9+\-−–±*/×·⋅^=]")
_LONG_WORD = re.compile(
    rf"[{LETTERS}]{{4}}|[{LETTERS}]{{2}}[-–][{LETTERS}]|[{LETTERS}][-–][{LETTERS}]{{2}}"
    rf"|(?<![A-Za-z])(?!sin|cos|tan|log|exp|max|min|mod)[A-Za-z]{{3}}"
)
_PRODUCT = re.compile(rf"[0-9]{{0,3}}[{LETTERS}]{{2,4}}")
_EMPHASIS = re.compile(r"([*_]{1,3})[^*_]+\1")
_GREEK = re.compile("[\u0370-\u03ff]")
_LETTERS_OF_FORMULAS = re.compile("[\U0001d400-\U0001d7ff]+")
_OPERATOR_WITH_INDEX = re.compile("[×\u2200-\u22ff]")
_NOTES = re.compile(r"[0-9]{1,3}(?:\s?[,–-]\s?[0-9]{1,3}){1,5}")
_NOTE = re.compile(r"[0-9]{1,3}\)")
_MARK_OF_NOTE = re.compile(r"-?[0-9]{1,3}\)?|\*{1,3}")  # or a power that blanks set apart
_ORDINAL = re.compile(
    r"st|nd|rd|th|er|re|e|(?:i?[eè])?mes?|nd[aeo]s?|(?:er)?s?te[nr]?|esim[aeio]|o|a|os|as",
    re.IGNORECASE,
)
_SIGNS = {"tm": "™", "sm": "℠", "(tm)": "™", "(r)": "®", "(c)": "©"}
_ELEMENT_SYMBOL = re.compile(r"(?:[A-Z][a-z]?|[)\]])\Z")


def convert_small_text(text: str) -> str:
    """Converts <sup>, <sub>, <small>, <ruby>, <del> and <q>; <sup> and <sub> end with their line at the latest, other unclosed elements stay."""
    if not _PRESENT.search(text):
        return text
    text = _LOGO.sub(lambda logo: f"{'Xe' * bool(logo[1])}{'La' * bool(logo[2])}TeX", text)
    text = _UNCLOSED.sub(r"\g<open>\g<word>\g<index>\g<rest></\g<name>>", text)
    text = write_readings(text)
    text = _FRACTION.sub(_convert_fraction, text)
    for _ in range(_NESTING):
        before, text = text, _SMALL.sub(_convert_small, text)
        if text == before:
            break
    return _QUOTATION.sub(lambda match: "”" if match[1] else "“", _STRUCK.sub(" ", text))


def _convert_fraction(match: re.Match[str]) -> str:
    before = _character_before(match.string, match.start())
    return f"{' ' if before.isalnum() else ''}{match[1]}/{match[2]}"


def _convert_small(match: re.Match[str]) -> str:
    whole = TAG.sub("", match["content"])
    content = whole.strip()
    plain = _LETTERS_OF_FORMULAS.sub(_write_plainly, html.unescape(content))
    if not plain.strip():
        return " " if match["content"] else ""
    after = _character_after(match.string, match.end())
    if whole[-1:].isspace() and after.strip():  # the blank ends the element, not the text
        return _written(match, content, plain, whole[:1].isspace(), "") + " "
    return _written(match, content, plain, whole[:1].isspace(), after)


def _write_plainly(letters: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", letters[0])


def _written(match: re.Match[str], content: str, plain: str, is_apart: bool, after: str) -> str:
    """The text of small text between its neighbors; ``is_apart`` where a blank begins the element."""
    before = _text_before(match.string, match.start())
    begins = not before[-1:].strip() or not before.rpartition("\n")[2].strip("*_")  # *<sup>1</sup> 주석*
    emphasized = before.rstrip("*_~")
    before = emphasized if emphasized[-1:].isalnum() else before
    base, name = before[-1:], match["name"].lower()
    if name == "sup" and plain.isdigit() and "A" <= after <= "Z" and not (base and _can_be_raised(base)):
        return content  # the mass number of an isotope
    if base == "[" and after == "]":  # the label of a link to a note
        return content
    if begins and name == "sup" and _MARK_OF_NOTE.fullmatch(plain):
        mark = f"[{content}]" if "<a" in match["content"].lower() else f"^{content}"
        return _apart("", mark, after)
    if not base.strip() or "\n" in plain or len(plain) > _LONGEST_GLOSS:
        return _apart(base, content, after)
    if name == "sup":
        return _apart("", _raised(before, content, plain, "<a" in match["content"].lower()), after)
    if name == "sub":
        return _apart("", _lowered(before, content, plain), after)
    if is_apart:
        return " " + _apart("", content, after)
    return _apart("", _gloss(before, content, plain), after)


def _raised(before: str, content: str, plain: str, is_link: bool) -> str:
    """A power, an ordinal, a note or a gloss after the text ``before``."""
    base = before[-1]
    if plain.lower() in _SIGNS:
        return _SIGNS[plain.lower()]
    if base.isdigit() and plain in ("o", "O", "○", "º"):
        return "°"
    if _ORDINAL.fullmatch(plain) and (base.isdigit() or plain == "th"):
        return content
    if (is_link and plain.isdigit()) or _NOTES.fullmatch(plain):
        return f"[{content}]"
    if _NOTE.fullmatch(plain):
        return f"^{content}"
    if _NUMBER.fullmatch(plain):
        return f"^{content}" if _can_be_raised(base) else f"[{content}]"
    if _can_be_raised(base):
        if _ATOM.fullmatch(plain):
            return f"^{content}"
        if (
            _EXPRESSION.fullmatch(plain)
            and _OPERATOR.search(plain)
            and not _EMPHASIS.fullmatch(plain)
            and not _LONG_WORD.search(plain)
            and plain[0] != "("
        ):
            return f"^({content})"
        if _is_variable(before) and _PRODUCT.fullmatch(plain) and (base == "e" or _GREEK.search(plain)):
            return f"^({content})"
        if not _is_hangul(base) and re.fullmatch(rf"\([0-9{LETTERS}+-]{{1,3}}\)", plain):
            return f"^{content}"
    return _gloss(before, content, plain)


def _lowered(before: str, content: str, plain: str) -> str:
    """An index or a gloss after the text ``before``."""
    if plain.isdigit() and _ELEMENT_SYMBOL.search(before):
        return content
    if re.fullmatch(rf"[0-9{LETTERS}]{{1,20}}", plain) and (plain.isdigit() or not _is_hangul(before[-1])):
        return f"_{content}" if _can_be_raised(before[-1]) else content
    if (
        _EXPRESSION.fullmatch(plain)
        and not _LONG_WORD.search(plain)
        and plain[0] != "("
        and not _EMPHASIS.fullmatch(plain)
    ):
        return f"_({content})"
    if _OPERATOR_WITH_INDEX.match(before[-1]) and not _is_hangul(plain[0]):
        return f"_({content})"
    return _gloss(before, content, plain)


def _gloss(before: str, content: str, plain: str) -> str:
    """A gloss in parentheses, or a unit or particle that belongs to the word before it, also of emphasized words, code and links."""
    base, first = before[-1], plain.lstrip("*_")[:1]
    is_word = base.isalnum() or (base in ")\x7f" and len(plain) > 1)
    if not (is_word and (first.isalnum() or first == "\x7f")):
        return content
    if base.isdigit() and not _LONG_WORD.search(plain):
        return f" {content}" if first.isdigit() else content
    if _is_hangul(base) == _is_hangul(first):
        return content if _is_hangul(base) and len(plain) <= 2 else f"({content})"
    return f"({content})"


def _apart(before: str, text: str, after: str) -> str:
    """Sets ``text`` apart from neighbors with which its digits or letters would merge."""
    left = " " if before.isalnum() and text[:1].isalnum() else ""
    end = text[-1:]
    merges = (end.isdigit() and after.isdigit()) or (
        end.isascii() and end.isalpha() and after.isascii() and after.isalpha()
    )
    return f"{left}{text}{' ' if merges and ('_' in text or '^' in text or end.isdigit()) else ''}"


def _can_be_raised(base: str) -> bool:
    return base.isalnum() or base in ")]}\x7f′'|" or _OPERATOR_WITH_INDEX.match(base) is not None


def _is_variable(before: str) -> bool:
    """Whether a text ends in a letter alone, such as e or x."""
    return before[-1].isalpha() and not before[-2:-1].isalpha()


def _is_hangul(character: str) -> bool:
    return "가" <= character <= "힣"


def _text_before(text: str, at: int) -> str:
    """A few characters before a position, without tags of emphasis."""
    near = text[max(0, at - _NEAR) : at]
    near = _INLINE_TAGS_BEFORE.sub("", near)
    if near[-1:] == ">" and TAG.fullmatch(near, near.rfind("<")):
        return ""  # the beginning of a block
    return html.unescape(near[-12:]).replace("\u00a0", " ")


def _character_before(text: str, at: int) -> str:
    return _text_before(text, at)[-1:]


def _character_after(text: str, at: int) -> str:
    near = re.match(
        r"(?:</?(?:a|b|i|em|strong|span)(?:\s[^<>]{0,80})?>|</su[pb]>){0,6}(.)", text[at : at + _NEAR]
    )
    return near[1] if near else ""
