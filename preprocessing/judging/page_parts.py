"""Counts what pages say around their content: footers, consent to cookies, errors, forms to log in, buttons and filters.

Owns the phrases and the length of a document that may be nothing else; ``rule_values`` decides how many are too many.
Whole phrases only, as each word of them is in ordinary sentences, too.
"""

# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.judging.list_words import WHOLE_WORDS
from preprocessing.text.matching import Matcher

LONGEST = 600  # characters of a document of which such phrases are the most
MIN_PARTS, MIN_PER_1000 = 3, 20.0
MANY_PARTS = 4
_BYTES = 3 * LONGEST
_PHRASES = (
    # footers
    "통신판매업 ?신고|사업자 ?(?:등록 ?)?번호|개인정보 ?(?:처리|취급|보호) ?방침|이용 ?약관|청소년 ?보호 ?(?:책임자|정책)|개인정보 ?(?:보호|관리) ?책임자|이메일 ?(?:주소 ?)?무단 ?수집 ?거부|"
    "무단 ?(?:전재|복제)|재배포 ?금지|호스팅 ?(?:제공|서비스)|사이트 ?맵|(?i:all rights reserved|copyright ?[©(]|privacy policy|terms of (?:service|use))|"
    # cookies
    "쿠키를 ?(?:사용|허용|수락|거부)|쿠키 ?사용에 ?동의|쿠키 ?(?:정책|설정|허용|관리)|(?:모두|전체|모든 쿠키) ?(?:수락|허용|거부|동의)|(?:필수|분석|통계|마케팅|광고|기능|맞춤) ?쿠키|"
    "(?i:(?:uses?|accept|reject|manage|essential|necessary|analytics|marketing|functional) (?:all )?cookies|accept all|reject all|cookie (?:policy|settings|preferences|consent))|"
    # errors
    "페이지를 ?찾을 ?수 ?(?:없|가)|(?:요청|찾으)(?:하신|시는) ?페이지|(?:주소|경로)가 ?(?:잘못|변경|바르|정확)|(?:변경|삭제)되었거나|일시적인 ?(?:오류|장애)|잠시 ?후 ?다시|서비스 ?점검|점검 ?시간|이용에 ?불편을|오류가 ?발생(?:했|하였)|관리자에게 ?문의|접근 ?권한이 ?없|"
    "자바스크립트를|(?i:javascript)(?:를|가)|새로 ?고침|이전 ?페이지로|(?:홈|메인|메인 ?페이지|메인 ?화면)으?로 ?(?:이동|돌아|가기)|"
    "(?i:(?:page|file) (?:was )?not found|access denied|enable javascript|(?:4|5)0[0-4](?: error)?[ :-]{1,3}(?:not found|forbidden|bad|unauthorized|internal|service|error)|(?:error code|request id):|go back|back to home|return to home)|"
    # shops and boards
    "(?:함께|최근) ?본 ?상품|장바구니(?:에)? ?담기|바로 ?구매|상품 ?(?:문의|후기)|배송 ?/ ?교환|찜하기|번호[ |\t]{1,3}제목[ |\t]{1,3}(?:글쓴이|작성자)|(?:처음|이전)(?: [0-9]{1,3}){3,10} 다음|"
    # forms and buttons
    "로그인이 ?필요|로그인 ?후 ?(?:이용|사용)|간편 ?로그인|아이디 ?(?:저장|찾기)|비밀번호 ?(?:찾기|재설정)|로그인 ?(?:상태 ?유지|유지)|자동 ?로그인|(?:네이버|카카오|카카오톡|구글|애플|페이스북)(?:으로|로)? ?로그인|비회원 ?(?:주문|구매|로그인)|회원 ?가입|공유 ?하기|URL ?복사|"
    "글자 ?크기|좋아요 ?[0-9]|싫어요 ?[0-9]|댓글 ?[0-9]|조회 ?수? ?[:0-9]|이전 ?글|다음 ?글|첫 ?댓글|구독 ?하기|알림 ?설정|스크랩|(?:인기|최신|낮은 ?가격|높은 ?가격|판매량|리뷰 ?많은|추천)순|더 ?보기|목록 ?보기|본문 ?바로 ?가기|"
    "(?i:forgot (?:your )?password|remember me|sign (?:in|up) with|log in with|skip to (?:main )?content)"
)
_PATTERN = re.compile(_PHRASES, re.ASCII)
_CODE = re.compile("[45]0[0-4]")
_SENTENCES = re.compile(r"(?<=[.!?])\s|\n")
_ENDS_SENTENCE = re.compile(r"[.!?…][\"'”’)\]]*\s*\Z")
_SENTENCE = re.compile(r"(?s)(?=(?:[^가-힣]*[가-힣]){12}).*[다요죠까]\W*|(?:[^ ]+ ){7,}[^ ]*[.!?]\W*")
_OF_THE_PAGE = re.compile(
    "페이지|브라우저|새로 ?고침|클릭|고객 ?센터|관리자에게|로그(?:인|아웃)|가입|인터넷 ?주소|주소를 ?다시|(?i:page|browser|refresh|click|log ?in|sign ?(?:in|up)|administrator|support team|URL)"
)
"""Words with which a page speaks of itself; only between labels, since instructions have them, too."""
_WRITTEN = re.compile(r"(?s).*(?<!니)다\W*")
"""The end of a sentence of an article; pages ask their readers politely."""
_STEPS = re.compile(
    r"^[ \t]*(?:[0-9]{1,2}[.)]|[-*])[ \t](?=(?:[^가-힣\n]*[가-힣]){12}).*[다요][.!?]?[ \t]*$", re.MULTILINE
)
_CLOSED = re.compile(
    r"(?s)(?:(?=(?:[^가-힣]*[가-힣]){6})|(?=(?:[^ ]+ ){5})).*[.!?…][\"'”’)\]]*\s*|.*[다요죠까]\s*\Z"
)
"""A sentence up to its mark, or a line that ends as one."""
_WORDS_BESIDE = (
    "아이디 비밀번호 이메일 저장 보기 크게 작게 인쇄 트위터 페이스북 카카오톡 네이버 밴드 링크 확인 취소 동의 거부 수락 설정 자세히 신고 추천 수정 삭제 작성자 등록일 "
    "조회 상단 하단 이동 클릭 여기 전화 팩스 주소 대표 대표이사 대표자 페이지 홈페이지 사이트 접속 오류 코드 문의 상담 바로가기 다시 시도 필수 선택 전체 모두 정치 경제 "
    "사회 문화 국제 스포츠 날씨 영상 언어 길 열기 자료실 구독 english copyright server error"
)
_BESIDE = WHOLE_WORDS | frozenset(_WORDS_BESIDE.split())
"""Words of menus, footers and forms beside the phrases."""
_WORD = re.compile(r"[가-힣]+|[A-Za-z]{2,}|\[[ xX]\](?= )")
_SURE = re.compile(
    r"통신판매업 ?신고|사업자 ?(?:등록 ?)?번호|무단 ?(?:수집|전재|복제)|재배포 ?금지|호스팅 ?(?:제공|서비스)|청소년 ?보호|"
    r"(?i:all rights reserved|copyright)"
)
"""Phrases of which two are in no list of features: of footers."""
# other words and boxes of tasks, which lists of features, of work and of changes have; the second beside few phrases
MIN_OTHERS, MIN_OTHERS_OF_FEW = 3, 2
_LABELS = 3
MIN_OUTSIDE_OF_SENTENCES = 2  # phrases in labels and buttons, which a text about pages has in its sentences
SENTENCES_OF_CONTENT = 40  # characters of sentences without a phrase, which are the content of a page


@lru_cache(maxsize=1)
def _matcher() -> Matcher:
    return Matcher({"page_parts": _PHRASES})


def _count_different(text: str) -> int:
    """Different phrases, 0 beside sentences; the codes of errors count as one, since a table of them is no page of an error."""
    phrases = set(_PATTERN.findall(text))
    codes = sum(_CODE.match(phrase) is not None for phrase in phrases)
    count = len(phrases) - max(codes - 1, 0)
    if count < MIN_PARTS:
        return count
    labels = sum(line.strip() != "" and _ENDS_SENTENCE.search(line) is None for line in text.split("\n"))
    sentences = (part for part in _SENTENCES.split(text) if _SENTENCE.fullmatch(part.strip()))
    content = sum(len(sentence) for sentence in sentences if _is_content(sentence, labels >= _LABELS))
    steps = sum(map(len, _STEPS.findall(text)))
    if max(content, steps) >= SENTENCES_OF_CONTENT:
        return 0
    outside = "\n".join(_CLOSED.sub("", part) for part in _SENTENCES.split(text))
    if len(set(_PATTERN.findall(outside))) < MIN_OUTSIDE_OF_SENTENCES:
        return 0
    is_sure = len(set(_SURE.findall(text))) > 1
    limit = MIN_OTHERS if count >= MANY_PARTS else MIN_OTHERS_OF_FEW
    return count if is_sure or _count_others(outside) < limit else 0


def _count_others(text: str) -> int:
    """Different words that are neither in a phrase nor of menus, and boxes of tasks."""
    words = _WORD.findall(_PATTERN.sub(" ", text))
    boxes = sum(word[0] == "[" for word in words)
    return boxes + len({word for word in words if word[0] != "[" and word.lower() not in _BESIDE})


def _is_content(sentence: str, is_between_labels: bool) -> bool:
    if _WRITTEN.fullmatch(sentence):
        return True
    return not (_PATTERN.search(sentence) or (is_between_labels and _OF_THE_PAGE.search(sentence)))


def count(column: pa.Array) -> pa.Array:
    """Phrases of each document of a large_string column, different ones, int32; 0 in longer documents."""
    counts = np.zeros(len(column), np.int32)
    sizes = pc.binary_length(column).to_numpy(zero_copy_only=False)
    short = np.flatnonzero(sizes <= _BYTES)
    part = column.take(pa.array(short))
    for row in _matcher().rows(part)["page_parts"].tolist():
        counts[short[row]] = _count_different(part[row].as_py())
    return pa.array(counts)
