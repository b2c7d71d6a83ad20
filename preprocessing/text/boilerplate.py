"""Cuts by-lines, reporters and copyright notices at the head and tail of a document.

Owns the patterns of such lines, and the limits of head and tail, between which nothing changes. The head is the first
HEAD_LINES lines that are not empty, within the first HEAD_CHARACTERS; the tail likewise. After a cut the next line
moves into the head or tail, and cutting repeats until nothing changes, so cutting a text again changes nothing.
"""

from __future__ import annotations

import itertools
import re

from preprocessing.text.normalize import collapse_blanks, find_fences

HEAD_LINES = 4
TAIL_LINES = 6
HEAD_CHARACTERS = 1000
TAIL_CHARACTERS = 1500
LONGEST_LINE = 160
MAX_ROUNDS = 8
_NAME = r"[가-힣]{2,4}"
_JOB = r"(?:기자|인턴기자|선임기자|전문기자|객원기자|수습기자|사진기자|특파원|논설위원|앵커|통신원|리포터)"
_EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"
_REPORTER = rf"(?:(?:{_NAME}[·,]\s?){{0,3}}{_NAME}\s?{_JOB}|[가-힣]{{2,10}}(?:뉴스팀|취재팀|편집부|편집국))"
_AGENCY = rf"(?:뉴스|일보|신문|통신|방송|{_JOB})"
# "(서울=한빛뉴스) 홍길동 기자 = 본문": the dateline before the first sentence
_DATELINE = re.compile(
    rf"^[ \t]*(?:[\[(【［<][가-힣·, ]{{2,15}}=[가-힣A-Za-z0-9·, ]{{2,30}}[\])】］>][ \t]*"
    rf"(?:{_REPORTER}(?:[·, ]+{_REPORTER}){{0,5}}[ \t]*)?(?:=[ \t]*)?"
    rf"|[\[(【［][가-힣A-Za-z0-9·, ]{{0,20}}{_AGENCY}[\])】］][ \t]*"
    rf"(?:{_REPORTER}(?:[·, ]+{_REPORTER}){{0,5}}[ \t]*)?(?:=[ \t]*)?|{_REPORTER}[ \t]*=[ \t]*)"
)
_SIGN = r"(?:ⓒ|©|\(c\))"
_MORE = r"(?:관련\s?기사|추천\s?기사|많이\s?본\s?(?:뉴스|기사)|기사\s?제보|제보하기|구독하기)"
_LINE = re.compile(
    rf"""[\W_]{{0,8}}(?:
    (?:(?:글|사진|취재|편집|영상|촬영)\W{{0,3}}){{0,3}}{_REPORTER}(?:\W{{1,3}}{_REPORTER}){{0,5}}\W{{0,4}}(?:{_EMAIL})?
    |(?:이메일|메일|E-?mail)?\W{{0,4}}{_EMAIL}
    |(?:Copyrights?|저작권자?)\W{{0,3}}(?:{_SIGN}|:|by\s|(?:19|20)[0-9]{{2}}).{{0,120}}
    |(?:{_SIGN}\s?(?:19|20)[0-9]{{2}}|[ⓒ©])[^.!?]{{1,60}}
    |.{{0,80}}무단\s?(?:전재|복제|배포|사용).{{0,30}}금지(?:합니다|함|됩니다)?
    |.{{0,80}}(?:재배포\s?금지|All\srights\sreserved).{{0,40}}
    |(?:기사\s?)?(?:입력|수정|송고|등록|최종\s?수정)(?:\s?시간|\s?일시)?\W{{0,3}}(?:19|20)[0-9]{{2}}(?:[-./]|년\s?[0-9])
     [-0-9\s.:/|년월일시분초오전후최종수정입력]{{0,60}}
    |[▶▷►☞■◆◇●※>*\[【]\s?{_MORE}.{{0,80}}
    |{_MORE}(?:\s?(?:더\s?)?보기|\s?[:>▶].{{0,80}})?
    |제보는.{{0,40}}(?:{_EMAIL}|카카오|카톡|전화|이메일|☎|https?:).{{0,60}}
    |(?:자료\s?)?(?:사진|그래픽|영상|이미지)(?:\s?(?:제공|출처))?\s?(?:=|ⓒ|©|(?<=[공처])\s?:)[^.!?]{{1,60}}
    |(?-i:By)\s(?-i:[A-Z])[\w.'-]+(?:\s(?-i:[A-Z])[\w.'-]+){{1,3}}
     (?:,\s(?-i:[A-Z])[\w.'&-]+(?:\s(?-i:[A-Z])[\w.'&-]+){{0,4}}|,?\s(?:staff\s)?(?:reporter|writer|correspondent))?
    )[\W_]{{0,8}}""",
    re.VERBOSE | re.IGNORECASE,
)
# For ``matching.Matcher``, on lines that end with a line feed and whose only other blanks are spaces and tabs: every line
# that is cut and every dateline matches.
HINT = (
    r"[가-힣][ \t]?(?:기자|특파원|논설위원|앵커|통신원|리포터|뉴스팀|취재팀|편집부|편집국)[^가-힣]|[A-Za-z0-9._%+-]@[A-Za-z0-9.-]"
    r"|(?i:copyr[iİı]ght)|저작권|[ⓒⒸ©]|\([cC]\)|무단[ \t]?(?:전재|복제|배포|사용)|재배포[ \t]?금지|(?i:all[ \t]r[iİı]ghts)"
    r"|(?:입력|수정|송고|등록)(?:[ \t]?시간|[ \t]?일시)?[^0-9]{0,3}(?:19|20)[0-9]{2}"
    r"|(?:관련|추천)[ \t]?기사|많이[ \t]?본[ \t]?(?:뉴스|기사)|기사[ \t]?제보|제보하기|구독하기|제보는|By[ \t][A-Z]"
    r"|(?:뉴스|일보|신문|통신|방송|기자|특파원|논설위원|앵커|통신원|리포터)[\])】］]|[\[(【［<][가-힣·, ]{2,15}="
    r"|(?:사진|그래픽|영상|이미지|제공|출처)[ \t]?[=:]"
)


def cut_boilerplate(text: str) -> str:
    """Removes by-line, reporter and copyright lines at both ends, and the dateline of the first line.

    Collapses blanks if anything was cut. A text that could be cut more than MAX_ROUNDS times is a list of such lines and
    stays unchanged.
    """
    shorter = text
    for _ in range(MAX_ROUNDS):
        before, shorter = shorter, _cut_once(shorter)
        if shorter == before:
            return shorter
        shorter = collapse_blanks(shorter)
    return shorter if _cut_once(shorter) == shorter else text


def _cut_once(text: str) -> str:
    lines, body = _split(text)
    starts = list(itertools.accumulate((len(line) + 1 for line in lines), initial=0))
    fenced = find_fences(text) if "```" in text else []
    filled = [i for i, line in enumerate(lines) if line.strip(" \t\n")]
    candidates = [
        i for i in _ends(filled, lines, starts, len(text)) if i != body and not _is_inside(fenced, starts[i])
    ]
    for i in candidates:
        if _is_boilerplate(lines[i]):
            lines[i] = ""
    first = next((i for i in filled if lines[i]), None)
    if first in candidates:
        rest = _DATELINE.sub("", lines[first], count=1)
        if not rest.lstrip().startswith("```"):
            lines[first] = rest
    return "\n".join(lines)


def _is_boilerplate(line: str) -> bool:
    return len(line) <= LONGEST_LINE and _LINE.fullmatch(line) is not None


def _split(text: str) -> tuple[list[str], int | None]:
    """The lines, and the number of the one that contains everything between head and tail; None where there is none."""
    first = text.find("\n", HEAD_CHARACTERS)
    last = text.rfind("\n", 0, max(0, len(text) - TAIL_CHARACTERS))
    if first < 0 or last <= first:
        return text.split("\n"), None
    head = text[:first].split("\n")
    return [*head, text[first + 1 : last], *text[last + 1 :].split("\n")], len(head)


def _is_inside(spans: list[tuple[int, int]], position: int) -> bool:
    return any(start <= position < end for start, end in spans)


def _ends(filled: list[int], lines: list[str], starts: list[int], length: int) -> list[int]:
    """Numbers of the lines in head and tail; ``filled`` are the lines that are not empty."""
    head = [i for i in filled[:HEAD_LINES] if starts[i] < HEAD_CHARACTERS]
    tail = [i for i in filled[-TAIL_LINES:] if starts[i] + len(lines[i]) > length - TAIL_CHARACTERS]
    return sorted({*head, *tail})
