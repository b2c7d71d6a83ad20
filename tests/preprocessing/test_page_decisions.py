"""What belongs to the content of a page beside its largest block: sentences, sections of cards, replies; and menus that do not."""

import pytest

from preprocessing.readers.web_pages import convert_page

FIRST = "메밀에 들어 있는 성분은 혈관을 튼튼하게 하고, 오래 마시면 몸을 따뜻하게 한다고 알려져 있습니다."
SECOND = "밭에 씨를 뿌린 지 두 달이 지나면 꽃이 피고, 서리가 내리기 전에 거두어 햇볕에 말려야 합니다."
SHORT = "메밀밭이 여러분을 기다리고 있습니다."
LONG = f"<div class='a'>{f'<p>{SECOND}</p>' * 30}</div>"
MENU = "<ul class='gnb'><li><a href='/a'>상품</a></li><li><a href='/b'>레시피</a></li></ul>"
CARDS = "<ul><li><a href='/1'><strong>봄 소식</strong><p>밭을 갈았습니다.</p></a></li><li><a href='/2'><strong>여름 소식</strong><p>꽃이 피었습니다.</p></a></li></ul>"


def read_page(body: str, title: str = "누리집") -> list[str]:
    text, _ = convert_page(f"<!DOCTYPE html><title>{title}</title><body>{body}".encode(), None, "blocks")
    return [line for line in text.split("\n") if line]


@pytest.mark.parametrize(
    "around",
    [
        "<div id='visual'><h2>메밀</h2><p>%S%</p></div><div id='sub'>%L%</div>",
        "<div class='row'><div>%S%</div></div><div class='row'>%L%</div>",
        "<div id='wrap'><div class='top_wrap'><p class='desc'>%S%</p></div><div class='bottom_wrap'>%L%</div></div>",
        "<section>%L%</section><section><p>%S%</p></section>",
    ],
)
def test_a_sentence_beside_a_long_block_is_content(around):
    assert SHORT in read_page(MENU + around.replace("%S%", SHORT).replace("%L%", LONG))


def test_a_section_keeps_its_cards_and_a_box_of_other_posts_does_not():
    section = f"<section><div class='tit'><strong>소식</strong><p>{SHORT}</p></div>{CARDS}</section>"
    lines = [line.strip() for line in read_page(f"{MENU}<main><p>{FIRST}</p><p>{SECOND}</p>{section}</main>")]
    assert [line for line in ("- 봄 소식", "밭을 갈았습니다.", "- 여름 소식") if line not in lines] == []
    others = f"<div><h3>관련 글</h3>{CARDS}</div>"
    assert "봄 소식" not in "\n".join(read_page(f"{MENU}<main><p>{FIRST}</p><p>{SECOND}</p>{others}</main>"))


def test_sentences_are_no_menu_whatever_their_name():
    goto = f"<div class='goto_menu'><h3>{FIRST}</h3><p>{FIRST}</p><ul><li>연혁 <a href='/h'>더 보기</a></li></ul></div>"
    assert f"### {FIRST}" in read_page(f"{MENU}<div><p>{SECOND}</p>{goto}<p>{SECOND}</p></div>")


def test_a_paragraph_called_comment_is_a_caption():
    assert SHORT in read_page(f"{MENU}<div><p>{FIRST}</p><p class='comment'>{SHORT}</p><p>{SECOND}</p></div>")


def test_replies_and_answers_are_the_thread():
    replies = f"<div class='reply-item'><p>{FIRST}</p></div>" * 5
    assert read_page(f"<div><h1>메밀</h1><p>{SHORT}</p>{replies}</div>").count(FIRST) == 5
    answer = f"<div class='admin_reply'><p>[운영자 답변] {SHORT}</p></div>"
    assert f"[운영자 답변] {SHORT}" in read_page(f"{MENU}<div><p>{FIRST}</p><p>{SECOND}</p>{answer}</div>")


@pytest.mark.parametrize(
    "below",
    [
        f"<div class='comment-item'><p>{FIRST}</p></div>" * 5,
        f"<h3>댓글 5개</h3><div class='reply-item'><p>{FIRST}</p></div>",
        f"<div><b>전체 댓글</b> 5</div><div class='reply-item'><p>{FIRST}</p></div>",
    ],
)
def test_comments_under_an_article_are_cut(below):
    article = f"<h1>메밀</h1><div><p>{SECOND}</p><p>{SECOND}</p></div>"
    assert read_page(f"<div>{article}{below}</div>") == ["# 메밀", SECOND, SECOND]


@pytest.mark.parametrize(
    "menu",
    [
        "<div><span>회사소개</span><span>제품소개</span><span>고객센터</span><span>오시는 길</span></div>",
        "<ul><li>로그인</li><li>회원가입</li><li>사이트맵</li><li>장터</li></ul>",
    ],
)
def test_menus_without_links_are_cut_at_the_edges_only(menu):
    page = f"<div>%1%<h2>메밀</h2><p>{FIRST}</p>%2%<p>{SECOND}</p>%3%</div>"
    edges = page.replace("%1%", menu).replace("%2%", "").replace("%3%", menu)
    assert read_page(edges) == ["## 메밀", FIRST, SECOND]
    inside = page.replace("%1%", "").replace("%2%", menu).replace("%3%", "")
    assert "로그인" in "\n".join(read_page(inside)) or "회사소개" in "\n".join(read_page(inside))


def test_facts_before_a_heading_are_no_menu():
    facts = "<ul><li>제조사</li><li>언더독</li><li>작업 방식</li><li>음각 후 수작업</li></ul>"
    assert "- 언더독" in read_page(f"<div>{facts}<h2>메밀</h2><p>{FIRST}</p><p>{SECOND}</p></div>")


def test_the_way_to_a_page_is_cut():
    assert read_page(f"<div><p>HOME &gt; 밭 &gt; 메밀</p><h2>메밀</h2><p>{FIRST}</p><p>{SECOND}</p></div>") == [
        "## 메밀", FIRST, SECOND,
    ]  # fmt: skip


def test_the_heading_repeats_several_parts_of_the_title():
    side = "<aside><p class='name'>밭일기</p></aside>"
    page = f"{side}<div><h1>메밀 (심기? 거두기? - 말리기)</h1><div><p>{FIRST}</p><p>{SECOND}</p></div></div>"
    assert read_page(page, "메밀 (심기? 거두기? - 말리기) | 밭일기") == [
        "# 메밀 (심기? 거두기? - 말리기)", FIRST, SECOND,
    ]  # fmt: skip


def test_a_menu_that_repeats_the_name_of_the_site_is_cut():
    menu = "<div id='mGnb'><p>누리집</p><p>모바일 메뉴 닫기</p><a href='/a'>밭</a></div>"
    assert read_page(f"{menu}<div><h3>메밀</h3><div><p>{FIRST}</p><p>{SECOND}</p></div></div>") == [
        "# 누리집", "### 메밀", FIRST, SECOND,
    ]  # fmt: skip


def test_excerpts_in_rows_of_a_layout_stay_in_a_page_of_links():
    row = "<tr><td><a href='/{0}'>{0}. " + FIRST + "</a></td></tr>"
    page = f"<table>{''.join(row.format(n) for n in range(5))}</table>"
    assert len(read_page(page)) == 5


def test_paragraphs_of_a_heading_are_one_line():
    assert read_page(f"<div><h3><p>연혁</p>우리는 누구인가</h3><p>{FIRST}</p><h1><div>메밀</div></h1><p>{SECOND}</p></div>") == [
        "### 연혁 우리는 누구인가", FIRST, "# 메밀", SECOND,
    ]  # fmt: skip


def test_items_that_only_white_space_fills_go_whatever_their_indentation():
    blank = "\n" + " " * 200 + "\n"
    lines = read_page(
        f"<div><p>{FIRST}</p><ul><li>{blank}<div>{blank}</div></li><li>가</li></ul><p>{SECOND}</p></div>"
    )
    assert lines == [FIRST, "- 가", SECOND]


def test_instructions_that_no_server_ran_and_licenses_of_posts_are_cut():
    page = f"<div><?include_once '../inc/tab.php';?><p>{FIRST}</p><p>{SECOND}</p><div>This post is licensed under <a href='/l'>CC BY 4.0</a> by the author.</div></div>"
    assert read_page(page) == [FIRST, SECOND]


def test_the_heading_of_the_page_stays_above_links_that_are_cut():
    top = "<div class='entry'><h1>메밀 심기</h1><div class='links'><a href='/s'>나누기</a> <a href='/p'>찍어 내기</a></div></div>"
    assert read_page(f"<main>{top}<div><p>{FIRST}</p><p>{SECOND}</p></div></main>") == [
        "# 메밀 심기", FIRST, SECOND,
    ]  # fmt: skip


def test_comments_on_a_board_of_questions_are_answers():
    post = f"<h3>Q&amp;A</h3><h2>메밀을 사도 될까</h2><div><p>{SECOND}</p><p>{SECOND}</p></div>"
    comments = f"<div class='comments-wrap'><ul><li><p>{FIRST}</p></li></ul></div>"
    assert FIRST in "\n".join(read_page(f"<main>{post}{comments}</main>"))


@pytest.mark.parametrize("name", ["top inner", "header", "location", "head"])
def test_sentences_without_links_stay_whatever_place_their_name_says(name):
    tab = f"<div class='tab'><div class='{name}'>{SHORT * 2}</div><ul><li>하나</li><li>둘</li></ul></div>"
    assert SHORT * 2 in read_page(f"<main><h2>메밀</h2><div><p>{SECOND}</p><p>{SECOND}</p></div>{tab}</main>")


@pytest.mark.parametrize(
    ("tag", "inside"),
    [("div", "가 나 다"), ("header", "<h1>밭</h1>"), ("main", ""), ("div class='header'", "<h1>밭</h1>"), ("div", "<a href='/1'>밭</a>")],
)  # fmt: skip
def test_deeply_nested_elements_are_read(tag, inside):
    nested = f"<{tag}>{inside}" * 5000 + f"</{tag.split()[0]}>" * 5000
    assert FIRST in read_page(f"{nested}<p>{FIRST}</p><p>{SECOND}</p>")
