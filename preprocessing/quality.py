"""Which documents are dropped, and why.

Owns the rules over the counts of ``text_kernels`` and over words of advertising; thresholds come from the
configuration, per language. Each rule sees whole columns; the first that fails gives the reason.
"""

# pyarrow.compute makes its functions at import
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from preprocessing.documents import utf8_buffer
from preprocessing.schema import CodeRules, ProseRules
from preprocessing.text_kernels import INDEX, measure

FEW_LINES = 5
FEW_TRIPLES = 28
# Terms of one group count once: an article on one subject repeats its own words, an advertisement lists many.
SPAM_GROUPS = (
    "카지노|바카라|룰렛|슬롯(?:머신| ?사이트)?|릴게임|홀덤|casino|roulette|slots|jackpot",
    "토토|먹튀|놀이터 ?추천|메이저놀이터|안전공원|스포츠중계|사설 ?베팅|배당률|best odds",
    "첫 ?충|매 ?충|꽁머니|가입 ?쿠폰|롤링|총판|가입코드|추천인 코드|쿠폰 지급|bonus|promo code|spins",
    "무직자 ?대출|당일 ?대출|소액 ?대출|대환 ?대출|급전|연체자|비상금대출|저금리|무방문|일수 ?대출",
    "소액결제|현금화",
    "정보이용료|상품권 ?매입|최저 수수료",
    "즉시 ?입금|당일 ?입금|당일 ?지급",
    "개인회생|채무통합|빚 ?탕감|신용회복|파산 ?무료|무료 ?상담|상담 ?환영|24시간 ?(?:친절 ?)?상담",
    "급등주|상한가|리딩방|주식리딩|코인리딩|테마주|세력주|추천주|무료 ?추천방|체험방",
    "재택 ?부업|재택 ?알바|고수익|투잡|월 ?[0-9]{3,} ?(?:만원)?(?: ?가능)|선입금 없음|수익 ?인증|work from home|from home with",
    "다이어트[ ]?(?:환|약|보조)|살 ?빼기|감량 ?보장|뱃살|요요 NO|환불 보장|money back|lose [0-9]+ kilos|no prescription",
    "선착순|마감 ?임박|품절 ?임박|오늘만 이 가격|오늘 자정 마감|특가|초특가|limited time|act fast|only [0-9]+ left|order now|click here|sign up now|buy now",
    "분양 ?문의|분양가|모델하우스|잔여세대|역세권|동호지정|중도금|특별분양",
    "정품 ?보장|백화점 동일|당일 ?발송|명품 ?(?:가방|시계)|레플리카|이미테이션|무료배송|replica|free shipping|wholesale|discount",
    "인터넷 ?가입|사은품|위약금|티비 ?결합|현금많이|인터넷현금|무료수신거부|경품",
    "이웃 ?추가|서로이웃",
    "답방|맞팔|선팔|품앗이|소통해요",
    "체험단|협찬",
    "출장 ?(?:마사지|안마)|조건만남|오피 ?추천|비아그라|시알리스|발기부전|성인 ?용품|viagra|cialis",
    r"최대 ?[0-9]+ ?(?:만원|%|퍼센트)|100% ?(?:환불|보장|real|free|guaranteed)|공짜|무료 ?체험|lucky visitor|free phone|this one weird",
)  # fmt: skip
_SPAM = re.compile("|".join(f"(?P<g{i}>{group})" for i, group in enumerate(SPAM_GROUPS)), re.IGNORECASE)
_SPAM_HINT = "(?i:" + "|".join(SPAM_GROUPS) + ")"
_CONTACT = re.compile(
    r"https?://|www\.|<\|phone\|>|<\|email\|>|카톡|카카오톡|텔레그램|오픈채팅|상담 ?전화|대표번호|문의|[☎☏▶☞]|"
    r"\b[0-9a-z-]+\.(?:com|net|kr|example)\b|놀러오세요|click|hotline",
    re.IGNORECASE,
)
_SPAM_PER_1000 = 6.0  # an honest page on loans has one or two of these words in a thousand characters
_LOREM_HINT = r"(?i:lorem ipsum dolor)"
_MISREAD = "占쏙|\\?[가-힣]\\?|[ìíëê][\u0080-\u00bf]"


def prose_reasons(column: pa.Array, rules: ProseRules) -> list[str | None]:
    """The reason to drop each row, None where it stays."""
    counts = measure(*utf8_buffer(column))
    return _first_reason(len(column), _prose(column, counts, rules))


def code_reasons(column: pa.Array, rules: CodeRules) -> list[str | None]:
    counts = measure(*utf8_buffer(column))
    return _first_reason(len(column), _code(counts, rules))


Verdicts = Iterator[tuple[str, np.ndarray]]


def _first_reason(rows: int, verdicts: Verdicts) -> list[str | None]:
    reasons: list[str | None] = [None] * rows
    for reason, failed in verdicts:
        for row in np.flatnonzero(failed):
            if reasons[row] is None:
                reasons[row] = reason
    return reasons


def _prose(column: pa.Array, counts: np.ndarray, rules: ProseRules) -> Verdicts:
    def of(name: str) -> np.ndarray:
        return counts[:, INDEX[name]]

    visible = np.maximum(of("visible"), 1)
    yield from _lengths(of("characters"), rules.min_characters, rules.max_characters)
    if rules.lorem:
        yield "lorem", _matches(column, _LOREM_HINT)
    if rules.max_mojibake_ratio is not None:
        signs = of("latin1") + of("replacement") + _misread(column)
        yield "mojibake", signs / visible > rules.max_mojibake_ratio
    if rules.max_jamo_ratio is not None:
        yield "broken_jamo", of("jamo") / np.maximum(of("hangul") + of("jamo"), 1) > rules.max_jamo_ratio
    if rules.spam:
        yield "spam", _spam(column, of("characters"))
    if rules.max_symbol_ratio is not None:
        symbols = visible - of("letters") - of("digits") - of("plain")
        yield "symbol_ratio", symbols / visible > rules.max_symbol_ratio
    if rules.min_hangul_ratio is not None:
        known = np.maximum(of("letters") + of("digits"), 1)
        yield "hangul_ratio", of("hangul") / known < rules.min_hangul_ratio
    yield from _repetition(of, rules)


def _repetition(of, rules: ProseRules) -> Verdicts:
    lines, triples = np.maximum(of("lines"), 1), np.maximum(of("triples"), 1)
    if rules.max_bullet_lines is not None:
        yield "bullet_lines", (of("bullets") / lines > rules.max_bullet_lines) & (lines >= FEW_LINES)
    if rules.max_repeated_lines is not None:
        repeated = of("repeated_in_lines") / np.maximum(of("visible"), 1)
        yield "repeated_lines", (repeated > rules.max_repeated_lines) & (lines >= FEW_LINES)
    if rules.max_repeated_words is not None:
        many = triples >= FEW_TRIPLES
        yield "repeated_words", (of("repeated_triples") / triples > rules.max_repeated_words) & many


def _code(counts: np.ndarray, rules: CodeRules) -> Verdicts:
    characters = counts[:, INDEX["characters"]]
    yield from _lengths(characters, rules.min_characters, rules.max_characters)
    if rules.max_line_characters is not None:
        yield "long_lines", counts[:, INDEX["longest_line"]] > rules.max_line_characters
    if rules.max_mean_line_characters is not None:
        mean = characters / np.maximum(counts[:, INDEX["lines"]], 1)
        yield "mean_line_length", mean > rules.max_mean_line_characters
    if rules.min_alphabetic_ratio is not None:
        yield (
            "alphabetic_ratio",
            counts[:, INDEX["letters"]] / np.maximum(characters, 1) < rules.min_alphabetic_ratio,
        )


def _lengths(characters: np.ndarray, shortest: int | None, longest: int | None) -> Verdicts:
    yield "too_short", characters < (shortest or 1)
    if longest is not None:
        yield "too_long", characters > longest


def _matches(column: pa.Array, hint: str) -> np.ndarray:
    return pc.match_substring_regex(column, hint).to_numpy(zero_copy_only=False)


def _misread(column: pa.Array) -> np.ndarray:
    """Characters that are Hangul read in the wrong encoding."""
    return 2 * pc.count_substring_regex(column, _MISREAD).to_numpy(zero_copy_only=False)


def _spam(column: pa.Array, characters: np.ndarray) -> np.ndarray:
    """Two groups of spam terms, a way to get in touch, and enough terms for the length."""
    found = np.zeros(len(column), bool)
    for row in np.flatnonzero(_matches(column, _SPAM_HINT)):
        found[row] = is_spam(column[row].as_py())
    return found


def is_spam(text: str) -> bool:
    groups = [match.lastgroup for match in _SPAM.finditer(text)]
    distinct = len(set(groups))
    if distinct < 2 or len(groups) < 3 or not _CONTACT.search(text):
        return False
    return 1000 * len(groups) / max(len(text), 1) >= _SPAM_PER_1000
