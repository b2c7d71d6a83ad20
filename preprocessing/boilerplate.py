"""By-lines, reporters and copyright notices at the head and tail of a document.

Owns which lines are such, and that nothing between head and tail is ever touched.
"""

from __future__ import annotations

import re

HEAD_LINES = 4
TAIL_LINES = 6
LONGEST_LINE = 160
_NAME = r"[가-힣]{2,4}"
_JOB = r"(?:기자|인턴기자|선임기자|전문기자|객원기자|특파원|논설위원|앵커|통신원|리포터)"
_EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"
_REPORTER = rf"(?:{_NAME}\s?{_JOB}|[가-힣]{{2,10}}(?:뉴스팀|취재팀|편집부|편집국))"
# "(서울=한빛뉴스) 홍길동 기자 = 본문": the mark in front of the first sentence
_DATELINE = re.compile(
    rf"^[ \t]*(?:[\[(【［<][^\[\]()【】\n]{{0,30}}?(?:=|뉴스|일보|신문|통신|{_JOB})[^\[\]()【】\n]{{0,30}}?[\])】］>][ \t]*"
    rf"(?:{_REPORTER}(?:[·, ]+{_REPORTER})*[ \t]*)?(?:=[ \t]*)?|{_REPORTER}[ \t]*=[ \t]*)"
)
_LINE = re.compile(
    rf"""^\W*(?:
    (?:글|사진|취재|편집|영상)?\W{{0,3}}{_REPORTER}(?:\W{{1,3}}{_REPORTER})*\W*(?:{_EMAIL})?
    |(?:이메일|메일|E-?mail)?\W{{0,4}}{_EMAIL}
    |(?:Copyright|저작권자?|ⓒ|©|\(c\)|<저작권).{{0,120}}
    |.{{0,80}}(?:무단\s?(?:전재|복제|배포)|재배포\s?금지|All\srights\sreserved).{{0,80}}
    |(?:기사\s?)?(?:입력|수정|송고|등록|최종\s?수정)(?:\s?시간|\s?일시)?\W{{0,3}}(?:19|20)\d\d\W.{{0,40}}
    |(?:관련\s?기사|추천\s?기사|많이\s?본\s?뉴스|기사\s?제보|제보는|구독하기).{{0,80}}
    |By\s[A-Z][\w.'-]+(?:\s[A-Z][\w.'-]+){{1,3}}(?:,\s.{{0,40}})?
    )\W*$""",
    re.VERBOSE | re.IGNORECASE,
)
HINT = (
    r"기자|특파원|논설위원|앵커|통신원|리포터|뉴스팀|취재팀|편집부|편집국|@|(?i:copyright)|저작권|ⓒ|©|\([cC]\)|무단|재배포|"
    r"(?i:all rights)|입력|수정|송고|등록|기사|뉴스|제보|구독하기|일보|신문|통신|(?i:by) [A-Z]"
)


def cut_boilerplate(text: str) -> str:
    """Removes by-line, reporter and copyright lines at the two ends, and the dateline in front of the first line."""
    lines = text.split("\n")
    seen = [i for i, line in enumerate(lines) if line.strip()]
    for index in _ends(seen):
        if len(lines[index]) <= LONGEST_LINE and _LINE.match(lines[index]):
            lines[index] = ""
    first = next((index for index in seen if lines[index]), None)
    if first is not None:
        lines[first] = _DATELINE.sub("", lines[first])
    return "\n".join(lines)


def _ends(seen: list[int]) -> list[int]:
    return sorted({*seen[:HEAD_LINES], *seen[-TAIL_LINES:]})
