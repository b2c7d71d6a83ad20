"""What a template shows that no table knows, by its place: a value in a sentence or a cell, a row beside others, or a box.

Owns the choice of its arguments. In a sentence the page shows a value, unless name or place are those of a note; a box alone on
its lines shows its sentences, formulas and lists only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from preprocessing.markup.wiki_arguments import (
    ASIDE,
    NEVER_SHOWN,
    Named,
    is_technical,
    key_of,
    read_arguments,
)
from preprocessing.markup.wiki_countries import COUNTRIES, country_name
from preprocessing.markup.wiki_media import END, START, gallery_template, is_file_name
from preprocessing.markup.wiki_rows import format_row
from preprocessing.markup.wiki_values import format_date, is_date, is_of_value

_SENTENCE = re.compile(r"[가-힣]{2,20} [^\n.?!]{1,200}[다요죠음함임까][.?!]")
_NOTICE = re.compile(
    r"각주|주석|cite|인용$|note|ref|토막글|알림|안내|삭제|보호|위키|틀$|정보|둘러|출처|navbox|infobox"
)
_NO_ROW = re.compile(
    rf"{_NOTICE.pattern}|citation|portal|포털|commons|자매|sister|^s-|^bs[0-9e-]{{0,3}}$|route|노선도|승계|전임|후임|succession|data|지도|좌표|동음|다른|참고|본문|main"
)
_ICON = re.compile("icon|deco|그림|아이콘|깃발")
_LABEL = re.compile(r"(?=.{0,80}[\w×÷±°\u2190-\u2bff])[^\n=]{1,300}")
_MARKED = re.compile(f"\x7f[^\n]*\x7f|{START}[^\n]*{END}")  # a formula or code, or captions of pictures
_WORD = re.compile(r"\w")
# Names of values of the wiki's own database, and functions that need it
_OF_WIKI = re.compile(
    r"#(?!tag|if|switch|vardefine|set\b|lst)|(?:.{0,40}:)?numberof|inflation|물가변동|.*(?:인구|population|통계|환율|데이터|문서수)"
)
_DOUBT = re.compile(
    r"needed|필요|clarify|dubious|의심|모호|불명확"
)  # notices about a sentence; an argument may be its text
_OF_SPAN = re.compile(r"(?:span|범위|부분|구절|구간)$")
_GLOSS = re.compile(r"(?=.{0,40}(?:[가-힣\u3040-\u30ff\u3400-\u9fff]|[^\W\d_]{4}))[^=|\n]{1,40}")
_NUMBER = re.compile(r"[-+−]?[0-9][0-9,.]{0,15}")
_VERSE = re.compile(r"[0-9]{1,3}:[0-9][0-9,–-]{0,9}")
_RATING = re.compile("별점|평점|rating")
_YEAR = re.compile("[12][0-9]{3}")
_GOES_ON = re.compile(r" [a-z]{2,20}\b")  # a sentence; what an icon is about has a capital or is a link
_UNIT = re.compile(r"(?=[^0-9])[A-Za-zµΩ°/²³·^0-9]{1,8}")
_PART_OF_WORD = re.compile(r"[0-9][0-9,.]{0,15}[가-힣]{0,3}|[가-힣]{1,5}")
_IDEOGRAPHS = re.compile("[\u3400-\u9fff\uf900-\ufaff ]{1,20}")
_HANGUL = re.compile("[가-힣]")
_BEFORE_VALUE = re.compile(r"^$|[\s(（\[\"'“‘·*《〈「『/~–-]")
_PARTICLE = re.compile(
    r"(?:년|월|일|세|살|명|개|대|번|원|위|호|회)?"
    r"(?:은|는|이|가|을|를|의|에|에서|에게|으로|로|와|과|도|만|부터|까지|보다|이다|이며|이고|이라|라고|이라고|(?<=[년월일세살명개대번원위호회]))"
    r"(?![가-힣])"
)
_CELL_OR_LINE = re.compile(r"\n|\|\||!!")
_START_OF_LINE = re.compile(r"[ \t*#:;]*$")
_START_OF_ARGUMENT = re.compile(r"(?:[^=\n]{1,40}=)?[ \t]*")
_START_OF_CELL = re.compile(
    r"(?:^|\n)[|!]+[ \t]{0,5}$|(?:\|\||!!)[ \t]{0,5}$|(?:\|\||!!|\n[|!])[^|\n]{1,60}=[^|\n]{1,60}\|[ \t]{0,5}$"
)
_END_OF_CELL = re.compile(r"[ \t]{0,5}(?:\|\||!!|\n[|!])")
_END_OF_LINE = re.compile(r"[ \t]*(?:\n|$)")
_ROW_BEGUN = re.compile(r"(?:^|\n)\|-[^\n]*\n$")
_QUOTES = dict(zip("“‘《〈「『", "”’》〉」』", strict=True))
_LAST_IS_SHOWN = re.compile(r"색|글꼴|글씨|글자|스타일|정렬|^style|colou?r|font|resize|sort")
_NAME_TO_SORT = re.compile(r"sort.{0,5}name|정렬.{0,2}이름|이름.{0,2}정렬")
_LANGUAGE = re.compile("[a-z]{3}(?:-[a-z]{2,12})?")  # a code before the word
_SYMBOL = re.compile(r"[A-Z][A-Za-z0-9]{1,7}")
_FEWEST_VALUES_OF_BOX = 4
_LONGEST_NAME = 20


@dataclass(frozen=True)
class Place:
    """The text around a template: ``before`` and ``behind`` it, and ``after`` it up to a bracket or a bar."""

    before: str
    behind: str
    after: str
    is_argument: bool = False  # of another template
    is_repeated: bool = False  # beside a template of the same name

    @property
    def line(self) -> str:
        """The text before the template in its line or cell."""
        return _CELL_OR_LINE.split(self.before)[-1]

    @property
    def is_box(self) -> bool:
        """Whether the template is alone on its lines."""
        begins_text = self.is_argument and "\n" not in self.before
        line = self.before.rpartition("\n")[2]
        return not begins_text and bool(_START_OF_LINE.match(line) and _END_OF_LINE.match(self.behind))

    @property
    def is_alone(self) -> bool:
        """Whether a cell, an argument, or a pair of brackets or quotes has nothing but the template."""
        if self.is_argument and _START_OF_ARGUMENT.fullmatch(self.before) and not self.after.strip():
            return True
        if self.before[-1:] in ("(", "（"):
            return self.behind[:1] in (")", "）")
        return self.is_quoted or bool(_START_OF_CELL.search(self.before) and _END_OF_CELL.match(self.behind))

    @property
    def is_quoted(self) -> bool:
        """Whether the template is all that is between quotes, which no note is."""
        return bool(self.before) and _QUOTES.get(self.before[-1]) == self.behind[:1]

    @property
    def is_noun(self) -> bool:
        return bool(_BEFORE_VALUE.search(self.before[-1:]) and _PARTICLE.match(self.after))


def unknown_text(parts: Sequence[str], place: Place, korean: bool) -> str:
    """The text of a template without an entry in any table."""
    key = key_of(parts[0])
    plain, named = read_arguments(parts[1:])
    if content := _content(key, plain, named, place):
        return content
    values = [
        text for text in plain if _LABEL.fullmatch(text) and not is_technical(text) and not is_file_name(text)
    ]
    is_style = len(plain) > 1 and _LAST_IS_SHOWN.search(key)
    if place.is_repeated and not place.line.strip(" \t") and not _NO_ROW.search(key):
        return _row(plain, named)
    is_country = bool(values) and values[0] in COUNTRIES and not _ICON.search(key)
    if _DOUBT.search(key):
        return named.get("text", "") or (plain[0] if plain and _OF_SPAN.search(key) else "")
    if not key or (ASIDE.search(key) and not (place.is_quoted or is_style or is_country)):
        is_noun = key and place.is_noun and place.line.strip() and not NEVER_SHOWN.search(key)
        return _shown(key, values, korean) if is_noun else ""
    if not any(plain):
        return _named(named, place) if named else _name(parts[0].strip(), place)
    if _ROW_BEGUN.search(place.before) and place.behind.startswith("\n|"):
        return f"| {' || '.join(values)}" if values else ""
    if place.is_box and not (values and place.line.lstrip()[:1] in ("*", "#") and not key.isascii()):
        return format_row(values) if len(values) >= _FEWEST_VALUES_OF_BOX else ""
    is_of_units = is_of_value(key, plain)
    is_measure = len(plain) == 2 and _NUMBER.fullmatch(plain[0]) and _UNIT.fullmatch(plain[1])
    text = " ".join(plain) if is_measure else _shown(key, values, korean)
    if _IDEOGRAPHS.fullmatch(text) and _HANGUL.search(place.before[-1:]):
        return f"({text})"  # of the word before
    if is_of_units and not is_style and not is_date(values[:3]):
        text = _joined(key, plain)
    is_shown = (
        place.is_box or is_of_units or is_style or is_country or place.is_alone or _is_value(text, place, key)
    )
    return text if is_shown else ""


def _content(key: str, plain: Sequence[str], named: Named, place: Place) -> str:
    """Several lines, pictures, and of a box also sentences and formulas."""
    if _NOTICE.search(key):
        return ""
    if sum(map(is_file_name, plain)) > (not place.is_box):
        return gallery_template(plain, named)
    blocks = [text for text in plain if "\n" in text or (place.is_box and _MARKED.fullmatch(text))]
    if not blocks and place.is_box and not key.isascii() and not ASIDE.search(key):
        if any(map(_SENTENCE.search, plain)):  # with the words that the sentences explain
            blocks = [text for text in plain if _WORD.search(text) and not is_technical(text)]
        blocks += [text for name, text in named.items() if not ASIDE.search(name) and _SENTENCE.search(text)]
    return "\n\n" + "\n\n".join(blocks) + "\n\n" if blocks else ""


def _row(plain: Sequence[str], named: Named) -> str:
    """The values of one of several templates; plain arguments that name others only draw lines between them."""
    names = {name.upper() for name in named}
    values = [*(() if names & set(plain) else plain), *named.values()]
    return format_row([value for value in values if _WORD.search(value)], fewest=1)


def is_missing(name: str, place: Place) -> bool:
    """Whether a template without text leaves a hole: a value that only the wiki has, or the noun before a particle."""
    key = key_of(name)
    begins_or_ends = place.is_box or place.line.rstrip()[-1:] in (".", "。")
    if _OF_WIKI.match(key) and "위키" not in key:
        return place.is_argument or (
            _BEFORE_VALUE.search(place.before[-1:]) is not None and not begins_or_ends
        )
    return bool(key and place.line.strip()) and place.is_noun and not ASIDE.search(key)


def _named(named: Named, place: Place) -> str:
    """The words of a template whose arguments all have names, where a noun is missing or parentheses have nothing else."""
    words = [text for text in named.values() if _GLOSS.fullmatch(text) and not is_technical(text)]
    return ", ".join(words) if place.is_alone or (place.is_noun and place.line.strip()) else ""


def _name(name: str, place: Place) -> str:
    """The name of a template without arguments, where a noun is missing."""
    is_noun = place.is_noun
    if name.isascii():
        is_shown = _SYMBOL.fullmatch(name) and (is_noun or place.before[-1:] == "(")
    else:
        is_shown = len(name) <= _LONGEST_NAME and (is_noun or place.is_alone)
    return name.replace("_", " ") if is_shown else ""


def _shown(key: str, values: Sequence[str], korean: bool) -> str:
    """A date, numbers, a country, or the words behind the code of a language; of colors, fonts and keys the last one."""
    if len(values) > 1 and _LANGUAGE.fullmatch(values[0]):
        values = values[1:]
    if is_date(values[:3]):
        return "–".join(format_date(day, {}) for day in (values[:3], values[3:6]) if is_date(day))
    if _NAME_TO_SORT.search(key):
        return " ".join(values[:2])
    if values and _LAST_IS_SHOWN.search(key):
        return values[-1]
    if values and values[0] in COUNTRIES:
        return country_name(values[0], korean)
    if values and all(map(_NUMBER.fullmatch, values)):
        return _joined(key, values)
    if len(values) == 2 and _VERSE.fullmatch(values[1]):
        return " ".join(values)
    glosses = [text for text in values[1:] if _GLOSS.fullmatch(text) and text not in values[0]]
    return f"{values[0]}{'' if korean else ' '}({', '.join(glosses)})" if glosses else "".join(values[:1])


def _joined(key: str, values: Sequence[str]) -> str:
    is_span = "범위" in key or (len(values) == 2 and all(map(_YEAR.fullmatch, values)))
    return ("/" if _RATING.search(key) else "–" if is_span else " ").join(filter(None, values))


def _is_value(text: str, place: Place, key: str) -> bool:
    """Whether a template inside of a line shows a value; a note follows its word without a blank, an icon begins the line."""
    if not _BEFORE_VALUE.search(place.before[-1:]):
        return bool(_PART_OF_WORD.fullmatch(text) and place.after[:1].isalnum())
    is_no_icon = not key.isascii() or _YEAR.fullmatch(text) is not None
    begins_sentence = place.after[:1] in (",", ";") or (is_no_icon and place.after[:1] in (" ", "<"))
    begins_sentence |= len(text) == 1 and text.isalpha() and place.after[:1].isalpha()  # its first letter
    begins_sentence |= _GOES_ON.match(place.after) is not None
    return bool(place.line.strip(" \t*#:;|!'\"")) or place.is_noun or begins_sentence
