"""Cuts by-lines, reporters and copyright notices at the head and tail of a document.

Owns the patterns of such lines, and the limits of head and tail, between which nothing changes. The head is the first
HEAD_LINES lines that are not empty, within the first HEAD_CHARACTERS; the tail likewise. After a cut the next line
moves into the head or tail, and cutting repeats until nothing changes, so cutting a text again changes nothing.
"""

from __future__ import annotations

import bisect
import itertools
import re

from preprocessing.text import by_lines
from preprocessing.text.blanks import collapse_blanks
from preprocessing.text.fences import find_fences
from preprocessing.text.mail_domains import is_mailbox

HEAD_LINES = 4
TAIL_LINES = 6
HEAD_CHARACTERS = 1000
TAIL_CHARACTERS = 1500
LONGEST_LINE = 160
DATELINE_LINES = 3
MAX_ROUNDS = 8
_NAME = r"[가-힣]{2,4}"
_JOB = r"(?:기자|인턴기자|선임기자|전문기자|객원기자|수습기자|사진기자|특파원|논설위원|앵커|통신원|리포터)"
_EMAIL = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"
_REPORTER = rf"(?:(?:{_NAME}[·,]\s?){{0,3}}{_NAME}\s?{_JOB}|[가-힣]{{2,10}}(?:뉴스팀|취재팀|편집부|편집국))"
_AGENCY = rf"(?:뉴스|일보|신문|통신|방송|{_JOB})"
# "(서울=한빛뉴스) 홍길동 기자 = 본문": the dateline before the first sentence
_DATELINE = re.compile(
    rf"^[ \t]*(?:[\[(【［<](?!단위|기준|자료|출처|사진|합계|정답|주의|참고)[가-힣·, ]{{2,15}}(?:\([가-힣]{{1,6}}\))?=[가-힣A-Za-z0-9·, ]{{2,30}}[\])】］>][ \t]*"
    rf"(?:(?:{_NAME} ){{1,3}}{_NAME} ?{_JOB}[ \t]*=[ \t]*|(?:{_REPORTER}(?:[·, ]+{_REPORTER}){{0,9}}[ \t]*)?(?:=[ \t]*)?)"
    rf"|[\[(【［][가-힣A-Za-z0-9·, ]{{0,20}}{_AGENCY}[\])】］][ \t]*"
    rf"(?:{_REPORTER}(?:[·, ]+{_REPORTER}){{0,9}}[ \t]*(?:=[ \t]*)?|=[ \t]*)"
    rf"|[\[(【［](?:[가-힣A-Za-z0-9·,]{{2,12}} )?{_NAME} ?{_JOB}[\])】］][ \t]*(?:=[ \t]*)?|{_REPORTER}[ \t]*=[ \t]*)"
)
# What a dateline below a headline has: "=" after its reporters, or a place and an agency or reporter with "=" between them
_CERTAIN_DATELINE = re.compile(
    rf"=[ \t]*$|=[^=\])】］>]*(?:(?:뉴스[0-9]?|뉴시스|일보|신문|통신|방송|{_JOB})[\])】］>]|[\])】］>][ \t]*{_REPORTER})"
)
_SIGN = r"(?:ⓒ|©|\(c\))"
_NEWS = r"(?:관련\s?기사|추천\s?기사|많이\s?본\s?(?:뉴스|기사)|기사\s?제보)"
_PLACE = r"[가-힣]{2,4}(?:[·/][가-힣]{2,4})?"
_THE_SIGN = r"[\"'”’)\]]{0,2}\s?(?:기호|표시|마크|표기|문자|심볼|로고|[은는을를의란과와]\s)"
# The words of a notice as the subject of a sentence: "All rights reserved"는, All rights reserved라는 문구
_NOT_A_SUBJECT = r"(?![.\"'”’)\]」』>*`]{0,3}(?:[가이은는을를의과와도란]\s|[이]?(?:라|란|라는|라고|라면)[\s가-힣]|\s?(?:입니다|이다|이며|이고|으?로\s)|\s(?:표시|문구|표기|조항|선언|라는|이라)))"
_MORE = rf"(?:{_NEWS}|제보하기|구독하기)"
_LINE = re.compile(
    rf"""(?P<before>[\W_]{{0,8}})(?:
    (?:{_PLACE}\s?=\s?(?=[^@]{{2,60}}@))?(?P<reporters>(?:(?:글|사진|취재|편집|영상|촬영)\W{{0,3}}){{0,3}}{_REPORTER}(?:\W{{1,3}}(?:{_EMAIL}\W{{1,3}}(?:{_PLACE}[/=]\s?)?)?{_REPORTER}){{0,5}})\W{{0,4}}(?P<mail>{_EMAIL})?
    |(?P<label>(?:이메일|메일|E-?mail)?)\W{{0,4}}(?P<address>{_EMAIL})
    |(?:Copyrights?|저작권자?)\W{{0,3}}(?:{_SIGN}(?!{_THE_SIGN})|(?<=자)\s?:|(?<!권)\W(?:19|20)[0-9]{{2}}(?![^:?!]*[:?!])).{{0,120}}
    |Copyrights?\W{{0,3}}(?::|by\s)(?P<company>.{{1,120}})
    |(?:{_SIGN}\s?(?:19|20)[0-9]{{2}}|[ⓒ©])(?P<owner>[^.!?]{{1,60}})
    |(?=.{{0,110}}(?:전재|저작권|ⓒ|©|\(c\)|재배포|copyright|본\s|이\s(?:글|기사|자료))).{{0,80}}무단\s?(?:전재|복제|배포|사용).{{0,30}}금지(?:합니다|함|됩니다)?
    |무단\s?(?:전재|복제|배포|사용).{{0,30}}금지(?:합니다|함|됩니다)
    |(?!.{{0,80}}\([\"'])
     .{{0,80}}(?:재배포\s?금지(?=\W{{0,8}}$|.{{0,40}}(?:ⓒ|©|저작권|Copyright))|All\srights\sreserved{_NOT_A_SUBJECT}).{{0,40}}
    |(?P<date>(?:기사\s?)?(?:입력|수정|송고|등록|최종\s?수정)(?:\s?시간|\s?일시)?\W{{0,3}}(?:19|20)[0-9]{{2}}(?:[-./]|년\s?[0-9])
     [-0-9\s.:/|년월일시분초오전후최종수정입력]{{0,60}})
    |(?P<more>{_MORE}(?:\s?(?:더\s?)?보기|\s?[:>▶][^.!?]{{0,80}})?)
    |(?P<marked>{_MORE}[^.!?]{{0,80}})
    |제보는.{{0,40}}(?:{_EMAIL}|카카오|카톡|전화|이메일|☎|https?:).{{0,60}}
    |(?:자료\s?)?(?:사진|그래픽|영상|이미지)(?:\s?(?:제공|출처)\s?[:=]|(?<=[진픽상지])\s?(?:=|ⓒ|©))(?P<credit>[^.!?]{{1,60}})
    |(?-i:By)\s(?P<by>(?-i:[A-Z])[\w.'-]+(?:\s(?-i:[A-Z])[\w.'-]+){{1,3}})
     (?P<office>,\s(?-i:[A-Z])[\w.'&-]+(?:\s(?-i:[A-Z])[\w.'&-]+){{0,4}}|,?\s(?:staff\s)?(?:reporter|writer|correspondent))?
    )[\W_]{{0,8}}""",
    re.VERBOSE | re.IGNORECASE,
)
_PERSON = re.compile(rf"([가-힣]{{2,4}})\s?{_JOB}|([가-힣]{{2,4}})[·,]")
_OFFICE = re.compile("편집부|편집국")
_NEWS_ONLY = re.compile(rf"{_NEWS}.*", re.DOTALL)
_CREDIT = re.compile(r"제공|출처|^[\[(【<]")
_BRACKETS = frozenset("[(【［<")
_MARKS_OF_LINKS = frozenset("▶▷►☞■◆◇●※[【")
# For ``matching.Matcher``, on lines that end with a line feed and whose only other blanks are spaces and tabs: every line
# that is cut and every dateline matches.
HINT = (
    r"[가-힣][ \t]?(?:기자|특파원|논설위원|앵커|통신원|리포터|뉴스팀|취재팀|편집부|편집국)[^가-힣]|[A-Za-z0-9._%+-]@[A-Za-z0-9.-]"
    r"|(?i:copyr[iİı]ght)|저작권|[ⓒⒸ©]|\([cC]\)|무단[ \t]?(?:전재|복제|배포|사용)|재배포[ \t]?금지|(?i:all[ \t]r[iİı]ghts)"
    r"|(?:입력|수정|송고|등록)(?:[ \t]?시간|[ \t]?일시)?[^0-9]{0,3}(?:19|20)[0-9]{2}"
    r"|(?:관련|추천)[ \t]?기사|많이[ \t]?본[ \t]?(?:뉴스|기사)|기사[ \t]?제보|제보하기|구독하기|제보는|By[ \t][A-Z]"
    r"|(?:뉴스|일보|신문|통신|방송|기자|특파원|논설위원|앵커|통신원|리포터)[\])】］]|[\[(【［<][가-힣·, ]{2,15}(?:\([가-힣]{1,6}\))?="
    r"|(?:사진|그래픽|영상|이미지|제공|출처)[ \t]?[=:]"
)


def cut_boilerplate(text: str) -> str:
    """Removes by-line, reporter and copyright lines at both ends, and the dateline of the first line or below headlines.

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
    fenced = find_fences(text)
    filled = [i for i, line in enumerate(lines) if line.strip(" \t\n")]
    candidates = [
        i for i in _ends(filled, lines, starts, len(text)) if i != body and not _is_inside(fenced, starts[i])
    ]
    cut = [i for i in candidates if _is_boilerplate(i, lines, filled)]
    for i in [*cut, *_ways_to_report(cut, lines, filled, candidates)]:
        lines[i] = ""
    _cut_dateline([i for i in filled if lines[i]], lines, candidates)
    return "\n".join(lines)


def _ways_to_report(cut: list[int], lines: list[str], filled: list[int], candidates: list[int]) -> list[int]:
    """The lines below "제보하기", to the end of the text, where a mark begins each: telephones and accounts of the newsroom."""
    report = next((i for i in cut if "제보하기" in lines[i]), len(lines))
    below = [i for i in filled if i > report]
    is_list = all(i in candidates and (i in cut or lines[i].lstrip()[:1] in _MARKS_OF_LINKS) for i in below)
    return below if is_list else []


def _is_boilerplate(i: int, lines: list[str], filled: list[int]) -> bool:
    """Whether line ``i`` has the form of a by-line or notice, and its content and neighbors do not speak against it."""
    match = _match_line(lines[i])
    if match is None:
        return False
    at = bisect.bisect_left(filled, i)
    before = lines[filled[at - 1]].rpartition("\n")[2] if at else ""
    after = lines[filled[at + 1]].partition("\n")[0] if at + 1 < len(filled) else ""
    first_line = at == 0
    if by_lines.is_structure(lines[i], before, after):
        return False
    if match["reporters"]:
        alone = first_line and not match["mail"]
        is_office = alone and _OFFICE.search(match["reporters"])
        return not is_office and by_lines.are_reporters(_names(match["reporters"]), alone)
    if match["address"]:
        return _is_by_line_of_mail(match, before, after) and not (
            before and _goes_on(filled[at + 1 :], lines) and not _match_line(before)
        )
    if match["date"]:
        return not by_lines.is_form_entry(
            lines[i], *(line for line in (before, after) if not _match_line(line))
        )
    if match["by"]:
        return bool(match["office"]) or by_lines.is_english_name(match["by"], first_line)
    if match["marked"]:
        return not _MARKS_OF_LINKS.isdisjoint(match["before"]) and not by_lines.is_sentence(match[0])
    if match["more"]:
        return not first_line or bool(_NEWS_ONLY.fullmatch(match["more"]))
    owner = match["owner"] or match["company"] or (match["credit"] if not _CREDIT.search(match[0]) else None)
    return owner is None or by_lines.is_owner(_after_sign(match, owner), first_line or bool(match["company"]))


def _after_sign(match: re.Match[str], owner: str) -> str:
    """The text after ©, with the year that the pattern read separately."""
    return owner if match["owner"] is None else match[0][len(match["before"]) :].lstrip("ⓒ©")


def _is_by_line_of_mail(match: re.Match[str], before: str, after: str) -> bool:
    """Whether an address belongs to a reporter, or follows the end of a text; not where readers are to write.

    A name of a file such as ``logo@2x.png`` is no address.
    """
    if not is_mailbox(match["address"]):
        return False
    neighbors = [_match_line(before), _match_line(after)]
    if any(line and line["reporters"] for line in neighbors):
        return True
    if match["label"]:
        return False
    return bool(neighbors[0]) or not by_lines.asks_for_mail(before)


def _goes_on(below: list[int], lines: list[str]) -> bool:
    """Whether a sentence follows among the lines below, so that the text does not end above."""
    return any(
        by_lines.is_sentence(line) and not _match_line(line)
        for i in below[:TAIL_LINES]
        for line in lines[i].split("\n")[:TAIL_LINES]
    )


def _match_line(line: str) -> re.Match[str] | None:
    return _LINE.fullmatch(line) if len(line) <= LONGEST_LINE else None


def _cut_dateline(filled: list[int], lines: list[str], candidates: list[int]) -> None:
    """Removes the dateline of the first line, or one below headlines that cannot be anything else."""
    for at, i in enumerate(filled[:DATELINE_LINES]):
        if i not in candidates:
            return
        rest = _after_dateline(lines[i], below_headline=at > 0)
        if rest != lines[i]:
            if not rest.lstrip().startswith("```"):
                lines[i] = rest
            return
        if not by_lines.is_headline(lines[i]):
            return


def _after_dateline(line: str, below_headline: bool) -> str:
    """The line without a dateline whose reporters are persons."""
    match = _DATELINE.match(line)
    if not match or (below_headline and not _CERTAIN_DATELINE.search(match[0])):
        return line
    alone = below_headline and match[0].lstrip()[0] not in _BRACKETS
    return line[match.end() :] if by_lines.are_reporters(_names(match[0]), alone) else line


def _names(reporters: str) -> list[str]:
    return [match[1] or match[2] for match in _PERSON.finditer(reporters)]


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
