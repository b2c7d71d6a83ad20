"""Goods, places and works stay whatever their list is called; what arranges the list, and its buttons, go."""

import pytest

from preprocessing.markup.html_text import html_to_text
from preprocessing.readers.web_pages import convert_page
from tests.preprocessing.test_page_shown import A, B, read_page

PLACES = "<ul>" + "".join(
    f"<li><a href='/{n}'>{n}번 밭</a><dl><dt>지번</dt><dd>나루길 {n}-3, 언덕 아래</dd></dl></li>" for n in range(1, 5)
) + "</ul>"  # fmt: skip
CARD = "<div class='{name}'><div class='{name}_in'><a href='/{n}'>메밀가루 {n}호</a><p>값 {n}9,000원, 오늘 보냄</p></div></div>"
GOODS = CARD.format(name="adProduct_item", n=7) + "".join(
    CARD.format(name="product_item", n=n) for n in range(1, 5)
)
ADS = f"<div class='ad'><b>광고</b>{PLACES}</div>"
ORDERS = "<ul><li><a href='/s?o=1'>최신순</a></li><li><a href='/s?o=2'>낮은 가격순 <span>으로 정렬</span></a></li><li><b>인기순</b></li></ul>"
CARTS = "".join(
    f"<div><p>메밀가루 {n}호</p><button data-log-tab='a'><span>장바구니 담기</span></button></div>"
    for n in range(3)
)
FACTS = "".join(f"<ul><li>메밀가루 {n}호</li><li><button>구매정보</button></li></ul>" for n in range(6))
CHOICES = "".join(
    f"<span><input type='radio' name='g' id='g{n}'><label for='g{n}'>{n}번 후원</label></span>"
    for n in range(3)
)

KEPT = {
    "works in a carousel": (f"{A}<div class='c-paging'>{PLACES}</div>{B}", "나루길 3-3"),
    "places in a slot for ads": (f"{A}<div class='wrap_ad'>{PLACES}</div>{B}", "나루길 3-3"),
    "goods among others of a list": (f"{A}<div>{GOODS}</div>{B}", "값 79,000원"),
    "choices that ask for no consent": (f"{A}<div class='checks consent'>{CHOICES}</div>{B}", "2번 후원"),
    "a command that is a part of a sentence": (f"{A}<p>먼저 <a role='button' href='#'>저장</a>을 누른다.</p>{B}", "먼저 저장을 누른다."),
    "a button that leads to a page": (f"{A}<p><a role='button' href='/a.pdf'>밭길 안내 내려받기</a></p>{B}", "밭길 안내 내려받기"),
    "names that end like an order": (f"{A}<ul><li>메밀순</li><li>들깨순</li><li>감자순</li></ul>{B}", "- 들깨순"),
    "a text about filters": (f"{A}<div class='filter'><p>체로 거른다.</p><button>가</button><button>나</button><button>다</button></div>{B}", "체로 거른다."),
    "a way within a page": (f"{A}<p>글 끝의 <a href='#'>맨 위로</a>를 누른다.</p>{B}", "맨 위로를"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KEPT)
def test_what_a_list_holds_stays(kind):
    body, line = KEPT[kind]
    assert any(line in kept for kept in read_page(body))


CUT = {
    "numbers of pages in a list": (f"{A}<div class='paging'><ul>{''.join(f'<li><a>{n}</a></li>' for n in range(5))}</ul></div>{B}", "- 3"),
    "what a reader knows as an ad": (f"{A}{ADS}{B}", "나루길"),
    "a request for consent": (f"{A}<div class='consent'><p>쿠키를 씁니다</p><button>모두 동의</button></div>{B}", "쿠키"),
    "the orders of a list": (f"{A}{ORDERS}{B}", "순"),
    "filters": (f"{A}<div class='goods-filter'><b>빛깔</b><a href='#' role='button'>검정</a><a href='#' role='button'>노랑</a><a role='button'>파랑</a></div>{B}", "검정"),
    "a button of each card": (f"{A}{CARTS}{B}", "담기"),
    "a button of each list": (f"{A}{FACTS}{B}", "구매정보"),
    "a link that is a button": (f"{A}<div><a href='#' role='button'><span>찜하기 <em>1,240</em></span></a></div>{B}", "찜하기"),
    "the way to a page with menus": (
        f"<h1>메밀 심기</h1><ol><li><button>밭일</button><ul><li><a href='#'>밭일</a></li><li><a href='#'>씨앗</a></li></ul></li></ol>{A}{B}", "씨앗"),
    "keys that a page answers to": (
        f"<div id='help-popup'><h2>Keys</h2><p>Press <kbd>s</kbd> to search, and <kbd>?</kbd> for this help</p></div>{A}{B}", "Press"),
    "ways within a page": (f"<a href='#main'>Skip to content</a><div>{A}{B}</div><div><a href='#'>Back to top</a></div>", "to"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CUT)
def test_what_arranges_a_list_is_cut(kind):
    body, line = CUT[kind]
    lines = read_page(body, "메밀 심기" if "<h1>" in body else "누리집")
    assert lines and not any(line in kept for kept in lines)


@pytest.mark.parametrize("extractor", ["blocks", None])
@pytest.mark.parametrize(
    "tag",
    [
        '<body data-a=\'{"a": "%s"}\'>' % ("가&quot;" * 3000),
        '<body><div style="%s">' % ("font: a; " * 1000),
        '<body><svg:svg width="9"><svg:g></svg:g></svg:svg>',
        '<body><st1:place w:st="on">',
    ],
)
def test_long_and_prefixed_tags_are_no_text(tag, extractor):
    text, _ = convert_page(f"<!DOCTYPE html>{tag}{A}{B}".encode(), None, extractor)
    assert text.split("\n\n") == [A[3:-4], B[3:-4]]


LABELED = "<table><tr><th>이름</th><td></td><th>번호</th><td>1000</td></tr>%s</table>"


@pytest.mark.parametrize("following", ["", "<tr><th>곳</th><td></td><th>때</th><td>봄</td></tr>"])
def test_an_empty_value_keeps_the_next_label_apart(following):
    row = html_to_text(LABELED % following).split("\n")[0]
    assert [cell.strip() for cell in row.strip("|").split("|")] == ["이름", "", "번호", "1000"]


def test_an_empty_column_between_headings_is_left_out():
    table = "<table><tr><th>곳</th><td></td><th>때</th></tr><tr><td>밭</td><td></td><td>봄</td></tr></table>"
    assert html_to_text(table).split("\n")[0] == "| 곳 | 때 |"
