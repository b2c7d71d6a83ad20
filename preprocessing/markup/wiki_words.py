"""Templates of Wiktionary: words with their language and meaning, labels, parts of words, and phrases such as "plural of"."""

from __future__ import annotations

from collections.abc import Sequence

from preprocessing.markup.wiki_arguments import Named, first_of, is_technical
from preprocessing.markup.wiki_languages import language_name

# The code of a language, the word, the form that is shown, the meaning; the first of two codes is that of the page's word
_WORDS = frozenset(("l", "ll", "m", "link", "mention", "vern"))
_WITH_LANGUAGE = frozenset(("m+", "cog", "noncog", "desc"))
_BORROWED = frozenset((
    "inh", "der", "bor", "lbor", "inh+", "der+", "bor+", "inherited", "derived", "borrowed", "cal", "calque", "etyl",
))  # fmt: skip
_LEADS = {
    "inh+": "Inherited from ",
    "der+": "Derived from ",
    "bor+": "Borrowed from ",
    "cal": "Calque of ",
    "calque": "Calque of ",
}
_LABELS = frozenset(("lb", "lbl", "label", "라벨", "tlb"))  # behind the code of the language
_QUALIFIERS = frozenset(("qualifier", "qual", "qf", "i", "accent", "sense", "gloss", "gl"))
_AFFIXES = frozenset((
    "af", "affix", "suf", "suffix", "pre", "prefix", "con", "confix", "com", "compound", "blend", "합성", "접사",
))  # fmt: skip


def word_text(key: str, plain: Sequence[str], named: Named, korean: bool) -> str | None:
    """The text of a template named ``key``; None for one that is not of Wiktionary."""
    if key in _WORDS:
        return _format_word(plain[len(plain) > 1 and is_technical(plain[0]) :], named)
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
    if key.endswith("_of"):
        word = next((text for text in plain if text and not is_technical(text)), "")
        return f"{key.replace('_', ' ')} {word}" if word else ""
    return None


def _format_word(plain: Sequence[str], named: Named) -> str:
    """``word|form|meaning``: the form, else the word, and how it is read and its meaning in parentheses."""
    glosses = [first_of(named, ("tr",)), "".join(plain[2:3]) or first_of(named, ("t", "gloss", "뜻"))]
    about = ", ".join(text for text in glosses if text not in ("", "-"))
    text = "".join(plain[1:2]) or "".join(plain[:1])
    return f"{text} ({about})" if about and text else text or about
