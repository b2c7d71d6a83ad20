"""Columns about advertising, filler text and wrong decodings.

Owns the terms and their groups. A page on one subject repeats its own words, while an advertisement lists many things:
terms are counted by group, and the most frequent group counts at most twice as much as all others together. ``rule_values``
decides what is too much.
"""

# pyarrow.compute makes its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.documents import lines_of
from preprocessing.text.matching import Engine, Matcher

COLUMNS = pa.schema(
    [
        ("spam_terms", pa.int32()),  # of all groups; the largest group is limited by the others
        ("spam_groups", pa.int32()),  # groups with a term
        ("spam_contact", pa.bool_()),  # contact data, searched only where there are terms
        ("lorem", pa.bool_()),  # filler text
        ("misread", pa.int32()),  # characters of Hangul that was decoded wrongly
    ]
)
# An advertisement lists many terms; an honest page on loans has one or two of them in a thousand characters.
MIN_GROUPS, MIN_TERMS, MIN_PER_1000 = 2, 3, 6.0
# without contact data
CROWDED_GROUPS, CROWDED_TERMS, CROWDED_PER_1000 = 3, 6, 40.0

_SPINS = "(?:free|[0-9]+) spins"
# Ambiguous words need a second word: Toto is also a boy in a film, and 급전 (urgent money) also begins 급전직하 (steep fall).
GROUPS = {
    "casino": "카지노|바카라|룰렛|슬롯(?:머신| ?사이트)?|릴게임|홀덤|파워볼|파칭코|맞고 ?머니|포커 ?머니|사다리 ?사이트|casino|roulette|(?:best|online|lucky|free|casino) slots|slots game|jackpot",
    "betting": "(?:스포츠|사설|안전|메이저|해외|국내|실시간|꽁머니) ?토토|토토 ?(?:사이트|추천|배팅|베팅|먹튀|커뮤니티|총판|검증|픽|놀이터|꽁머니|가입|보너스)|카지노[ /·,&]{1,2}토토|"
    "먹튀|놀이터 ?추천|메이저 ?놀이터|안전 ?놀이터|안전공원|스포츠중계|사설 ?[베배]팅|배당률|best odds",
    "bonus": "첫 ?충|매 ?충|꽁머니|가입 ?쿠폰|가입 ?머니|[ ,/·]롤링|총판|가입코드|추천인 ?코드|쿠폰 ?지급|(?:casino|deposit|welcome|cash|sign.?up) bonus|bonus code|promo code|" + _SPINS,
    "loan": "무직자 ?대출|당일 ?대출|소액 ?대출|대환 ?대출|주부 ?대출|여성 ?대출|신불자 ?대출|작업 ?대출|급전 ?(?:대출|당일|가능|필요|문의)|급전이|연체자|비상금 ?대출|저금리|무방문|"
    "일수 ?대출|개인돈|월변|달돈",
    "cash": "소액결제|현금화|폰테크|가개통|내구제",
    "voucher": "정보이용료|상품권 ?매입|최저 ?수수료",
    "transfer": "즉시 ?입금|당일 ?입금|당일 ?지급",
    "debt": "개인회생|채무통합|빚 ?탕감|신용회복|파산 ?무료|무료 ?상담|상담 ?환영|24시간 ?(?:친절 ?)?상담",
    "shares": "급등주|상한가|리딩방|주식 ?리딩|코인 ?리딩|테마주|세력주|추천주|무료 ?추천방|체험방",
    "income": "재택 ?부업|재택 ?알바|고수익|투잡|월 ?[0-9]{3,} ?(?:만원)?(?: ?가능)|선입금 ?없음|수익 ?인증|work from home|from home with",
    "slimming": "다이어트 ?(?:환|약|보조)|살 ?빼기|감량 ?보장|뱃살|요요 ?NO|환불 ?보장|money back|lose [0-9]+ kilos|no prescription",
    "hurry": "선착순|마감 ?임박|품절 ?임박|오늘만 이 가격|오늘 자정 마감|특가|limited time|act fast|only [0-9]+ left|order now|click here|sign up now|buy now",
    "property": "분양 ?문의|분양가|모델하우스|잔여 ?세대|역세권|동호지정|중도금|특별분양",
    "goods": "정품 ?보장|백화점 ?동일|당일 ?발송|명품 ?(?:가방|시계)|레플리카|이미테이션|무료 ?배송|replica|free shipping|wholesale (?:price|watches|bags|shoes)|discount (?:watches|bags|shoes|code|coupon|price)|[0-9]+% discount",
    "internet": "인터넷 ?가입|사은품|위약금|티비 ?결합|현금 ?많이|인터넷 ?현금|무료 ?수신 ?거부|경품",
    "neighbors": "이웃 ?추가|서로 ?이웃",
    "follow": "답방|맞팔|선팔|품앗이|소통해요|팔로워 ?(?:늘리기|구매)|좋아요 ?(?:늘리기|구매)",
    "sponsored": "체험단|협찬",
    "marketing": "상위 ?노출|바이럴 ?마케팅|블로그 ?(?:매입|대여|임대)|아이디 ?(?:판매|매입)|카페 ?매입",
    "forgery": "대포 ?통장|통장 ?(?:매입|삽니다|임대)|(?:신분증|민증|졸업증명서|토익 ?성적표) ?(?:제작|위조)|흥신소|심부름 ?센터",
    "adult": "출장 ?(?:마사지|안마|샵|홈타이)|조건만남|오피 ?추천|키스방|휴게텔|안마방|룸 ?싸롱|풀 ?싸롱|레깅스룸|셔츠룸|콜걸|비아그라|시알리스|발기부전|성인 ?용품|viagra|cialis",
    "massage": "홈 ?타이|스웨디시|타이 ?마사지|출장 ?후불|후불제|(?:전 ?지역|수도권) ?(?:출장|[0-9]+분)",
    "free": "최대 ?[0-9]+ ?(?:만원|%|퍼센트)|100% ?(?:환불|보장|real|free|guaranteed)|공짜|무료 ?체험|lucky visitor|free phone|this one weird",
}  # fmt: skip
_CONTACT = (
    r"(?i:https?://|www\.|<\|phone\|>|<\|email\|>|카톡|카카오톡|텔레그램|텔레 ?[@:]|오픈 ?채팅|상담 ?전화|대표번호|문의|[☎☏▶☞]|"
    r"\b[0-9a-z-]+\.(?:com|net|kr|example)\b|놀러오세요|click|hotline)"
)
_LOREM = (
    "(?i:lorem ipsum dolor|sed ut perspiciatis unde|at vero eos et accusamus|nemo enim ipsam voluptatem|cras justo odio|cras mattis consectetur|"
    "donec id elit non mi|donec sed odio dui|nullam quis risus eget|nullam id dolor id nibh|vestibulum id ligula porta|aenean eu leo quam|"
    "maecenas sed diam eget|maecenas faucibus mollis|integer posuere erat|etiam porta sem|praesent commodo cursus|fusce dapibus, tellus ac|"
    "li europan lingues es)"
)
# a question mark instead of the first of three bytes, before syllables with which no word begins
_MISREAD = "占쏙|\\?[덈섏좎곕먯쒖쒕꾩덉뚯뺤뤿븯ㅻㅼㅽ]|\\?[가-힣]\\?|[ìíëê][\u0080-\u00bf]"
MISREAD_CHARACTERS = 2
_PATTERNS = {
    **{name: f"(?i:{terms})" for name, terms in GROUPS.items()},
    "lorem": _LOREM,
    "misread": _MISREAD,
}  # no pattern crosses the end of a line
_HINTS = {**_PATTERNS, "bonus": _PATTERNS["bonus"].replace(_SPINS, " spins")}
"""The same or more; Hyperscan scans a fifth faster without a class of digits before a word."""
_REGEXES = {name: re.compile(pattern, re.ASCII) for name, pattern in _PATTERNS.items()}


@lru_cache(maxsize=2)
def _matcher(engine: Engine | None) -> Matcher:
    return Matcher(_HINTS, engine)


def measure(
    column: pa.Array, engine: Engine | None = None, read: Callable[[np.ndarray], pa.Array] | None = None
) -> dict[str, pa.Array]:
    """The COLUMNS of a large_string column; ``read`` makes a column of the rows with a match, without lines that do not count."""
    matcher = _matcher(engine)
    rows = np.unique(np.concatenate([*matcher.rows(column).values()]))
    part = read(rows) if read else column.take(pa.array(rows))
    counts = np.zeros((len(column), len(_PATTERNS)), np.int32)
    counts[rows] = _count(part, matcher)
    terms, lorem, misread = counts[:, : len(GROUPS)], counts[:, -2], counts[:, -1]
    contact, with_terms = np.zeros(len(column), bool), np.flatnonzero(terms[rows].any(axis=1))
    contact[rows[with_terms]] = pc.match_substring_regex(part.take(pa.array(with_terms)), _CONTACT).to_numpy(
        zero_copy_only=False
    )
    values = (
        weigh(terms), np.count_nonzero(terms, axis=1), contact, lorem > 0, MISREAD_CHARACTERS * misread,
    )  # fmt: skip
    return {field.name: pa.array(value, field.type) for field, value in zip(COLUMNS, values)}


def _count(column: pa.Array, matcher: Matcher) -> np.ndarray:
    """The number of matches of each pattern: ``[rows, patterns]``; reads text in Python only in lines with a match."""
    counts = np.zeros((len(column), len(_PATTERNS)), np.int32)
    lines, first_lines = lines_of(column)
    for number, (name, hits) in enumerate(matcher.rows(lines).items()):
        indices = np.searchsorted(first_lines, hits, side="right") - 1
        for index, line in zip(indices.tolist(), hits.tolist()):
            counts[index, number] += len(_REGEXES[name].findall(lines[line].as_py()))
    return counts


def weigh(terms: np.ndarray) -> np.ndarray:
    """Sums the ``[rows, groups]`` counts of terms, with the largest group limited to twice the others: ``[rows]``."""
    largest = terms.max(axis=1, initial=0)
    others = terms.sum(axis=1) - largest
    return others + np.minimum(largest, 2 * others)
