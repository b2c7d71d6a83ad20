"""Advertisements list many things; honest pages on the same subjects do not."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocessing.judging import advertising
from preprocessing.judging.advertising import (
    COLUMNS,
    GROUPS,
    MIN_GROUPS,
    MIN_PER_1000,
    MIN_TERMS,
    measure,
    weigh,
)
from preprocessing.text.matching import available_engine

ENGINES = ["re2", *(["hyperscan"] if available_engine() == "hyperscan" else [])]
ADVERTISEMENTS = [
    "[무방문 당일 대출] 누구나 OK 5분 승인 당일 입금 ☎ 010-0000-1004 이자 첫 달 면제!! 무직자대출 소액대출 연체자대출 http://loan.example",
    "안전놀이터 추천 ▶ 첫충 30% 매충 10% 스포츠토토 카지노 바카라 먹튀 없는 메이저놀이터 가입코드 1004 텔레그램 문의",
    "파워볼 바카라 슬롯사이트 꽁머니 3만원 가입쿠폰 지급 롤링 없음 카톡 문의 주세요",
    "급등주 무료추천방 리딩방 수익인증 ▶ 카카오톡 오픈채팅 선착순 50명 월 300만원 가능",
    "신용카드 현금화 소액결제 상품권매입 최저수수료 당일입금 24시간 상담 문의 카톡",
    "재택부업 고수익 투잡 하루 1시간 월 500만원 선입금 없음 문의 카톡 주세요 선착순 모집",
    "개인회생 빚 탕감 무료상담 상담환영 신용회복 24시간 친절 상담 ☎ 대표번호 연체자 저금리 대환대출",
    "출장마사지 출장샵 조건만남 24시간 상담 텔레그램 문의 선착순 특가 비아그라 시알리스 정품보장",
    "명품가방 레플리카 백화점 동일 정품보장 당일발송 무료배송 특가 문의 카톡 오늘만 이 가격",
    "다이어트환 뱃살 요요 NO 감량보장 환불보장 선착순 특가 무료체험 문의 ☎",
    "인터넷가입 사은품 최대 46만원 현금많이 당일지급 티비 결합 문의 ☎ 위약금 지원 경품",
    "폰테크 내구제 가개통 작업대출 개인돈 월변 당일지급 텔레그램 문의",
    "블로그 매입 블로그 임대 상위노출 바이럴마케팅 팔로워 늘리기 아이디 판매 카톡 문의 공짜 체험단",
    "Hot casino bonus!!! 500 spins!!! Jackpot!!! Best odds best slots best roulette!!! promo code LUCKY http://slots.example",
    "CONGRATULATIONS lucky visitor! Click here for a free phone, limited time, act fast, 100% FREE, order now",
]
HONEST = [
    # loans
    "은행 대출을 알아보는 직장인이 늘고 있다. 전문가들은 급전이 필요하다고 무직자 대출이나 당일 대출 광고를 믿지 말라고 말한다. "
    "금융감독원에 따르면 지난해 불법 사금융 피해 신고는 만 건을 넘었다. 상담이 필요하면 금융감독원 누리집(https://www.fss.or.kr)을 "
    "이용하면 된다. 김 씨는 카드값을 갚으려다 높은 이자에 시달렸다고 털어놓았다. 정부는 서민을 위한 정책 금융을 늘리기로 했다. "
    "한 상담사는 빚을 숨기지 말고 가족과 의논하는 것이 첫걸음이라고 조언했다. 이 제도는 내년부터 전국에서 시행된다.",
    "주가는 개장하자마자 급전직하했다. 전날 상한가를 기록한 종목도 하루 만에 제자리로 돌아왔다. 거래소는 테마주 주의보를 내렸고, "
    "투자자들은 문의 전화를 걸었다. 전문가는 기업의 실적을 먼저 살펴야 한다고 말했다. 시장은 오후 들어 안정을 찾았다. 외국인은 사흘째 "
    "팔았고 개인은 샀다. 환율은 전날보다 조금 내렸다. 정부는 시장을 지켜보겠다고 밝혔다. 다음 주에는 미국의 물가 지표가 발표된다.",
    # casinos
    "강원도의 카지노는 폐광 지역을 살리려고 세워졌다. 카지노 매출의 일부는 기금이 되어 지역에 쓰인다. 카지노 입장에는 횟수 제한이 있고, "
    "카지노 이용자에게는 상담도 제공된다. 카지노 룰렛과 바카라 판에는 배당률이 적혀 있다. 주민들은 일자리가 늘어 반겼지만 도박 중독을 걱정하는 목소리도 컸다. 군은 상담소를 "
    "두 곳으로 늘리고, 학교와 함께 예방 교육을 하기로 했다. 한편 인근 시군은 기금의 배분이 고르지 않다며 조례를 고치라고 요구했다. 도의회는 "
    "다음 회기에 이를 다룬다. 탄광이 있던 자리에는 박물관이 들어섰고, 광부였던 이들이 해설을 맡아 관람객에게 그때의 이야기를 들려준다. 봄이면 "
    "야생화를 보러 오는 사람도 많고, 여름에는 서늘한 고원에서 음악회가 열리며, 가을에는 억새밭을 걷는 행사가 이어진다. 겨울 눈꽃 축제에는 해마다 "
    "십만 명이 다녀간다고 군은 밝혔다. 숙박 시설이 모자라다는 지적에는 폐교를 고쳐 묵을 곳을 마련하겠다고 답했다. 지역은 철도 회사와 함께 관광 열차를 늘릴 생각이다. 자세한 것은 https://casino.example 에 있다.",
    "영화 카지노 로얄을 다시 봤다. 카지노 장면의 긴장감이 대단하고 카지노 밖의 추격도 훌륭하다. 카지노 음악까지 좋다. 예매 문의는 극장으로.",
    # a boy in a film
    "시네마 천국의 토토는 영사실을 드나드는 소년이다. 토토와 알프레도의 우정, 어른이 된 토토가 보는 마지막 필름까지. 토토 역의 아역이 "
    "정말 사랑스럽다. 어린 토토가 공짜로 영화를 보려고 애쓰는 장면에서 웃었고, 토토가 떠날 때 울었다. http://movie.example/1988",
    "이웃집 토토로를 보고 토토 인형을 샀다. 토토 우산도 있다. 문의는 가게로.",
    # flats, goods, follow-ups
    "새 아파트의 분양가가 올랐다. 역세권 단지의 분양가는 더 올랐고 중도금 대출의 이자도 부담이다. 국토교통부는 다음 달 대책을 내놓는다. 문의가 많다.",
    "지난주에 산 가방을 환불받았다. 무료배송이라더니 배송비를 뺐다. 상담원은 친절했지만 문의에 사흘이 걸렸다. 다음에는 동네 가게에서 사겠다.",
    "The spins of the electrons are aligned, and the bonus exercise asks for the discount factor. Click the link for the solution of chapter three. "
    "The field is switched on slowly, and the sample is cooled below its critical temperature before each of the measurements is started.",
    "가나다라 마바사 아자차카 타파하",
    "",
]  # fmt: skip
PARTS = [term for terms in GROUPS.values() for term in re.split(r"\||[?(){}\[\]+,]", terms) if term.strip()]
TEXTS = st.lists(
    st.lists(
        st.sampled_from(
            [*PARTS, " ", "\n", "İ", "ı", "가나다 ", "문의", "300", "占쏙", "?뷁?", "Lorem Ipsum dolor"]
        ),
        max_size=8,
    ).map("".join),
    max_size=6,
)


def columns(texts, engine=None):
    return {
        name: values.to_pylist()
        for name, values in measure(pa.array(texts, pa.large_string()), engine).items()
    }


def judge(texts, engine=None):
    """Whether the spam rule fails, from the columns."""
    of = columns(texts, engine)
    rows = zip(texts, of["spam_terms"], of["spam_groups"], of["spam_contact"])
    return [
        groups >= MIN_GROUPS and terms >= MIN_TERMS and contact and 1000 * terms >= MIN_PER_1000 * len(text)
        for text, terms, groups, contact in rows
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_advertisements_and_honest_pages(engine):
    judged = dict(zip(ADVERTISEMENTS + HONEST, judge(ADVERTISEMENTS + HONEST, engine)))
    assert [text for text, is_spam in judged.items() if is_spam] == ADVERTISEMENTS


def test_one_subject_or_no_contact_is_not_an_advertisement():
    without_contact = ADVERTISEMENTS[0].replace("☎", "").replace("http://loan.example", "")
    assert judge(["카지노 카지노 카지노 카지노 http://a.kr", without_contact]) == [False, False]


def test_crawling_is_no_bonus():
    of = columns(["크롤링 1000건, 스크롤링, 컨트롤링", "꽁머니 지급, 롤링 없음"])
    assert of["spam_groups"] == [0, 1]


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=60, deadline=None)
@given(TEXTS)
def test_columns_agree_with_texts(engine, texts):
    of = columns(texts, engine)
    flags = re.IGNORECASE | re.ASCII
    counts = [[len(re.findall(terms, text, flags)) for terms in GROUPS.values()] for text in texts]
    assert of["spam_groups"] == [sum(n > 0 for n in row) for row in counts]
    assert of["spam_terms"] == [
        sum(row) - max(row) + min(max(row), 2 * (sum(row) - max(row))) for row in counts
    ]
    assert of["lorem"] == ["lorem ipsum dolor" in text.lower() for text in texts]
    assert of["misread"] == [2 * len(re.findall(advertising._MISREAD, text)) for text in texts]
    assert of["spam_contact"] == [
        any(row) and re.search(advertising._CONTACT, text, re.ASCII) is not None
        for row, text in zip(counts, texts)
    ]


def test_the_largest_group_counts_at_most_twice_the_others():
    assert weigh(np.array([[9, 1, 0], [2, 2, 2], [9, 0, 0], [0, 0, 0], [3, 1, 1]])).tolist() == [
        3,
        6,
        0,
        0,
        5,
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_misread_characters_are_counted(engine):
    texts = ["占쏙옙占쏙옙", "ì•ˆ 가", "정상이다", "왜?뷁?", "?덈뀞?섏꽭?? ?ㅻ뒛? 媛묐땲??"]
    assert columns(texts, engine)["misread"] == [4, 0, 0, 2, 6]


def test_columns_have_their_types():
    found = measure(pa.array(["가", None], pa.large_string()))
    assert {name: values.type for name, values in found.items()} == {
        field.name: field.type for field in COLUMNS
    }
    assert all(len(values) == 2 and not values.null_count for values in found.values())
    assert all(len(values) == 0 for values in measure(pa.array([], pa.large_string())).values())
