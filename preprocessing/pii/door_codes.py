"""Codes of doors: digits with * or #, which are keys of the lock, behind a word for a door and one for a code.

A house, an office or a room counts as a door right before the word for the code. Digits alone stay: they are floors and rooms, too. So do codes that a manual gives for every new lock.
"""

from __future__ import annotations

import re

from preprocessing.pii.pattern import Match, Part, Pattern, text_after, text_before

_DOOR = "현관|도어 ?락|출입문|자동문|대문|공동 ?출입|건물 ?입구|로비"
_BUILDING = "집|건물|원룸|빌라|오피스텔|사무실|창고|아파트|숙소|펜션|주차장|[방실룸]"
_HINT_OF_CODE = "비밀번호|비번"
_CODE = re.compile("비밀번호|비번|암호|패스워드|번호|코드")
_TYPED = re.compile(" ?(?:번?을? ?)?(?:누르|눌러|눌렀|입력|치고|치면|치시|호출)")
_OF_EVERY_LOCK = re.compile("초기|기본|출고|공장|예시|예[:)]|예를")
_DOOR_CODE = re.compile(
    rf"(?:{_DOOR}|(?:{_BUILDING})(?= ?(?:문 ?)?(?:{_HINT_OF_CODE})))(?P<between>[^0-9*#\n<>|]{{0,24}})(?<![*#])(?P<part>(?=[0-9]*[*#])(?:[*#]?[0-9]{{2,8}}(?:[*#][0-9]{{2,8}}){{0,2}}[*#]?))(?![0-9A-Za-z*#.])"
)
_DIGITS = 4


def _check_door_code(match: Match) -> Part | None:
    """Requires a word for a code before, one for typing behind, or signs on both sides, which are no emphasis."""
    start, end = match.span("part")
    if sum(map(str.isdigit, match["part"])) < _DIGITS:
        return None
    if _OF_EVERY_LOCK.search(f"{text_before(match, 12)}{match['between']}"):
        return None
    signs = match["part"][0] + match["part"][-1]
    if signs in ("##", "#*", "*#"):
        return start, end
    named = _CODE.search(match["between"]) or _TYPED.match(text_after(match, 8))
    return (start, end) if named else None


PATTERNS = (
    Pattern(
        "secret",
        rf"(?:{_DOOR}|{_HINT_OF_CODE})[^0-9*#\n<>|]{{0,24}}[*#0-9][0-9*#]{{4}}",
        _DOOR_CODE,
        _check_door_code,
    ),
)
