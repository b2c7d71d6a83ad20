"""Templates of Wiktionary: words with their language and meaning, labels, parts of words, and phrases such as "plural of"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from preprocessing.markup.wiki_arguments import Named, first_of
from preprocessing.markup.wiki_languages import language_name
from preprocessing.markup.wiki_shown import GLOSS

# The code of a language, the word, the form that is shown, the meaning; the first of two codes is that of the page's word
_WORDS = frozenset(("l", "ll", "m", "link", "mention", "vern"))
# The gender follows the word.
_TRANSLATIONS = frozenset(("t", "t+", "t-", "tt", "tt+", "t-simple", "t-check", "t+check"))
_WITH_LANGUAGE = frozenset(("m+", "cog", "noncog", "desc"))
_BORROWED = frozenset((
    "inh", "der", "bor", "lbor", "inh+", "der+", "bor+", "inherited", "derived", "borrowed", "cal", "calque", "etyl",
))  # fmt: skip
_LEADS = {
    "inh+": "Inherited from ", "der+": "Derived from ", "bor+": "Borrowed from ", "cal": "Calque of ", "calque": "Calque of ",
}  # fmt: skip
_LABELS = frozenset(("lb", "lbl", "label", "라벨", "tlb"))  # behind the code of the language
_QUALIFIERS = frozenset(("qualifier", "qual", "qf", "i", "accent", "sense", "gloss", "gl"))
_AFFIXES = frozenset((
    "af", "affix", "suf", "suffix", "pre", "prefix", "con", "confix", "com", "compound", "blend", "합성", "접사",
))  # fmt: skip
_EXAMPLES = frozenset(("ux", "uxi", "usex", "ja-usex", "예문", "용례"))
_RELATIONS = {
    "syn": "Synonyms", "synonyms": "Synonyms", "ant": "Antonyms", "antonyms": "Antonyms", "hyper": "Hypernyms", "hypo": "Hyponyms",
    "cot": "Coordinate terms", "mer": "Meronyms", "hol": "Holonyms", "rhymes": "Rhymes", "homophones": "Homophones", "hmp": "Homophones",
    "doublet": "Doublet", "dbt": "Doublet", "anagrams": "Anagrams",
}  # fmt: skip
_KOREAN_RELATION = re.compile(
    "((?:합성|파생|유의|반의|동의|관련|상위|하위|비슷한|참고)[어말]|속담|관용구|숙어)(?:상자)?"
)
_QUOTED = re.compile("quote-[a-z]+|rq:.+")
_ABOUT_QUOTATION = (("year", "date"), ("author", "last"), ("author2", "last2"), ("chapter",), ("title",))
_BLANKS = 3  # of a sentence, at least
_NAMES = frozenset(("given_name", "surname"))
_KIND_OF_PLACE = re.compile("[a-z]{1,4}/")  # s/Texas
_COLUMNS = re.compile("(?:col|der|rel|syn|hyp)[1-5]")
_CODE = re.compile("[a-z]{2,3}(?:-[a-z]{3,4}){0,2}")  # of a language
_LANGUAGE_OF_NAME = re.compile("^[a-z]{2,3}-")
_KANA = re.compile("[\u3041-\u30ff]")
_IDEOGRAPH = re.compile("[\u3400-\u9fff]")


def word_text(key: str, plain: Sequence[str], named: Named, korean: bool) -> str | None:
    """The text of a template named ``key``; None for one that is not of Wiktionary."""
    if key in _WORDS:
        return _format_word(_without_code(plain, named), named)
    if key in _TRANSLATIONS:
        return _format_word(plain[1:2] or ([] if "tr" in named else plain), named)
    if key in _WITH_LANGUAGE:
        name = language_name("".join(plain[:1]), korean)
        return f"{name}{':' * (key == 'desc')} {_format_word(plain[1:], named)}".strip(": ")
    if key in _BORROWED:
        code = "".join(plain[:1] if key == "etyl" else plain[1:2])
        lead = "" if korean or "notext" in named else _LEADS.get(key, "")
        return f"{lead}{language_name(code, korean)} {_format_word(plain[2:], named)}".strip()
    if key in _LABELS or key in _QUALIFIERS:
        labels = ", ".join(filter(None, plain[key in _LABELS :]))
        return f"({labels})" if labels else ""
    if key in _AFFIXES:
        return " + ".join(filter(None, plain if "lang" in named else plain[1:]))
    if key in _EXAMPLES:
        return _format_example(_without_code(plain, named), named)
    if _QUOTED.fullmatch(key):
        return _format_quotation(plain[_CODE.fullmatch("".join(plain[:1])) is not None :], named)
    if key in _NAMES:
        gender = [text for text in plain if text in ("male", "female", "unisex")]
        return " ".join(["a", *gender[:1], key.replace("_", " ")])
    if key == "place":
        kind, *places = (_KIND_OF_PLACE.sub("", text, count=1) for text in plain[1:] or [""])
        return f"{kind} in {', '.join(places)}" if places else kind
    if key == "in_lang":
        names = [language_name(code, korean) or code for code in plain]
        return (
            f"({', '.join(names)})"
            if korean
            else f"(in {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))})"
            if names
            else ""
        )
    if key == "c" and len(plain) > 1:
        return ""  # categories; with one argument it centers a line
    if key == "r" and len(plain) == 2 and _IDEOGRAPH.search(plain[0]):  # else it refers to a note
        return f"{plain[0]}({plain[1]})"
    return _relation_text(key, plain, named)


def _relation_text(key: str, plain: Sequence[str], named: Named) -> str | None:
    """Words that stand in a relation to that of the page: ``plural of cat``, synonyms, columns of derived terms."""
    if key.endswith("_of"):
        of_language = _LANGUAGE_OF_NAME.match(key)
        phrase = key[of_language.end() if of_language else 0 :].replace("_", " ")
        words = plain if of_language else _without_code(plain, named)
        meaning = "".join(words[1:2]) if of_language else ""
        word = next(filter(None, words), "")
        word = _format_word(["", word, meaning if GLOSS.fullmatch(meaning) else ""], named)
        return f"{phrase} {word}" if word else ""
    words = [word for word in _without_code(plain, named) if word]
    relation = _KOREAN_RELATION.fullmatch(key)
    if relation or key in _RELATIONS:
        lead = "" if "notext" in named else f"{relation[1] if relation else _RELATIONS[key]}: "
        return lead + ", ".join(words) if words else ""
    if _COLUMNS.fullmatch(key):
        title = first_of(named, ("title", "제목"))
        return (
            "".join(f"\n{line}" for line in ([title] if title else []) + [f"* {word}" for word in words])
            + "\n"
        )
    return None


def _without_code(plain: Sequence[str], named: Named) -> Sequence[str]:
    has_code = len(plain) > 1 and "lang" not in named and _CODE.fullmatch(plain[0]) is not None
    return plain[has_code:]


def _format_word(plain: Sequence[str], named: Named) -> str:
    """``word|form|meaning``: the form, else the word, and how it is read and its meaning in parentheses."""
    glosses = [first_of(named, ("tr",)), "".join(plain[2:3]) or first_of(named, ("t", "gloss", "뜻"))]
    about = ", ".join(text for text in glosses if text not in ("", "-"))
    text = "".join(plain[1:2]) or first_of(named, ("alt",)) or "".join(plain[:1])
    text = text.removeprefix("^")  # a name
    return f"{text} ({about})" if about and text else text or about


def _format_example(plain: Sequence[str], named: Named) -> str:
    """A sentence, and its reading, translation and source in parentheses; percent signs divide it for its ruby only."""
    if "%" in "".join(plain[:1]) and _KANA.search("".join(plain[1:2])):
        plain = [text.replace("%", "") for text in plain]
    keys = (("tr",), ("t", "translation", "번역"), ("lit",), ("footer",), ("출처", "source", "ref"))
    about = ", ".join(filter(None, [*plain[1:], *(first_of(named, names) for names in keys)]))
    text = "".join(plain[:1])
    return f"{text} ({about})" if about and text else text


def _format_quotation(plain: Sequence[str], named: Named) -> str:
    """When and by whom a sentence was written, the sentence, and its translation in parentheses.

    A long argument without a name is the sentence, those before it its place, and the one behind it the translation.
    """
    text = first_of(named, ("passage", "text", "quote"))
    longest = max(range(len(plain)), key=lambda at: len(plain[at]), default=0)
    at = len(plain) if text or "".join(plain[longest : longest + 1]).count(" ") < _BLANKS else longest
    text = text or "".join(plain[at : at + 1])
    translation = first_of(named, ("t", "translation")) or "".join(plain[at + 1 : at + 2])
    about = [first_of(named, names) for names in _ABOUT_QUOTATION]
    about += [value for value in plain[:at] if not value.startswith("http")]
    text = f"{text} ({translation})" if text and translation else text
    return ": ".join(filter(None, (", ".join(filter(None, about)), text)))
