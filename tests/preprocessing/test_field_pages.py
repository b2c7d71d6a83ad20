"""Faults of saved Korean pages: markup that is never closed, boxes of facts, footers without marks, elements of no standard."""

import pytest

from preprocessing.readers.web_pages import convert_page

PROSE = "메밀에 들어 있는 성분은 혈관을 튼튼하게 하고, 오래 마시면 몸을 따뜻하게 한다고 알려져 있습니다."


def read_page(body: str, title: str = "메밀") -> list[str]:
    text, _ = convert_page(f"<!DOCTYPE html><title>{title}</title><body>{body}".encode(), None, "blocks")
    return [line for line in text.split("\n") if line]


def test_a_navigation_that_is_never_closed_does_not_hide_the_page():
    menu = "<ul id='main-menu'><li><a href='a'>상품</a></li><li><a href='b'>레시피</a></li></ul>"
    body = f"<nav><center><nav id='nav'><div>{menu}</div><section id='contents'><h2>메밀의 효능</h2><p>{PROSE}</p></section>"
    assert read_page(body) == ["## 메밀의 효능", PROSE]


def test_a_navigation_with_short_prose_stays_cut():
    body = (
        f"<nav><a href='a'>처음</a> {PROSE[:30]}</nav><main><h1>메밀</h1><p>{PROSE}</p><p>{PROSE}</p></main>"
    )
    assert read_page(body) == ["# 메밀", PROSE, PROSE]


def test_boxes_of_facts_stay_and_boxes_of_links_do_not():
    facts = "<div class='ch-aside'><div class='label'>총파업</div><div class='value'>41,211명</div></div>"
    links = "<div class='aside'><a href='a'>첫째 글</a><a href='b'>둘째 글</a></div>"
    assert read_page(f"<h1>메밀</h1><div><p>{PROSE}</p>{facts}<p>{PROSE}</p></div>{links}") == [
        "# 메밀",
        PROSE,
        "총파업",
        "41,211명",
        PROSE,
    ]


def test_prose_in_a_list_that_is_called_a_category_stays():
    rule = "서비스의 대분류에 따라 폴더를 만들고, 그 안에 파일을 만들어 이름을 붙인다."
    body = f"<h1>메밀</h1><p>{PROSE}</p><p>{PROSE}</p><dl class='category'><dt>폴더</dt><dd><ul><li>{rule}</li></ul></dd></dl>"
    assert f"- {rule}" in read_page(body)


@pytest.mark.parametrize(
    "footer",
    [
        "<div><p>서비스이용약관</p><p>개인정보처리방침</p><p>찾아오시는 길</p></div>",
        "<p><span>이용약관</span> | <span>개인정보 처리방침</span> | <span>이메일 무단수집거부</span></p>",
        "<dl><dt>콘텐츠 담당자 : </dt><dd>교육실</dd><dt>전화번호 : </dt><dd>055-000-0000</dd></dl>",
        "<p>열람하신 정보에 대해 만족하셨습니까?</p>",
    ],
)
def test_footers_without_marks_are_cut(footer):
    assert read_page(f"<h1>메밀</h1><div><p>{PROSE}</p><p>{PROSE}</p>{footer}</div>") == [
        "# 메밀",
        PROSE,
        PROSE,
    ]


def test_a_policy_is_content_of_its_own_page():
    body = f"<h2>개인정보처리방침</h2><p>개인정보처리방침</p><p>{PROSE}</p>"
    assert read_page(body, "개인정보처리방침") == ["## 개인정보처리방침", "개인정보처리방침", PROSE]


def test_a_picture_as_data_is_no_text_however_long():
    picture = f"<img src='data:image/png;base64,{'A' * 9000}' alt='메밀'>"
    assert read_page(f"<h1>메밀</h1>{picture}<p>{PROSE}</p>") == ["# 메밀", PROSE]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>상태는 <span1>좋다</span1>고 한다.</p>", "상태는 좋다고 한다."),
        ("<content class='trip'><p>바다 여행</p></content>", "바다 여행"),
        ("<p>형은 List&lt;String&gt;이다.</p>", "형은 List<String>이다."),
    ],
)
def test_elements_of_no_standard_leave_no_tags(markup, text):
    assert read_page(f"<h1>메밀</h1><p>{PROSE}</p>{markup}") == ["# 메밀", PROSE, text]


def test_cells_of_a_row_are_one_line():
    table = "<table>\n<tr>\n<th>번호</th>\n<th>제목</th>\n</tr>\n<tr>\n<td>1</td>\n<td>모집 공고</td>\n</tr>\n</table>"
    assert read_page(f"<h1>메밀</h1><p>{PROSE}</p>{table}")[2:] == [
        "| 번호 | 제목 |",
        "| --- | --- |",
        "| 1 | 모집 공고 |",
    ]


def test_comments_below_a_field_for_them_are_cut():
    comments = "<h3>댓글 입력하기</h3><div><h4>홍길동</h4><p>맛있어 보여요.</p></div>"
    assert read_page(f"<h1>메밀</h1><div><p>{PROSE}</p><p>{PROSE}</p>{comments}</div>") == [
        "# 메밀",
        PROSE,
        PROSE,
    ]
