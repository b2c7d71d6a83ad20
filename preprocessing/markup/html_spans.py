"""Sets apart neighboring elements of HTML whose words a page shows apart: spans of other classes, parts of links and items."""

from __future__ import annotations

import re

from preprocessing.markup.html_mentions import PARTICLE

_BETWEEN_SPANS = re.compile(
    r"(?P<opening><span(?:\s{1,9}class=\"(?P<one>[^\"<>]{1,200})\"[^<>]{0,200})?>"
    r"(?:\s{0,99}<(?:img|input)\s[^<>]{0,500}>)?)(?P<before>[^<>]{1,400})</span>"
    r"(?=<span(?:\s{1,9}class=\"(?P<other>[^\"<>]{1,200})\"[^<>]{0,200})?>(?P<after>[^<>\s][^<>]{0,400})</span>)",
    re.IGNORECASE,
)
_LABELS = re.compile(r"(?<![a-z])(?:badge|category|chip|hashtag|keyword|pill|tag)s?(?![a-z])", re.IGNORECASE)
_AFTER_BOLD = re.compile(
    r"</(?:strong|b)>(?=<(?P<other>span|small)>(?P<after>[^<>\s]{2,60} [^<>]{1,400})</(?P=other)>)",
    re.IGNORECASE,
)  # of a label and what it says, in an element without a style
_BEFORE_NUMBER = re.compile(
    r"</(?:span(?<=\w</span)|b(?<=\w</b)|strong(?<=\w</strong)|em(?<=\w</em))>(?=<a\s[^<>]{0,500}href=\"(?:tel|fax|sms|mailto):)",
    re.IGNORECASE,
)
_AFTER_FACT = re.compile(
    r"</time>(?:</(?:em|b|i|small)>)?</span>(?=<span[\s>])|</span>(?=<span\s{1,9}class=\"[^\"<>]{0,200}\b(?:item|meta|date|author|category)\b)",
    re.IGNORECASE,
)  # about a post, such as its date, which a page sets apart from the next
_AFTER_DATE = re.compile(
    r">(?:19|20)\d\d[-./]\d\d[-./]\d\d</(?:span|em|time|i)>(?=(?:<(?:span|em|a|i|b)(?:\s[^<>]{0,500})?>)?(?!까지|부터|에서|에는|이후|이전)[가-힣A-Za-z]{3})",
    re.IGNORECASE,
)
_BETWEEN_LINKS = re.compile(
    r"</a></(?P<name>span|b|em|small|strong|i)>(?=<(?P=name)(?:\s[^<>]{0,500})?><a\s)", re.IGNORECASE
)
_ENDS_WITH_COLON = "|".join(
    rf"{name}(?<=[가-힣][:：]</{name})" for name in ("span", "strong", "b", "em", "i", "label")
)
_AFTER_COLON = re.compile(
    rf"</(?:{_ENDS_WITH_COLON})>(?=<(?:span|strong|b|em|i|a|time)(?:\s[^<>]{{0,500}})?>\w)", re.IGNORECASE
)  # of a label and its value
_EMPTY_BETWEEN = re.compile(
    r"</(?:span(?<=\w</span)|a(?<=\w</a))>(?=<(span|i|em|b)\s{1,9}class=[^<>]{1,200}></\1><(?:span|a)[\s>])",
    re.IGNORECASE,
)  # a bar or a dot between two texts
_PARTS = re.compile(
    r"(?P<opening><(?P<name>a|button|li)(?:\s[^<>]{0,2000})?>)(?P<parts>(?:\s{0,99}<(?P<part>b|em|i|small|span|strong)(?:\s[^<>]{0,500})?>"
    r"[^<>]{1,400}</(?P=part)>){2,6})(?=\s{0,99}</(?P=name)>)",
    re.IGNORECASE,
)  # a link or an item that consists of elements
_CARD = re.compile(
    r"<a(?:\s[^<>]{0,2000})?>\s{0,99}<(?P<head>strong|b)(?:\s[^<>]{0,500})?>[^<>]{1,400}</(?P=head)>"
    r"\s{0,99}<(?P<part>span|small|em|i)(?:\s[^<>]{0,500})?>[^<>]{1,1000}</(?P=part)>\s{0,99}</a>(?=\s{0,99}<a[\s>])",
    re.IGNORECASE,
)  # a link of a title and a text, before another link
_ENDS_OF_PARTS = ("</strong><", "</b><", "</em><", "</i><", "</small><", "</span><")
_BETWEEN_PARTS = re.compile(
    r"(?P<before>[^<>]{2,400})</(?P<one>\w+)>(?=<(?P<other>\w+)[^<>]*>(?P<after>[^<>\s][^<>]{1,400}))"
)
_CLOSING, _OPENING = frozenset(")]」』】"), frozenset("([「『【#")
LONGEST_PARTICLE = 2  # syllables
LONGEST_UNIT = 4  # Latin letters
LONGEST_LABEL = 60  # characters in bold
_DATE = re.compile(r"(?:19|20)\d\d[.\-/]\d{1,2}[.\-/]\d{1,2}\Z")
_NUMBER = re.compile(r"(?:\A|[^A-Za-z\d,.])[\d,.]*\d\Z")  # not that of "STEP 1", "A4"
_HANGUL = re.compile("[가-힣]")


def separate_spans(text: str) -> str:
    """Sets a blank between neighboring <span> of different classes, of which a page shows one or sets them apart, facts about a post,
    links in elements of their own, a label and its value, and texts with an empty element between them.

    Numbers keep their units, words their particles, and single letters belong to their word.
    """
    if any(end in text for end in _ENDS_OF_PARTS):
        text = _PARTS.sub(
            lambda link: link["opening"] + _BETWEEN_PARTS.sub(_separate_parts, link["parts"]), text
        )
    if "</strong>" in text or "</b>" in text:
        text = _CARD.sub(r"\g<0><br>", text)
    if "</a></" in text:
        text = _BETWEEN_LINKS.sub(r"\g<0> ", text)
    if ":</" in text or "：</" in text:
        text = _AFTER_COLON.sub(r"\g<0> ", text)
    if "</strong><s" in text or "</b><s" in text:
        text = _AFTER_BOLD.sub(_separate_label, text)
    text = _BEFORE_NUMBER.sub(r"\g<0> ", _AFTER_DATE.sub(r"\g<0> ", text))
    if "></" in text:
        text = _EMPTY_BETWEEN.sub(r"\g<0> ", text)
    return _BETWEEN_SPANS.sub(_separate, _AFTER_FACT.sub(r"\g<0> ", text)) if "<span" in text else text


def _separate_parts(match: re.Match[str]) -> str:
    is_apart = match["one"] != match["other"] and _are_words(match["before"], match["after"])
    return match[0] + " " * is_apart


def _separate_label(match: re.Match[str]) -> str:
    _, mark, before = match.string[max(0, match.start() - LONGEST_LABEL) : match.start()].rpartition(">")
    is_label = mark != "" and len(before) > 1 and not PARTICLE.match(match["after"])
    return match[0] + " " * (is_label and _are_words(before, match["after"]))


def _separate(match: re.Match[str]) -> str:
    one, other, before, after = match["one"], match["other"], match["before"], match["after"]
    label = next((name for name in (one, other) if name and _LABELS.search(name)), None)
    if label and one == other:
        apart = _ends_word(before) and _begins_word(after)
    elif label and (before[-1] in _CLOSING or after[0] in _OPENING):
        apart = _ends_word(before) and _begins_word(after) and not PARTICLE.match(after)
    else:
        is_other = one != other if one and other else one is other
        apart = is_other and min(len(before), len(after)) > 1 and _are_words(before, after)
    return f"{match['opening']}{before}</span>{' ' * apart}"


def _ends_word(text: str) -> bool:
    return text[-1].isalnum() or text[-1] in _CLOSING


def _begins_word(text: str) -> bool:
    return text[0].isalnum() or text[0] in _OPENING


def _are_words(before: str, after: str) -> bool:
    """Whether two texts are words of their own: no number with its unit, and no word with its particle."""
    is_unit = not after[0].isdigit() and (after[0] >= "가" or len(after.split()[0]) <= LONGEST_UNIT)
    is_number = is_unit and _NUMBER.search(before) is not None and not _DATE.search(before)
    is_particle = bool(
        _HANGUL.match(before[-1]) and _HANGUL.match(after) and len(after.strip()) <= LONGEST_PARTICLE
    )
    return before[-1].isalnum() and after[0].isalnum() and not is_number and not is_particle
