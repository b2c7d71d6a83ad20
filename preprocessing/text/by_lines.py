"""Decides whether a line that has the form of a by-line, a notice or a credit is one, or a title or an entry of a form.

Owns what tells them apart: names of persons and owners, and the lines before and after. In doubt a line stays.
"""

from __future__ import annotations

import re

from preprocessing.text.fences import MARK_OF_LIST


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Korean family names of one syllable, and those of two
_FAMILY_NAMES = frozenset(
    "김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민진나엄채원천방공현함변염여추도소석선설마길연위표명기"
    "반라왕금옥육인맹제모탁국어은편용예봉사부가복태목형피두감호음빈동온경팽승간상시갈좌"
)
_LONG_FAMILY_NAMES = ("남궁", "황보", "제갈", "선우", "독고", "사공", "서문", "동방")
# Words before 기자, 특파원, 앵커, 리포터 that begin like a name
_NOT_NAMES = _words(
    "전문 인턴 선임 신입 여자 남자 시민 명예 현직 전직 동료 고참 방송 신문 한국 일본 주재 나쁜 어느 어떤 어린 이런 모든 여러 최고 최초 진짜 "
    "우리 민완 남성 여성 신참 정치 경제 사회 문화 국제 연예 기상 선배 도쿄 런던 하노이 방콕 마닐라 홍콩 오사카 제네바 인천 강릉 전주 광주 "
    "원주 제주 나주 안동 안산 양산 진주 여수 구미 천안 공주 남원 하와이 이라크 이란 인도 유명한 유능한 이상한 정직한 노련한 한심한 성실한 "
    "강인한 용감한 위대한 진정한 진실한 공정한 성급한 무명의 최연소 정치부 사진 취재 편집 영상 주말 아침 저녁 오늘 외국인 한국인 조선 시골 "
    "동네 고독한 고향 조용한 이름난 소문난 성난 강한 유일한 선량한 부패한 은퇴한 사건 현장 경찰 국회 청와대 상주"
)
_PARTICLE = re.compile("[가-힣](?:의|은|는|을|를|와|과|에|에서|부터|란|하는|되는|위한|대한)$")
_SIGN_ITSELF = re.compile(r"(?:와|과|의|는|은|를|을|란|이란)\s|(?:기호|표시|마크|표기|문자|심볼|로고)")
_RIGHTS = re.compile(r"all\srights|무단|재배포|reserved|권리", re.IGNORECASE)
_YEAR = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}(?![0-9])")
_COMPANY = re.compile(
    r"(?:일보|신문|뉴스|통신|방송|미디어|닷컴|출판사?|연구소|재단|협회|위원회|대학교|㈜|\(주\)|주식회사|(?:Inc|Ltd|Corp|Co|LLC)\b\.?|Times|News|"
    r"Press|Media|Foundation|University)(?:\W|$)",
    re.IGNORECASE,
)
_INITIAL = re.compile(r"[A-Z]\.")
_ENGLISH_WORDS = _words(
    "the a an any all my our your his her their this that these those no not day night design way means land sea sun "
    "moon force blood royal popular request law heart hand order chance accident nature virtue reason then now far and "
    "or of in on at to for with from itself myself yourself himself herself themselves some every each god one two the "
    "train car bus air rail foot fire water night numbers name default"
)
_ENGLISH_NAMES = _words(
    "james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony mark donald "
    "steven paul andrew joshua kenneth kevin brian george edward ronald timothy jason jeffrey ryan jacob gary nicholas "
    "eric jonathan stephen larry justin scott brandon benjamin samuel gregory frank alexander raymond patrick jack dennis "
    "jerry tyler aaron jose adam henry nathan peter zachary kyle walter harold jeremy ethan carl keith roger arthur lawrence "
    "mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy betty sandra margaret ashley "
    "kimberly emily donna michelle carol amanda melissa deborah stephanie rebecca sharon laura cynthia dorothy amy kathleen "
    "angela shirley emma brenda pamela nicole anna samantha katherine christine helen debra rachel carolyn janet maria "
    "olivia heather diane julie joyce victoria ruth virginia lauren kelly christina joan evelyn judith andrea hannah jane "
    "kim lee park choi jung jeong kang cho yoon yun jang lim han oh seo shin kwon hwang ahn song ryu hong ko moon"
)
_MAIL_ASKED = re.compile(
    "메일|보내|연락|문의|신청|접수|지원|제출|알려|제보|질문|여쭤|물어|남겨|(?:아래|다음)(?:로|으로|의|에)|mail|contact|write|send|apply|report|reach|questions?",
    re.IGNORECASE,
)
_ASKED_WITHIN = 100  # characters: the last one or two sentences of a paragraph
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]?$")
# Ends of sentences and of the lines before an example; headlines may end with ?, ! or ...
_NO_HEADLINE = re.compile(r"[|>]|```|~~~|.*(?:(?<!\.)\.|[:：,]|[니이]다)[\"'”’)\]]?$")
_LONGEST_HEADLINE = 80
_LABEL = re.compile(r"[\W_]{0,3}[가-힣A-Za-z][가-힣A-Za-z /·]{0,14}\s?[:：]\s?\S")
_HEADING_OR_TABLE = re.compile(r"[ \t]*(?:#{1,6}[ \t]|\||>(?![ \t]?▶))")


def is_structure(line: str, before: str, after: str) -> bool:
    """Whether a line is a heading, a quotation, a row of a table, or one of several items of a list."""
    if _HEADING_OR_TABLE.match(line):
        return True
    mark = MARK_OF_LIST.match(line)
    return bool(mark) and any(MARK_OF_LIST.match(other) for other in (before, after))


def is_form_entry(line: str, *neighbors: str) -> bool:
    """Whether a line and one of its neighbors are entries such as ``등록일시: ...``; neighbors are not by-lines themselves."""
    return bool(_LABEL.match(line)) and any(_LABEL.match(other) for other in neighbors)


def are_reporters(names: list[str], alone: bool) -> bool:
    """Whether all are names of persons; ``alone``: nothing else supports it, so that names of two syllables are words."""
    return all(_is_person(name) and (len(name) > 2 or not alone) for name in names)


def _is_person(name: str) -> bool:
    if name in _NOT_NAMES or name[-1] in "부의들측":
        return False
    return name[0] in _FAMILY_NAMES if len(name) < 4 else name.startswith(_LONG_FAMILY_NAMES)


def is_english_name(name: str, first_line: bool) -> bool:
    """Whether the capitalized words after "By" are a name; the first line may be a title and needs a known name."""
    words = name.split()
    if any(word.lower().strip(".,'") in _ENGLISH_WORDS for word in words):
        return False
    known = words[0].lower() in _ENGLISH_NAMES or any(
        _INITIAL.fullmatch(word) or "-" in word for word in words
    )
    return known or not first_line


def is_owner(text: str, first_line: bool) -> bool:
    """Whether the text after © names an owner of rights, not the subject of a title."""
    bare = text.strip(" \t]>)}.,")
    if _SIGN_ITSELF.match(bare):
        return False
    if _RIGHTS.search(bare):
        return True
    words = bare.split()
    if any(map(_PARTICLE.search, words[:-1])):
        return False
    return bool(_YEAR.search(bare) or _COMPANY.search(bare)) or (not first_line and len(words) <= 4)


def is_sentence(line: str) -> bool:
    return bool(_SENTENCE_END.search(line.rstrip()))


def is_headline(line: str) -> bool:
    """Whether a line can be the headline of an article: short, and not a sentence, a quotation or a row of a table."""
    bare = line.strip()
    return len(bare) <= _LONGEST_HEADLINE and not _NO_HEADLINE.match(bare)


def asks_for_mail(line: str) -> bool:
    """Whether a line before an e-mail address is no end of a text, or asks readers to write there."""
    return bool(line) and (not is_sentence(line) or bool(_MAIL_ASKED.search(line[-_ASKED_WITHIN:])))
