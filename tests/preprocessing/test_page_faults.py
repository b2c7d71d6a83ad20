"""Faults of pages seen at first sight: policies above the page, content beside its largest part, names that mislead, posts around."""

import pytest

from preprocessing.readers.page_words import is_contact, split_names
from preprocessing.readers.web_pages import convert_page

FIRST = "메밀에 들어 있는 성분은 혈관을 튼튼하게 하고, 오래 마시면 몸을 따뜻하게 한다고 알려져 있습니다."
SECOND = "밭에 씨를 뿌린 지 두 달이 지나면 꽃이 피고, 서리가 내리기 전에 거두어 햇볕에 말려야 합니다."
POLICY = (
    "회사는 이용자의 개인정보를 중요하게 생각하며, 모은 정보를 정한 목적 밖으로 쓰지 않을 것을 약속드립니다."
)
MENU = "<ul class='gnb'><li><a href='/a'>상품</a></li><li><a href='/b'>레시피</a></li></ul>"


def read_page(body: str, title: str = "메밀") -> list[str]:
    text, _ = convert_page(f"<!DOCTYPE html><title>{title}</title><body>{body}".encode(), None, "blocks")
    return [line for line in text.split("\n") if line]


def test_a_policy_above_a_short_page_is_cut():
    popup = f"<div id='privacyModal' class='modal'><span>×</span><h2>개인정보 처리방침</h2>{f'<p>{POLICY}</p>' * 9}</div>"
    page = f"{MENU}<div class='sub'><h2>꽃</h2><p>{FIRST}</p></div>"
    assert read_page(page + popup) == read_page(popup + page) == ["## 꽃", FIRST]


def test_a_policy_is_content_of_the_page_that_it_names():
    policy = f"<div class='layer'><h2>개인정보 처리방침</h2>{f'<p>{POLICY}</p>' * 3}</div>"
    assert read_page(MENU + policy, "개인정보 처리방침") == ["## 개인정보 처리방침", POLICY, POLICY, POLICY]


@pytest.mark.parametrize(
    "body",
    [
        f"<main><p>{FIRST}</p></main><section><ul><li><p>{SECOND}</p></li><li><p>{SECOND}</p></li></ul></section>",
        f"<section><article><p>{SECOND}</p><p>{SECOND}</p></article></section><div class='greeting'><p>{FIRST}</p><p>{FIRST}</p></div>",
        f"<section class='hero'><h1>메밀꽃</h1><p>{FIRST}</p></section><section><p>{SECOND}</p>{f'<p>{SECOND}</p>' * 8}</section>",
    ],
)
def test_content_beside_the_largest_part_is_kept(body):
    text = "\n".join(read_page(MENU + body, "누리집"))
    assert FIRST in text and SECOND in text and "레시피" not in text


def test_questions_in_buttons_stay_and_other_buttons_do_not():
    body = (
        f"<div class='accordion-item'><h2><button class='accordion-button collapsed'>언제 피나요?</button></h2><div>{FIRST}</div></div>"
        f"<div class='faq'><button class='faq-question'>언제 거두나요?</button><div>{SECOND}</div></div><button class='btn'>목록</button>"
    )
    lines = read_page(MENU + body)
    assert [line for line in ("## 언제 피나요?", "언제 거두나요?", FIRST, SECOND) if line not in lines] == []
    assert "목록" not in lines


def test_words_of_design_systems_are_no_names():
    assert split_names("print:block group-hover:banner md:ad relative") == [["relative"]]
    cards = "<div class='relative'><div class='adv-card'><h3>빠름</h3></div><div class='rank-card'><h3>으뜸</h3></div></div>"
    assert read_page(f"<h1>메밀</h1><div><p>{FIRST}</p>{cards}<p>{SECOND}</p></div>") == [
        "# 메밀", FIRST, "### 빠름", "### 으뜸", SECOND,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["다음 글을 읽고 물음에 답하시오.", "이전 글 목록에서 이어집니다.", "다음 기사 제목을 채우시오"]
)
def test_sentences_about_posts_stay(text):
    assert text in read_page(f"<h1>메밀</h1><div><p>{FIRST}</p><p>{SECOND}</p><p>{text}</p></div>")


def test_links_that_bars_set_apart_are_cut_and_sources_are_not():
    menu = "<a href='/a'>처음</a> | <a href='/b'>상품</a> | <a href='/c'>오시는 길</a>"
    source = "출처: <a href='/a'>백과</a> | <a href='/b'>사전</a> | <a href='/c'>도감</a>"
    body = (
        f"<center>{menu}<hr>{FIRST}<br><br>{SECOND}<br><br>{source}<hr>Copyright © 2026 메밀 누리집</center>"
    )
    assert read_page(body) == [FIRST, SECOND, "출처: 백과 | 사전 | 도감"]


def test_an_address_is_no_prose_and_a_sentence_with_one_is():
    assert is_contact("상호: 누리 | 대표: 홍길동 | 주소: 서울특별시 가나구 다라로 12 | 전화: 02-000-0000")
    assert is_contact("서울특별시 강남구 테헤란로 10길 15 (06234), 누리빌딩 3층")
    assert not is_contact("서울특별시 강남구 테헤란로 일대에서 열린 행사에 많은 사람이 모였습니다.")
    footer = "<footer><p>상호: 누리 | 대표: 홍길동 | 주소: 서울특별시 가나구 다라로 12, 3층 (우 01234)</p></footer>"
    assert read_page(f"{MENU}<div class='box'><h2>충전</h2><p>{FIRST[:29]}</p></div>{footer}") == [
        "## 충전",
        FIRST[:29],
    ]


def test_the_name_of_the_site_is_no_heading_of_the_page():
    header = "<header><a href='index.html'><h1>메밀 누리집</h1></a></header>"
    body = f"{header}<main><h2>꽃이 피는 때</h2><p>{FIRST}</p></main><footer><p>메밀 누리집</p></footer>"
    assert read_page(body, "알림 - 메밀 누리집") == ["## 꽃이 피는 때", FIRST]


def test_choices_and_terms_of_a_form_stay_and_its_fields_leave_no_empty_items():
    options = "<ul><li><input type='radio'><label>한 해</label></li><li><label>이름</label><input></li></ul>"
    terms = f"<textarea readonly>제1조\n{SECOND}</textarea><textarea>쓰세요</textarea>"
    assert read_page(f"<h1>메밀</h1><div><p>{FIRST}</p>{options}{terms}</div>") == [
        "# 메밀",
        FIRST,
        "- 한 해",
        "제1조",
        SECOND,
    ]


def test_blocks_of_prose_outweigh_their_names():
    blocks = "".join(
        f"<div class='{name}'><p>{SECOND} {SECOND} {n}</p></div>"
        for n, name in enumerate(("login", "print", "search", "toc"))
    )
    lines = read_page(f"{MENU}<div><p>{FIRST}</p></div>{blocks}")
    assert lines == [FIRST, *(f"{SECOND} {SECOND} {n}" for n in range(4))]


def test_a_long_policy_brings_no_menu_back_to_a_page_of_links():
    menu = "<div class='gnb'><ul><li><a href='/a'>상품</a></li><li><a href='/b'>레시피</a></li></ul></div>"
    search = f"<div class='search'><form><input>{'<span>경영과 기획</span> ' * 60}</form></div>"
    rows = "".join(
        f"<li><a href='/{n}'><b>{n}번 밭</b> 메밀 누리 모임</a> <i>충청북도</i></li>" for n in range(6)
    )
    popup = f"<div class='layer'><h3>개인정보처리방침</h3>{f'<p>{POLICY}</p>' * 90}</div>"
    text = "\n".join(read_page(f"{menu}{search}<div class='list'><ul>{rows}</ul></div>{popup}", "밭 누리집"))
    assert "5번 밭" in text and "레시피" not in text and POLICY not in text


def test_buttons_beside_each_other_cost_time_in_proportion_to_their_number():
    (line,) = read_page(f"<div><p>{FIRST}</p></div><div>{'<button>봄</button>' * 10_000}</div>")[1:]
    assert line.split() == ["봄"] * 10_000
