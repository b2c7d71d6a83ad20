"""Tells lists of keywords and menus from other lists: words of searches, shops and menus, and grids.

Owns the words and the shapes; ``rows`` counts them, ``rules`` judges. A list is good unless something in it is typical of a
bad one: a glossary, a roster or an index has no words of shops, and its entries are not all combinations of a few words.
"""

from __future__ import annotations

import re
from collections import Counter

# What people search for behind a place or a product; the end of a word.
_MODIFIERS = (
    "가격|가격표|비용|추천|후기|업체|잘하는곳|잘하는|유명한곳|유명한|저렴한곳|저렴한|싼곳|순(?<!우선순)위|비교|견적|최저가|특가|할인|할인코드|쿠폰|"
    "쿠폰코드|추천인코드|가입코드|프로모션|무료체험|무료배송|당일발송|이벤트|기획전|구매|구매처|판매|매입|대행|렌탈|대여|리(?<![버드트심어그폴크릴]리)스|예약|문의|"
    "상담|전문|베스트|맛집|가볼만한곳|핫플|성지|시세|시세표|늘리기|부작용|효과|구독|연관|키워드|검색어|다시보기"
)
# What is sold by keywords, anywhere in a word, unless another word happens to contain it: 업데이트, 크롤링, 생성형, 전세계. What must
# not be before it is checked behind its first syllable: a search for many words is fast only where each begins with a letter.
_GOODS = (
    "대(?<!최대)출(?!력)|월변(?!동)|일수(?!록)|급(?<!긴급)전|카지노|바카라|토토(?!로)|슬롯|홀덤|파워볼|놀이터|먹튀|첫충|매충|롤(?<![크트]롤)링|꽁머니|다이어트|임플란트|라미네이트|성(?<![생구작]성)형|필러|보톡스|"
    "치아교정|치아미백|출장|마사지|안(?<!제안)마|홈타이(?!틀|머|핑)|스웨디시|오피(?!스|니언|셜)|가라오케|룸싸롱|노래방도우미|레깅스룸|셔츠룸|누수|하수구|변기막힘|싱크대막힘|용달|"
    "이삿짐|포장이사|원룸이사|보관이사|사무실이사|폐차|렌터카|비트코인|급등주|테마주|세력주|추천주|리딩방|명품|레플(?!리카셋|리케)|이미테이션|"
    "전세(?!계|대(?!출))|월세|부동산|분양|보험|적(?<!누적)금|대출금리|항공권|펜(?<!스펜)션|호텔|풀빌라|홍삼|토익|영어회화|자격증|유럽여행|재택|부(?<![내외]부)업|알바|"
    "토렌트|홈트|바디프로필|데(?<!업데)이트|맞팔|선팔|팔로우|인스타|인친"
)
# Entries of menus, whole.
_MENU = (
    "홈|로그인|로그아웃|회원가입|고객센터|고객지원|장바구니|위시리스트|찜하기|구매하기|마이페이지|사이트맵|이용약관|개인정보처리방침|청소년보호정책|"
    "공지사항|자유게시판|게시판|질문답변|자주묻는질문|1:1문의|회사소개|인사말|연혁|조직도|오시는길|오시는|채용정보|제휴문의|입점문의|광고문의|기사제보|"
    "구독신청|전체메뉴|전체보기|전체기사|최신기사|최신글|인기글|더보기|이전글|다음글|목록|검색|맨위로|상단으로|즐겨찾기|뉴스레터|RSS|포토|갤러리|"
    "동영상|오피니언|연예|운세|만화|주문조회|배송조회|주문배송조회|신상품|베스트상품|인기상품|브랜드|브랜드관|이벤트|기획전|쿠폰존|적립금|관심상품|최근본상품|"
    "매장안내|모바일|닫기|메뉴|글쓰기|답글|댓글|공유하기|스크랩|인쇄|카테고리|최근글|최근댓글|방문자수|이웃추가|구독하기|아이디찾기|비밀번호찾기|지식인|쇼핑|"
    "이전|다음|처음|마지막|제휴제안|"
    "home|about|products|services|pricing|blog|careers|contact|login|signup|cart|wishlist|help|faq|terms|privacy|cookies|sitemap|"
    "facebook|twitter|instagram|youtube|search|news|subscribe|checkout|account"
)
_ENGLISH = "cheap|discount|replica|fake|wholesale|buy|sale|price|best|casino|bonus|loan|loans|free|deals|deal|shipping|coupon"
_MODIFIER_ENDS = frozenset(modifier[-1] for modifier in _MODIFIERS.split("|"))
_HAS_GOODS = re.compile(_GOODS)
_KOREAN_KEYWORD = re.compile(f"[가-힣A-Za-z0-9]*(?:{_MODIFIERS}|(?:{_GOODS})[가-힣]*)")
WHOLE_WORDS = frozenset(f"{_MENU}|{_ENGLISH}".lower().split("|"))
_LAST = _MODIFIER_ENDS | {last for word in WHOLE_WORDS for last in (word[-1], word[-1].upper())}
_HASHTAG = re.compile(r"#(?!\d+$)[^#]+")  # not the number of an issue
_SEPARATORS = re.compile(
    r"[,/|;:>\t\n·ㆍ‧∙•→=()\[\]▲△▷▶▼▽◇◆■□●○◎★☆]|(?<=\d)\.\s|\s[-–—]\s|^[-–—*+]\s", re.MULTILINE
)
_EDGES = ".,!?\"'`*_-–—~()[]{}<>"
_KOREAN = re.compile("[가-힣]+")
MIN_OF_GRID = 3  # different entries with the same first word, from which they are a row of a grid
# different entries with the same last word, from which they are stuffed with it
MIN_OF_COLUMN, COLUMN_OF_ALL = 6, 0.8
# words with the same beginning, from which they are a product and its searches
MIN_OF_FAMILY, FAMILIES_OF_ALL = 3, 0.5
BEGINNING = 3  # syllables
LONGEST_ENTRY = 2  # words of an entry of a list
# words between two separators that begin with the same syllables, from which they are a place and its searches
MIN_IN_A_ROW, OF_THE_ROW, BEGINNING_IN_A_ROW = 12, 0.8, 2


def count_words(text: str) -> tuple[int, int, int]:
    """``(words, entry words, keywords)``: words with a letter between blanks and separators, those in short entries, and those of
    searches, shops, menus and grids."""
    entries = [entry for part in _SEPARATORS.split(text) if (entry := _words(part))]
    grid = _rows_of_grid(entries)
    has_goods = _HAS_GOODS.search(text) is not None  # hardly any text has
    words = listed = keywords = 0
    for row, entry in enumerate(entries):
        words += len(entry)
        listed += len(entry) if len(entry) <= LONGEST_ENTRY else 0
        if row in grid:
            keywords += len(entry)
            continue
        may_be_goods = has_goods and _HAS_GOODS.search(" ".join(entry)) is not None
        may_be = entry if may_be_goods else [word for word in entry if word[-1] in _LAST or word[0] == "#"]
        keywords += sum(_is_keyword(word, may_be_goods) for word in may_be)
    return (
        words,
        listed,
        max(keywords, _count_families(entries, words), _count_rows_of_one_beginning(entries)),
    )


def _rows_of_grid(entries: list[list[str]]) -> set[int]:
    """Numbers of the entries of all combinations of a few words, and of those stuffed with one last word."""
    pairs = {(entry[0], entry[-1]) for entry in entries if len(entry) > 1}
    if len(pairs) < MIN_OF_GRID:
        return set()
    tails_of, heads_of = Counter(head for head, _ in pairs), Counter(tail for _, tail in pairs)
    column = max(MIN_OF_COLUMN, COLUMN_OF_ALL * len(entries))
    return {
        row
        for row, entry in enumerate(entries)
        if 1 < len(entry) <= LONGEST_ENTRY + 1
        and ((tails_of[entry[0]] >= MIN_OF_GRID and heads_of[entry[-1]] > 1) or heads_of[entry[-1]] >= column)
        and _KOREAN.fullmatch(entry[0] + entry[-1])
    }


def _is_keyword(word: str, may_be_goods: bool) -> bool:
    may_be = word[-1] in _MODIFIER_ENDS or may_be_goods and _HAS_GOODS.search(word)
    if may_be and _KOREAN_KEYWORD.fullmatch(word):
        return True
    return word.lower() in WHOLE_WORDS or (word[0] == "#" and _HASHTAG.fullmatch(word) is not None)


def _count_families(entries: list[list[str]], words: int) -> int:
    """Words that begin as others do (a product with what people search for behind it), if they are half of all; else 0."""
    products = [entry[0] for entry in entries if len(entry) == 1 and len(entry[0]) > BEGINNING]
    if len(products) < FAMILIES_OF_ALL * words:
        return 0
    beginnings = Counter(product[:BEGINNING] for product in products if _KOREAN.fullmatch(product))
    families = sum(count for count in beginnings.values() if count >= MIN_OF_FAMILY)
    return families if families >= FAMILIES_OF_ALL * words else 0


def _count_rows_of_one_beginning(entries: list[list[str]]) -> int:
    """Words in long rows of which nearly all begin with the same two syllables: 강남맛집 강남카페 강남술집."""
    count = 0
    for entry in entries:
        if len(entry) < MIN_IN_A_ROW:
            continue
        others = len(entry) - int(OF_THE_ROW * len(entry))
        if len({word[:BEGINNING_IN_A_ROW] for word in entry}) > others + 1:
            continue  # which is quicker than to count them
        beginnings = Counter(
            word[:BEGINNING_IN_A_ROW] for word in set(entry) if len(word) > BEGINNING_IN_A_ROW
        )
        ((beginning, most),) = beginnings.most_common(1) or [("", 0)]
        if most >= OF_THE_ROW * len(entry) and _KOREAN.fullmatch(beginning):
            count += len(entry)
    return count


def _words(part: str) -> list[str]:
    """The words of a part, without numbers and the anchors of headings (``{#id}``)."""
    pieces = part.split()
    if "{#" in part:
        pieces = [piece for piece in pieces if not piece.startswith("{#")]
    return [word for piece in pieces if (word := piece.strip(_EDGES)) and not word.isdecimal()]
