"""Templates of Wiktionary: words with their meaning, labels of meanings, parts of words, and phrases such as "plural of"."""

from __future__ import annotations

from collections.abc import Sequence

from preprocessing.markup.wiki_arguments import Named, is_technical

# The code of a language, the word, the form that is shown, the meaning; for some two codes
_WORDS = frozenset(("l", "ll", "m", "m+", "link", "mention", "cog", "noncog", "desc", "vern"))
_BORROWED = frozenset((
    "inh", "der", "bor", "lbor", "inh+", "der+", "bor+", "inherited", "derived", "borrowed", "cal", "calque",
))  # fmt: skip
_LABELS = frozenset(("lb", "lbl", "label", "라벨", "tlb"))  # behind the code of the language
_QUALIFIERS = frozenset(("qualifier", "qual", "qf", "i", "accent", "sense", "gloss", "gl"))
_AFFIXES = frozenset((
    "af", "affix", "suf", "suffix", "pre", "prefix", "con", "confix", "com", "compound", "blend", "합성", "접사",
))  # fmt: skip


def word_text(key: str, plain: Sequence[str], named: Named) -> str | None:
    """The text of a template named ``key``; None for one that is not of Wiktionary."""
    if key in _WORDS:
        return _format_word(plain[len(plain) > 1 and is_technical(plain[0]) :])
    if key in _BORROWED:
        return _format_word(plain[2:])
    if key in _LABELS or key in _QUALIFIERS:
        labels = ", ".join(filter(None, plain[key in _LABELS :]))
        return f"({labels})" if labels else ""
    if key in _AFFIXES:
        return " + ".join(filter(None, plain if "lang" in named else plain[1:]))
    if key.endswith("_of"):
        word = next((text for text in plain if text and not is_technical(text)), "")
        return f"{key.replace('_', ' ')} {word}" if word else ""
    return None


def _format_word(plain: Sequence[str]) -> str:
    """``word|form|meaning``: the form, else the word, and the meaning in parentheses."""
    meaning = "".join(plain[2:3])
    text = "".join(plain[1:2]) or "".join(plain[:1])
    return f"{text} ({meaning})" if meaning and text else text or meaning
