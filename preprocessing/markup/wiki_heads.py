"""Head lines of Wiktionary: the word of the page with its characters, readings and forms, ``{{ko-noun|hanja=學校}}``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from preprocessing.markup.wiki_arguments import Named, first_of

_HEAD = re.compile(
    "head|[a-z]{2,3}-(?:head|noun|verb|adj|adjective|adv|adverb|det|num|pron|proper_?noun|propn|pos|phrase|prefix|suffix|root)"
)
_GLOSSES = (("hanja", "hj"), ("hangul", "hira", "kana"), ("tr", "rom", "rr"), ("pl", "plural"))
_IDEOGRAPH = re.compile("[\u3400-\u9fff]")
_NO_FORMS = frozenset(("more", "most", "further", "furthest", "first", "second", "third", "fourth", "fifth"))


def head_text(key: str, plain: Sequence[str], named: Named, title: str, before: str) -> str:
    """The head line of a template alone on its line; a word that the text ``before`` ends with is not repeated.

    Empty for another template.
    """
    if _HEAD.fullmatch(key) is None:
        return ""
    word = first_of(named, ("head", "head1")) or title
    if key == "head":  # language, part of speech, and names of forms with the forms
        about = [" ".join(filter(None, pair)) for pair in zip(plain[2::2], plain[3::2], strict=False)]
    else:
        about = [text for text in plain[key.endswith("pos") :] if _is_form(text, word)]
    about = list(dict.fromkeys(filter(None, [*(first_of(named, names) for names in _GLOSSES), *about])))
    is_repeated = not word or word in before.rstrip().rpartition("\n")[2]
    forms = f"({', '.join(text for text in about if text != '-')})" if about else ""
    return forms if is_repeated else " ".join(filter(None, (word, forms)))


def _is_form(text: str, word: str) -> bool:
    """Whether an argument is a whole form of the word, not an ending such as ``es`` or a mark such as ``-``."""
    is_like_word = text[:1] == word[:1] and (len(text) > 2 or not text.isascii())
    is_like_word = is_like_word or _IDEOGRAPH.match(text) is not None
    return text.replace(" ", "").isalpha() and (is_like_word or len(text) > 3) and text not in _NO_FORMS
