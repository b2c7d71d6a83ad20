"""What templates need to know about the page they stand on: its title, language and date."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

_HANGUL, _LATIN = re.compile("[가-힣]"), re.compile("[A-Za-z]")
_SAMPLE = 2000  # characters, evenly over the page
_LATIN_LETTERS = 6  # for one syllable, at most: citations and templates of Korean articles are mostly English


@dataclass(frozen=True)
class WikiPage:
    """``written_on`` is the day of the revision, on which templates compute ages; None where it is unknown."""

    title: str = ""
    written_on: date | None = None
    korean: bool = True

    @classmethod
    def of(cls, text: str, title: str = "", timestamp: str = "") -> WikiPage:
        """``timestamp`` as in a dump: ``2021-08-07T23:49:40Z``."""
        try:
            written_on = date.fromisoformat(timestamp[:10])
        except ValueError:
            written_on = None
        sample = text[:: 1 + len(text) // _SAMPLE]
        syllables, letters = len(_HANGUL.findall(sample)), len(_LATIN.findall(sample))
        return cls(title, written_on, bool(_HANGUL.search(title)) or letters < _LATIN_LETTERS * syllables)
