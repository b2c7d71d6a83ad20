"""Shortens runs of emotion: of one sign, of laughing syllables and of dots.

``preprocessing.kernels.squeeze`` does the same.
"""

from __future__ import annotations

import re

from preprocessing.kernels.normalize_classes import MAX_RATING
from preprocessing.text.code_lines import is_in_code
from preprocessing.text.fences import SPAN, change_outside_fences
from preprocessing.text.kept_runs import is_data, is_kept

_URL = r"(?P<url>(?:https?://|www\.)[^\x00-\x20]+)"
SAME_EMOTION = "ㄱ-ㅎㅏ-ㅣ~♪^"
LAUGHING_SYLLABLES = "하히호헤후흐크키킥큭쿡캬낄껄깔"
MIXED_EMOTIONS = ("ㅋㅎ", "ㅠㅜ", "ㅡ―─")
STARS, HEARTS, MARKS = "★☆", "♥♡", "!?"
_SAME_SIGNS = re.compile(r"(.)\1*")
_RUNS = re.compile(
    "|".join(
        [
            _URL,
            rf"(?P<code>{SPAN})",
            *(f"[{one}]{{2,}}" for one in MIXED_EMOTIONS),
            f"(?P<group>[{STARS}]{{2,}}|[{HEARTS}]{{2,}}|[{MARKS}]{{2,}})",
            r"(?P<dots>\.{4,}|…{2,})",
            f"(?P<same>[{SAME_EMOTION}])(?P=same)+",
            f"(?P<syllable>[{LAUGHING_SYLLABLES}])(?P=syllable)+",
        ]
    )
)


def squeeze(text: str, longest: int, laughs_from: int = 5) -> str:
    """Shortens runs of one emotion, also of ㅋ with ㅎ or ㅠ with ㅜ, to ``longest``, and four or more dots to three.

    Shortens laughing syllables (하하하하하) only from ``laughs_from`` repetitions. Up to ten stars, or hearts of both
    kinds, are a rating (★★★★☆) and stay, as do lines of drawings (┌────┐), dots inside of identifiers (1950BAN....11) and of Morse code
    (.... ..) and tildes that are blanks of a formula (1 & ~~~~6). Marks keep their order: ???!!! stays, ?!?!?!?! becomes ?!?. Digits, letters,
    other syllables, strings of lists (["..#....", "....."]), URLs, fenced code, code spans and indented code stay unchanged.
    """

    def shorten(match: re.Match[str]) -> str:
        if match["url"] or match["code"]:
            return match[0]
        if is_in_code(match.string, match.start()) or is_data(match):
            return match[0]
        if match["group"]:
            return _shorten_group(match[0], longest)
        if is_kept(match):
            return match[0]
        if match["dots"]:
            return "..." if match[0][0] == "." else "…"
        if match["syllable"] and len(match[0]) < laughs_from:
            return match[0]
        return match[0][:longest]

    first = len(text) - len(text.lstrip(" \t\n"))
    return text[:first] + change_outside_fences(text[first:], lambda part: _RUNS.sub(shorten, part))


def _shorten_group(group: str, longest: int) -> str:
    """Shortens each run of one sign in a run of stars, hearts or marks, unless it is a rating."""
    if len(group) <= MAX_RATING and (group[0] in STARS or (group[0] in HEARTS and len(set(group)) > 1)):
        return group
    runs = [match[0][:longest] for match in _SAME_SIGNS.finditer(group)]
    return "".join(runs[: max(2, longest)] if group[0] in MARKS else runs)
