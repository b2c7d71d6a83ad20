"""What a template shows that no table knows, by its place: a value in a sentence or a cell, a row beside others, or a box.

Owns the choice of its arguments. In a sentence the page shows a value, unless name or place are those of a note; a box alone on
its lines shows its sentences, formulas and lists only.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from preprocessing.markup.wiki_arguments import Named, first_of, is_technical, key_of, read_arguments
from preprocessing.markup.wiki_citations import citation_text
from preprocessing.markup.wiki_countries import COUNTRIES, COUNTRY_NAMES
from preprocessing.markup.wiki_heads import head_text
from preprocessing.markup.wiki_media import END, START, gallery_template, is_file_name, is_sound
from preprocessing.markup.wiki_names import (
    ASIDE,
    DOUBT,
    FIGURE,
    ICON,
    ICON_OR_SIGN,
    NEVER_SHOWN,
    NO_ROW,
    NOTICE,
    OF_WIKI,
    is_named_as,
)
from preprocessing.markup.wiki_page import WikiPage
from preprocessing.markup.wiki_place import ITEMS_AND_CELLS, Place
from preprocessing.markup.wiki_rows import format_row, name_countries
from preprocessing.markup.wiki_shown import (
    GLOSS,
    LAST_IS_SHOWN,
    NUMBER,
    OF_CODES,
    UNITS,
    YEAR,
    is_written_out,
    measure_text,
    show_values,
)
from preprocessing.markup.wiki_specifications import ends_section, list_specifications

_SENTENCE = re.compile(r"[가-힣]{2,20} [^\n.?!]{1,200}[다요죠음함임까][.?!]")
_CLAUSE = re.compile(r"[가-힣]{1,20}(?: [가-힣]{1,20}){3,20}[다요라까][”’]?")  # without a full stop
_LABEL = re.compile(r"(?=.{0,80}[\w×÷±°\u2190-\u2bff])(?:[^\n=]|(?<= )=(?= )|(?<=<)=|=(?=>)){1,300}")
_MARKED = re.compile(f"\x7f[^\n]*\x7f|{START}[^\n]*{END}")  # a formula or code, or captions of pictures
_WORD = re.compile(r"\w")
_ITEM, _NAMES_OF_TEXT = re.compile(r"[*#]{1,9}[ \t]*\S"), ("text", "content", "내용", "본문")
_OF_SOURCE, _OF_CHART = (
    re.compile("^[xy]$|ref|access|archive|url|확인.?날짜|출처|^rowheader$"),
    re.compile("chart|차트"),
)
_CAPTION = re.compile("(?:caption|캡션|설명)_?[12]")
_OF_SPAN = re.compile(r"(?:span|범위|부분|구절|구간)$")
# A template of a railway is named as what it shows, and one that begins or ends a part of a list shows its name
_OF_LINE = re.compile(
    r"(?:[0-9]호|(?!구분|가로|세로|수평|밑줄)[가-힣]{2})선(?: ?\([^()]{1,20}\))?$|[가-힣]철도$"
)
_BEGINS_PART, _ENDS_PART = (
    re.compile(r"(?:[,:·、/→~–(]|\|\||!!|\n[|!]) ?$"),
    re.compile(r"[ \t]{0,5}(?:[,·、/→~–)]|\n|$|\{\{)"),
)
_ENDS_WORDS = re.compile(r"[^\s.?!*#:|] $")
_BEGINS_ROWS = re.compile("(?:시작|begin|start)$")
_NAME_OF_PARTY = re.compile("([^/]{1,40})/(?:meta/shortname|약칭|이름)")
_OPENS = re.compile(r" ?\(")
_BETWEEN_COLUMNS = re.compile("시작$|끝$|나눔$|나누기$|바꿈$|구분|가로|세로|수평|밑줄|빈")
_DAY = re.compile("[0-9]{1,2}월 ?(?:[0-9]{1,2}일)?")
_ENDS_WORD, _WORD_FOLLOWS = (
    re.compile("[가-힣0-9A-Za-z,)》」〉] $"),
    re.compile(" (?:[가-힣0-9A-Za-z]|[-–—] )"),
)
_COUNTED = re.compile("[호년월일회조항명개번판권편위세장절](?![가-힣]{2})")
_MARKS = " \t*#:;|!'\""
_BEHIND_WORD = frozenset(".,;:–—=(·/~")
_GOES_ON = re.compile(r" [a-z]{2,20}\b")  # a sentence; what an icon is about has a capital or is a link
_LETTERS, _OF_LANGUAGE = re.compile("[a-z]{1,2}"), re.compile("lang|언어|icon|flag|used|tbc")
_PART_OF_WORD = re.compile(r"[0-9][0-9,.]{0,15}[가-힣]{0,3}|[가-힣]{1,5}|[\u0370-\u03ff]")
_IDEOGRAPHS = re.compile("[\u3400-\u9fff\uf900-\ufaff ]{1,20}")
_HANGUL = re.compile("[가-힣]")
_ROW_BEGUN = re.compile(r"(?:^|\n)\|-[^\n]*\n$")
_SYMBOL = re.compile(r"[A-Z][A-Za-z0-9]{1,7}")
_FEWEST_VALUES_OF_BOX = 4


def unknown_text(parts: Sequence[str], place: Place, page: WikiPage) -> str:
    """The text of a template without an entry in any table."""
    key, korean = key_of(parts[0]), page.korean
    plain, named = read_arguments(parts[1:])
    if place.is_box and (head := head_text(key, plain, named, page.title, place.before)):
        return head
    if place.is_box and ends_section(key, place.before, place.behind):
        return list_specifications(parts[1:])
    if place.begins_part and (citation := citation_text(key, named)):
        return citation
    if content := _content(key, plain, named, place):
        return content
    if place.is_box and _BEGINS_ROWS.search(key) and not is_named_as(key, ASIDE):
        title = first_of(named, ("제목", "title")) or next(filter(GLOSS.fullmatch, plain[:1]), "")
        return f"\n{title}\n" if title else ""
    values = [
        text for text in plain if _LABEL.fullmatch(text) and not is_technical(text) and not is_file_name(text)
    ]
    is_in_text = place.is_argument or place.is_noun or place.line.strip(_MARKS)
    if len(plain) == 1 and _LETTERS.fullmatch(plain[0]) and is_in_text:
        values = [] if _OF_LANGUAGE.search(key) else plain
    if "" in plain and values and all(map(NUMBER.fullmatch, values)):
        values = list(itertools.takewhile(bool, plain))  # what follows is about the form
    is_style = len(plain) > 1 and is_named_as(key, LAST_IS_SHOWN)
    if place.is_repeated and not place.line.strip(" \t") and not is_named_as(key, NO_ROW):
        return _row(key, plain, named, korean)
    is_country = (
        bool(values) and values[0] in COUNTRIES and not (is_named_as(key, ICON) or OF_CODES.search(key))
    )
    if is_named_as(key, DOUBT):
        is_text = _OF_SPAN.search(key) or (not key.isascii() and place.begins_word)
        return named.get("text", "") or (plain[0] if plain and is_text and not is_technical(plain[0]) else "")
    if is_named_as(key, ASIDE) and not (place.is_quoted or is_style or is_country):
        is_noun = place.is_noun and place.line.strip() and not is_named_as(key, NEVER_SHOWN)
        is_icon = is_named_as(key, ICON_OR_SIGN) and (place.is_box or place.ends_cell)
        is_icon &= place.begins_part
        is_icon |= place.is_part and is_named_as(key, ICON_OR_SIGN)
        is_noun = is_noun or is_icon or (is_named_as(key, FIGURE) and is_written_out(values))
        return (
            (measure_text(plain) or show_values(parts[0], values, korean) or _named(named, place))
            if is_noun
            else ""
        )
    if not any(plain):
        return _named(named, place) if named else _name(parts[0].strip(), place)
    if _ROW_BEGUN.search(place.before) and place.behind.startswith("\n|"):
        return f"| {' || '.join(values)}" if values else ""
    is_item = place.line.lstrip()[:1] in ("*", "#", ":")
    if place.is_box and not (values and is_item and not (key.isascii() and is_named_as(key, NO_ROW))):
        fewest = 2 if key.endswith(("목록", "list")) else _FEWEST_VALUES_OF_BOX
        return format_row(values) if len(values) >= fewest else ""
    text = measure_text(plain) or _count(values, place) or show_values(parts[0], values, korean)
    if place.before[-1:] == "(" and place.is_alone and text.endswith(")"):
        text = _OPENS.sub(", ", text[:-1], count=1)
    if _IDEOGRAPHS.fullmatch(text) and _HANGUL.search(place.before[-1:]):
        return f"({text})"  # of the word before
    is_shown = (
        place.is_box
        or is_style
        or is_country
        or place.is_alone
        or (key in UNITS and text[:1].isdecimal())
        or _is_value(text, place, key)
    )
    return text if is_shown else ""


def _count(values: Sequence[str], place: Place) -> str:
    """A word and its number before a counter, such as a law's; the empty text for other values."""
    is_counted = len(values) == 2 and NUMBER.fullmatch(values[1]) and _COUNTED.match(place.after)
    return " ".join(values) if is_counted else ""


def _content(key: str, plain: Sequence[str], named: Named, place: Place) -> str:
    """Several lines, pictures, and of a box also sentences and formulas."""
    if is_named_as(key, NOTICE):
        return ""
    if sum(is_file_name(text) and not is_sound(text) for text in plain) > (not place.is_box):
        return gallery_template(plain, named)
    if any(map(_CAPTION.fullmatch, named)):
        return gallery_template(plain, named)
    inside = [*plain, *filter(None, map(named.get, _NAMES_OF_TEXT))]
    blocks = [text for text in inside if "\n" in text or (place.is_box and _is_block(text))]
    if not blocks and place.is_box and not key.isascii() and not is_named_as(key.replace("상자", ""), ASIDE):
        if any(
            _SENTENCE.search(text) or _CLAUSE.fullmatch(text) for text in plain
        ):  # with the words that the sentences explain
            blocks = [text for text in plain if _WORD.search(text) and not is_technical(text)]
        blocks += [
            text for name, text in named.items() if not is_named_as(name, ASIDE) and _SENTENCE.search(text)
        ]
    return "\n\n" + "\n\n".join(blocks) + "\n\n" if blocks else ""


def _is_block(text: str) -> bool:
    return _MARKED.fullmatch(text) is not None or (_ITEM.match(text) is not None and not is_technical(text))


def _row(key: str, plain: Sequence[str], named: Named, korean: bool) -> str:
    """The values of one of several templates; plain arguments that name others only draw lines between them."""
    named = {name: text for name, text in named.items() if not _OF_SOURCE.search(name)}
    named = {} if plain and _OF_CHART.search(key) else named
    names = {name.upper() for name in named}
    values = [*(() if names & set(plain) else plain), *name_countries(named, korean)]
    return format_row([value for value in values if _WORD.search(value)], fewest=1)


def is_missing(name: str, place: Place) -> bool:
    """Whether a template without text leaves a hole: a value that only the wiki has, or the noun before a particle."""
    key = key_of(name)
    begins_or_ends = place.is_box or place.line.rstrip()[-1:] in (".", "。")
    if is_named_as(key, OF_WIKI) and "위키" not in key:
        return place.is_argument or (place.begins_word and not begins_or_ends)
    return bool(key and place.line.strip()) and place.is_noun and not is_named_as(key, ASIDE)


def _named(named: Named, place: Place) -> str:
    """The words of a template whose arguments all have names, where a noun is missing or parentheses have nothing else."""
    words = [text for text in named.values() if GLOSS.fullmatch(text) and not is_technical(text)]
    return ", ".join(words) if place.is_alone or (place.is_noun and place.line.strip()) else ""


def _name(name: str, place: Place) -> str:
    """The name of a template without arguments, where a noun is missing; a page below another has a value of the wiki."""
    if "/" in name:
        party = _NAME_OF_PARTY.fullmatch(name)
        return party[1] if party else name if place.is_alone and name.lower() in UNITS else ""
    is_noun = place.is_noun
    if name.isascii():
        is_in_line = name.isupper() and place.begins_word and place.line.strip(_MARKS) and not place.ends_line
        is_in_line = is_in_line or (name.isupper() and place.is_alone)
        is_shown = _SYMBOL.fullmatch(name) and (is_noun or place.before[-1:] == "(" or is_in_line)
    else:
        is_label = not place.line.strip(_MARKS) and place.after.lstrip(" ")[:1] == ":"
        is_label |= place.before[-1:] == " " and place.after[:1] in ("(", ",")
        is_label |= (
            place.begins_word and place.line.lstrip()[:1] in ITEMS_AND_CELLS and place.after[:2] == " ("
        )
        is_part = _BEGINS_PART.search(place.before[-9:]) and (
            _ENDS_PART.match(place.behind) or place.ends_cell
        )
        is_end = place.ends_cell or (place.ends_line and place.line.lstrip()[:1] in ITEMS_AND_CELLS)
        is_word = (place.begins_part and place.after[:1] == " ") or (
            is_end and _ENDS_WORDS.search(place.line)
        )
        is_word = is_word or (_ENDS_WORD.search(place.before) and _WORD_FOLLOWS.match(place.after))
        is_part = is_part or (is_word and not _BETWEEN_COLUMNS.search(name))
        is_name = name in COUNTRY_NAMES or _OF_LINE.search(name) or _DAY.fullmatch(name)
        is_value = is_name and not place.is_box and place.begins_word
        is_shown = is_noun or place.is_alone or is_label or is_part or is_value
    return name.replace("_", " ") if is_shown else ""


def _is_value(text: str, place: Place, key: str) -> bool:
    """Whether a template inside of a line shows a value; a note follows its word without a blank, an icon begins the line."""
    if not place.begins_word:
        return bool(_PART_OF_WORD.fullmatch(text) and place.after[:1].isalnum())
    if not key.isascii() and place.begins_part and place.behind.startswith("{{") and GLOSS.fullmatch(text):
        return True
    is_item = place.line.lstrip()[:1] in ("*", "#") and place.behind.lstrip(" ")[:1] != "["
    is_no_icon = not key.isascii() or YEAR.fullmatch(text) is not None or is_item
    begins_sentence = place.after.lstrip(" ")[:1] in _BEHIND_WORD or _GOES_ON.match(place.after) is not None
    begins_sentence |= is_no_icon and place.after[:1] in (" ", "<")
    begins_sentence |= len(text) == 1 and place.after[:1].isalpha()  # its first letter
    return bool(place.line.strip(_MARKS)) or place.is_noun or begins_sentence
