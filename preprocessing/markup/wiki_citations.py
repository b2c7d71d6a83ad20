"""Templates that cite a book or an article, as items of a list: a bibliography of the works of a person.

Owns the names of their arguments. Citations in notes and in the text have no text; ``wiki_unknown`` decides about the place.
"""

from __future__ import annotations

import re

from preprocessing.markup.wiki_arguments import Named, first_of

_OF_WORK = re.compile(
    "(?:서적|책|도서|저널|학술지|논문|학위논문|잡지|보고서)인용$|^cite_(?:book|journal|thesis|magazine|conference|report)$|^citation$"
)
_WHOLE, _FAMILY, _GIVEN = ("저자", "author", "authors"), ("성", "last"), ("이름", "first")
_NUMBERS = ("", *map(str, range(1, 10)))
_FIELDS = (
    ("장", "chapter"), ("제목", "title"), ("저널", "journal", "잡지", "magazine", "작품명", "work"), ("권", "volume"), ("호", "issue"),
    ("출판사", "publisher"), ("연도", "year", "날짜", "date"),
)  # fmt: skip


def citation_text(key: str, named: Named) -> str:
    """The authors, the title, where it appeared and when; empty for templates that cite no work."""
    if not (_OF_WORK.search(key) and first_of(named, ("제목", "title"))):
        return ""
    authors = (_author(named, number) for number in _NUMBERS)
    return ", ".join(filter(None, (*authors, *(first_of(named, names) for names in _FIELDS))))


def _author(named: Named, number: str) -> str:
    """The author with a number behind the names of the arguments: ``last2``, ``first2``."""
    whole, *parts = (
        first_of(named, [name + number for name in names]) for names in (_WHOLE, _FAMILY, _GIVEN)
    )
    return whole or ", ".join(filter(None, parts))
